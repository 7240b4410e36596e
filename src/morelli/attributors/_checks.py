"""Checks of logits, labels and groups that calibration, conformal sets and the open set share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "IntArray", "check_groups", "check_labels", "check_logits"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_logits(logits: ArrayLike, n_classes: int | None = None) -> FloatArray:
    """Return logits as a finite float matrix (n, K), or raise."""
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2:
        raise ValueError(f"logits must be a matrix (images, classes), not of shape {z.shape}")
    if n_classes is not None and z.shape[1] != n_classes:
        raise ValueError(f"logits have {z.shape[1]} classes, the calibrator was fitted on {n_classes}")
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z).all(axis=1)).sum())
        raise ValueError(f"logits of {bad} of {len(z)} images are NaN or infinite: leave those images out")
    return z


def check_labels(y: ArrayLike, n_classes: int | None, n: int, name: str = "y") -> IntArray:
    """Return labels as class indices (n,) in 0 .. K - 1 (K unlimited for None), or raise."""
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"{name} must have one class index per image, shape ({n},), not {labels.shape}")
    if n and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name} must hold class indices (integers), not {labels.dtype}")
    if n and (labels.min() < 0 or (n_classes is not None and labels.max() >= n_classes)):
        allowed = "0 or more" if n_classes is None else f"in 0..{n_classes - 1}"
        raise ValueError(f"{name} must be {allowed}, found {labels.min()}..{labels.max()}")
    return labels.astype(np.int64)


def check_groups(groups: ArrayLike | None, n: int) -> tuple[IntArray, int]:
    """Return groups numbered from 0, shape (n,), and how many there are; None is one group per image."""
    if groups is None:
        return np.arange(n), n
    ids = np.asarray(groups)
    if ids.shape != (n,):
        raise ValueError(f"groups must have one entry per image, shape ({n},), not {ids.shape}")
    unique, inverse = np.unique(ids, return_inverse=True)
    return inverse.astype(np.int64), len(unique)
