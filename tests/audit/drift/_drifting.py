"""Samples of images by a model that changes as told, as measurements."""

from __future__ import annotations

import numpy as np

BLOCKS = {"residual": slice(0, 12), "colour": slice(12, 30)}


def two_samples(n, shift=0.0, *, seed=0, each=1, paired=True, family="residual", content=2.0):
    """Return measurements, which are new, and prompts: `shift` standard deviations along one direction of a family."""
    rng = np.random.default_rng(seed)
    size = n * each
    prompts = np.concatenate([np.repeat(np.arange(n), each), np.repeat(np.arange(n) + (0 if paired else n), each)])
    subjects = content * rng.normal(size=(prompts.max() + 1, 30))
    X = subjects[prompts] + rng.normal(size=(2 * size, 30))
    new = np.arange(2 * size) >= size
    direction = rng.normal(size=30)
    inside = np.zeros(30, dtype=bool)
    inside[BLOCKS[family]] = True
    direction = np.where(inside, direction, 0.0)
    X[new] += shift * direction / np.linalg.norm(direction)
    return X, new, prompts
