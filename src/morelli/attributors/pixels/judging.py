"""Judging pictures by a network: the middle of each, and of several patches of an image their mean word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from morelli.attributors.pixels.architectures import load_deep
from morelli.attributors.pixels.crops import middle
from morelli.attributors.pixels.learner import to_device

__all__ = ["judge_pictures", "torch_judge"]

Float = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Judge = Callable[[Pixels], Float]
"""From pictures, uint8 (m, side, side, 3), to logits (m, K), each up to a constant."""


def judge_pictures(
    judge: Judge,
    pictures: Pixels,
    side: int,
    at_once: int,
    n_classes: int,
    rows: NDArray[np.integer] | None = None,
) -> Float:
    """Return the logarithms of probabilities, shape (n, K).

    The patches of an image are as so many opinions, whose logarithms are averaged: the geometric mean, made a
    probability again. They are no independent evidence, and their logarithms are not added up.

    Parameters
    ----------
    judge : callable
    pictures : ndarray of uint8, shape (n, patches, stored side, stored side, 3)
        In memory or memory-mapped.
    side : int
        What the network sees: the middle of each picture.
    at_once : int
        Pictures, at least; an image's patches stay together.
    n_classes : int
    rows : ndarray of int, optional
        Which images; all by default.
    """
    patches = pictures.shape[1]
    images = max(1, at_once // patches)
    chosen = np.arange(len(pictures)) if rows is None else rows
    parts = [np.empty((0, n_classes))]
    for start in range(0, len(chosen), images):
        seen = np.ascontiguousarray(middle(pictures[chosen[start : start + images]], side))
        words = log_softmax(judge(seen.reshape(-1, side, side, 3)).astype(np.float64), axis=1)
        parts.append(log_softmax(words.reshape(-1, patches, n_classes).mean(axis=1), axis=1))
    return np.concatenate(parts)


def torch_judge(network: Any, device: str, kind: str) -> Judge:
    """Return the judge that a network in torch is, in evaluation mode and on a device."""
    torch, _ = load_deep(kind)

    def judge(pictures: Pixels) -> Float:
        with torch.no_grad(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
            logits = network(pixel_values=to_device(torch, pictures, device)).logits
        return np.asarray(logits.double().cpu().numpy())

    return judge
