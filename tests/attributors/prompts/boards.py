"""Boards of random numbers whose law is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Drawn(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    prompts: np.ndarray


def draw(n_prompts=20, n_classes=4, each=4, d=8, *, prompt=5.0, offset=1.0, cell=1.0, seed_spread=1.0, seed=0) -> Drawn:
    """Return images of every class for every prompt, by the law of `TwoLevel`, in a random order."""
    rng = np.random.default_rng(seed)
    means = (
        prompt * rng.normal(size=(n_prompts, 1, 1, d))
        + offset * rng.normal(size=(1, n_classes, 1, d))
        + cell * rng.normal(size=(n_prompts, n_classes, 1, d))
        + seed_spread * rng.normal(size=(n_prompts, n_classes, each, d))
    )
    names = np.array([f"model {k}" for k in range(n_classes)])
    y = np.broadcast_to(names[None, :, None], means.shape[:3]).reshape(-1)
    prompts = np.broadcast_to(np.arange(n_prompts)[:, None, None], means.shape[:3]).reshape(-1)
    order = rng.permutation(len(y))
    return Drawn(means.reshape(-1, d)[order], y[order], prompts[order])
