"""Accuracy and its kin. Rows are known, readable images; undefined values are NaN, never a flattering 0 or 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics import _checks
from morelli.trials.metrics._checks import FloatArray, IntArray

__all__ = [
    "PerClass",
    "accuracy",
    "confusion_matrix",
    "lineage_accuracy",
    "lineage_rollup",
    "per_class",
    "top_k_accuracy",
    "true_rank",
]


def accuracy(y: npt.ArrayLike, proba: npt.ArrayLike) -> float:
    """Share of images whose most probable candidate is the true one.

    Parameters
    ----------
    y : int array, shape (n,)
        True class indices in [0, K).
    proba : float array, shape (n, K)

    Returns
    -------
    float
        In [0, 1]; NaN for no rows. Among equal probabilities the candidate listed first is the answer, as in `argmax`.
    """
    return top_k_accuracy(y, proba, k=1)


def true_rank(y: npt.ArrayLike, proba: npt.ArrayLike) -> IntArray:
    """Rank of the true class, shape (n,), 0 is the answer; equals are ranked in the order of the candidates."""
    y, proba = _checks.scored(y, proba)
    own = proba[np.arange(len(y)), y][:, None]
    earlier = np.arange(proba.shape[1])[None, :] < y[:, None]
    ahead = (proba > own) | ((proba == own) & earlier)
    return np.asarray(ahead.sum(axis=1), dtype=np.int64)


def top_k_accuracy(y: npt.ArrayLike, proba: npt.ArrayLike, k: int = 3) -> float:
    """Share of images whose true candidate is among the `k` most probable.

    Parameters
    ----------
    y : int array, shape (n,)
    proba : float array, shape (n, K)
    k : int
        At least 1. With k >= K the result is 1 and says nothing.

    Returns
    -------
    float
        In [0, 1]; NaN for no rows. Ties are broken in the order of the candidates.
    """
    if k < 1:
        raise MorelliError(f"top-k accuracy needs k of at least 1, got {k}.")
    return _checks.mean(true_rank(y, proba) < k)


def confusion_matrix(y: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> IntArray:
    """Count images by true class (rows) and answer (columns), shape (K, K)."""
    y, predicted = _checks.labels(y, n_classes), _checks.labels(predicted, n_classes)
    if len(y) != len(predicted):
        raise MorelliError(f"{len(y)} labels do not fit {len(predicted)} answers.")
    counts = np.bincount(y * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class PerClass:
    """Precision, recall and F1 of each class.

    Attributes
    ----------
    precision : float array, shape (K,)
        Of the images given this name, the share that has it; NaN where the name was never given.
    recall : float array, shape (K,)
        Of the images of this class, the share that was given its name; NaN where there are no such images.
    f1 : float array, shape (K,)
        2 TP / (2 TP + FP + FN); NaN where the class neither occurs nor is answered.
    support, predicted : int array, shape (K,)
        Images of the class, and images given its name.
    """

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    support: IntArray
    predicted: IntArray


def per_class(confusion: npt.ArrayLike, support: npt.ArrayLike | None = None) -> PerClass:
    """Precision, recall, F1 and support.

    Parameters
    ----------
    confusion : int array, shape (K, K)
        Rows true, columns answered.
    support : int array, shape (K,), optional
        Images of each class, if some of them have no answer, which the matrix cannot hold.
    """
    counts = np.asarray(confusion, dtype=np.int64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise MorelliError(f"A confusion matrix is square, got the shape {counts.shape}.")
    right = np.diag(counts).astype(np.float64)
    predicted = counts.sum(axis=0)
    support = counts.sum(axis=1) if support is None else np.asarray(support, dtype=np.int64)
    return PerClass(
        precision=_ratio(right, predicted),
        recall=_ratio(right, support),
        f1=_ratio(2.0 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def lineage_rollup(proba: npt.ArrayLike, lineages: Sequence[str | None]) -> tuple[FloatArray, IntArray]:
    """Sum the probabilities of the candidates of each lineage.

    Parameters
    ----------
    proba : float array, shape (n, K)
    lineages : sequence of (str or None), length K
        A candidate without a lineage (None) is a lineage of its own.

    Returns
    -------
    rolled : float array, shape (n, L)
        Probability of each lineage, in the order of first appearance.
    index : int array, shape (K,)
        The lineage of each candidate as a column of `rolled`.
    """
    matrix = np.asarray(proba, dtype=np.float64)
    keys: list[tuple[int, str]] = [(i, "") if name is None else (-1, name) for i, name in enumerate(lineages)]
    if matrix.ndim != 2 or matrix.shape[1] != len(keys):
        raise MorelliError(f"{len(keys)} lineages do not fit probabilities of the shape {matrix.shape}.")
    columns = {key: column for column, key in enumerate(dict.fromkeys(keys))}
    index = np.array([columns[key] for key in keys], dtype=np.int64)
    member = np.zeros((len(keys), len(columns)))
    member[np.arange(len(keys)), index] = 1.0
    return matrix @ member, index


def lineage_accuracy(y: npt.ArrayLike, proba: npt.ArrayLike, lineages: Sequence[str | None]) -> float:
    """Share of images whose most probable lineage is the true one; NaN for no rows.

    Probabilities are summed before the answer is taken, so the answer may be a lineage that does not hold the most
    probable single candidate.
    """
    y, proba = _checks.scored(y, proba)
    rolled, index = lineage_rollup(proba, lineages)
    return accuracy(index[y], rolled)


def _ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.int64]) -> FloatArray:
    empty: FloatArray = np.full(len(above), np.nan)
    return np.divide(above, below, out=empty, where=below > 0)
