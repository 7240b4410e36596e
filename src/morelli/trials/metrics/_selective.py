"""What is gained by answering only the surer images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics import _checks
from morelli.trials.metrics._checks import FloatArray

__all__ = ["aurc", "risk_at_coverage", "risk_coverage_curve"]


def risk_coverage_curve(correct: npt.ArrayLike, confidence: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Share of wrong answers among the surest images, for every number of images answered.

    Source: El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017. Images of equal confidence cannot be told apart, so their
    errors are spread evenly over them (the expectation over a random order); the curve does not depend on the order of
    rows.

    Parameters
    ----------
    correct : bool array, shape (n,)
    confidence : float array, shape (n,)
        Any score; higher is surer.

    Returns
    -------
    coverage : float array, shape (n,)
        1/n, 2/n, ..., 1.
    risk : float array, shape (n,)
        Error rate among that share of images.
    """
    hit, sure = _checks.vectors(correct, confidence)
    if hit.size == 0:
        return np.empty(0), np.empty(0)
    _, block, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    rate = np.bincount(block, weights=1.0 - hit) / sizes
    errors = np.cumsum(np.repeat(rate, sizes))
    answered = np.arange(1, len(hit) + 1)
    return answered / len(hit), np.clip(errors / answered, 0.0, 1.0)


def aurc(correct: npt.ArrayLike, confidence: npt.ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean of the risk over all coverages, in [0, 1]; NaN for no rows.

    Source: Geifman, Uziel & El-Yaniv 2019. Lower is better; without any ranking it equals the error rate.
    """
    return _checks.mean(risk_coverage_curve(correct, confidence)[1])


def risk_at_coverage(correct: npt.ArrayLike, confidence: npt.ArrayLike, coverage: float = 0.5) -> float:
    """Error rate among the surest ``ceil(coverage * n)`` images; NaN for no rows.

    `coverage` lies in (0, 1].
    """
    if not 0.0 < coverage <= 1.0:
        raise MorelliError(f"A coverage lies in (0, 1], got {coverage}.")
    risk = risk_coverage_curve(correct, confidence)[1]
    if risk.size == 0:
        return float("nan")
    # 0.07 * 100 is 7.000000000000001 in floating point and must still mean seven images.
    answered = int(np.ceil(round(coverage * len(risk), 9)))
    return float(risk[max(1, answered) - 1])
