"""Telling images of models that are no candidates apart. Scores here are higher for candidates' images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics import _checks
from morelli.trials.metrics._checks import FloatArray

__all__ = ["auroc", "fpr_at_tpr", "oscr"]


def auroc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Probability that a positive scores above a negative, ties counting one half.

    The rank form (Mann & Whitney 1947; Hanley & McNeil 1982): equal to the trapezoid area under the ROC curve.

    Parameters
    ----------
    positive, negative : float array, shape (n,) and (m,)
        Scores; higher should mean positive. For the open set, positives are the candidates' images.

    Returns
    -------
    float
        In [0, 1], 0.5 is no information; NaN if either side is empty.
    """
    positive, negative = _clean(positive), _clean(negative)
    return _checks.mean(_beaten(positive, negative))


def fpr_at_tpr(positive: npt.ArrayLike, negative: npt.ArrayLike, tpr: float = 0.95) -> float:
    """Share of negatives that pass the strictest threshold which at least `tpr` of the positives pass.

    Source: "FPR95" of Hendrycks & Gimpel 2017, Liang et al. 2018. A score equal to the threshold passes. In [0, 1],
    lower is better; NaN if either side is empty.
    """
    positive, negative = _clean(positive), _clean(negative)
    if not 0.0 < tpr <= 1.0:
        raise MorelliError(f"A true positive rate lies in (0, 1], got {tpr}.")
    if positive.size == 0 or negative.size == 0:
        return float("nan")
    needed = int(np.ceil(round(tpr * positive.size, 9)))
    threshold = np.sort(positive)[positive.size - needed]
    return float((negative >= threshold).mean())


def oscr(known: npt.ArrayLike, correct: npt.ArrayLike, unknown: npt.ArrayLike) -> float:
    """Area under the open-set classification rate: correct answers kept against unknowns let through.

    Source: Dhamija, Günther & Boult 2018. The area equals the share of (known, unknown) pairs in which the known image
    is answered correctly and scores above the unknown one, ties counting one half; it is computed in that form.

    Parameters
    ----------
    known : float array, shape (n,)
        Scores of the candidates' images; higher is more known.
    correct : bool array, shape (n,)
        Whether each of those was answered correctly.
    unknown : float array, shape (m,)

    Returns
    -------
    float
        In [0, accuracy]; NaN if either side is empty. Equals `auroc` when every answer is correct.
    """
    score, hit = _checks.vectors(known, correct)
    others = _clean(unknown)
    return _checks.mean(_beaten(score, others) * hit) if others.size else float("nan")


def _beaten(scores: FloatArray, others: FloatArray) -> FloatArray:
    """Share of `others` below each score, ties one half; empty if there are no others."""
    if others.size == 0:
        return np.empty(0)
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return (below + not_above) / (2.0 * others.size)


def _clean(scores: npt.ArrayLike) -> FloatArray:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise MorelliError("Open-set scores must be a vector without NaN; leave unreadable images out.")
    return array
