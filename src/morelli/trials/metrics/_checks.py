"""Types and argument checks shared by the metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def mean(values: npt.NDArray[Any]) -> float:
    """Return the mean, or NaN without numpy's warning when there is nothing to average."""
    return float(values.mean()) if values.size else float("nan")


def labels(y: npt.ArrayLike, n_classes: int) -> IntArray:
    """Return true class indices, shape (n,), all in [0, n_classes)."""
    array = np.asarray(y, dtype=np.int64)
    if array.ndim != 1 or (array.size and (array.min() < 0 or array.max() >= n_classes)):
        raise MorelliError(
            f"Labels must be a vector of class indices below {n_classes}; keep only rows with known labels."
        )
    return array


def scored(y: npt.ArrayLike, proba: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    """Return checked true class indices, shape (n,), and probabilities, shape (n, K)."""
    matrix = np.asarray(proba, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise MorelliError(f"Probabilities must have the shape (images, candidates), got {matrix.shape}.")
    array = labels(y, matrix.shape[1])
    if len(array) != len(matrix):
        raise MorelliError(f"{len(array)} labels do not fit {len(matrix)} rows of probabilities.")
    if np.isnan(matrix).any():
        raise MorelliError("Probabilities hold NaN; leave unreadable images out before measuring.")
    return array, matrix


def vectors(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two float vectors of one length without NaN."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise MorelliError(f"Two vectors of one length are needed, got the shapes {a.shape} and {b.shape}.")
    if np.isnan(a).any() or np.isnan(b).any():
        raise MorelliError("A score is NaN; leave unreadable images out before measuring.")
    return a, b


def none_for_nan(value: float) -> float | None:
    """Return a Python float, or None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
