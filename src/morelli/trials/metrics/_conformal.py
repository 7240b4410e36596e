"""Whether the prediction sets hold the truth as often as promised, and how large they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics import _checks
from morelli.trials.metrics._checks import BoolArray, FloatArray, IntArray

__all__ = ["class_coverage", "class_set_size", "mean_set_size", "set_coverage", "set_size_counts"]


def set_coverage(y: npt.ArrayLike, prediction_set: npt.ArrayLike) -> float:
    """Share of images whose set holds the true candidate, in [0, 1]; NaN for no rows.

    Parameters
    ----------
    y : int array, shape (n,)
    prediction_set : bool array, shape (n, K)
        Source of the sets: split conformal prediction (Vovk, Gammerman & Shafer 2005). An empty set covers nothing.
    """
    y, sets = _checked(y, prediction_set)
    return _checks.mean(sets[np.arange(len(y)), y])


def mean_set_size(prediction_set: npt.ArrayLike) -> float:
    """Mean number of candidates in a set; NaN for no rows. Empty sets count as 0."""
    return _checks.mean(np.asarray(prediction_set, dtype=np.bool_).sum(axis=-1))


def set_size_counts(prediction_set: npt.ArrayLike) -> IntArray:
    """Count the sets of each size 0, 1, ..., K, shape (K + 1,), for sets of the shape (n, K)."""
    sets = np.asarray(prediction_set, dtype=np.bool_)
    return np.bincount(sets.sum(axis=1), minlength=sets.shape[1] + 1).astype(np.int64)


def class_coverage(y: npt.ArrayLike, prediction_set: npt.ArrayLike) -> FloatArray:
    """Share of the images of each true class whose set holds it, shape (K,); NaN for a class without images."""
    y, sets = _checked(y, prediction_set)
    return _by_class(y, sets[np.arange(len(y)), y].astype(np.float64), sets.shape[1])


def class_set_size(y: npt.ArrayLike, prediction_set: npt.ArrayLike) -> FloatArray:
    """Mean set size over the images of each true class, shape (K,); NaN for a class without images."""
    y, sets = _checked(y, prediction_set)
    return _by_class(y, sets.sum(axis=1).astype(np.float64), sets.shape[1])


def _checked(y: npt.ArrayLike, prediction_set: npt.ArrayLike) -> tuple[IntArray, BoolArray]:
    sets = np.asarray(prediction_set, dtype=np.bool_)
    if sets.ndim != 2 or sets.shape[0] != len(np.asarray(y)):
        raise MorelliError(f"Sets of the shape {sets.shape} do not fit {len(np.asarray(y))} labels.")
    return _checks.labels(y, sets.shape[1]), sets


def _by_class(y: IntArray, values: FloatArray, n_classes: int) -> FloatArray:
    support = np.bincount(y, minlength=n_classes)
    total = np.bincount(y, weights=values, minlength=n_classes)
    empty: FloatArray = np.full(n_classes, np.nan)
    return np.divide(total, support, out=empty, where=support > 0)
