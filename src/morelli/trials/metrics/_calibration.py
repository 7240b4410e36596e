"""Whether the probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics import _checks
from morelli.trials.metrics._checks import FloatArray, IntArray

__all__ = [
    "ReliabilityCurve",
    "brier_score",
    "calibration_error_floor",
    "expected_calibration_error",
    "log_loss",
    "reliability_curve",
]

Binning = Literal["width", "mass"]


@dataclass(frozen=True, eq=False, slots=True)
class ReliabilityCurve:
    """Confidence against accuracy, in bins.

    Attributes
    ----------
    edges : float array, shape (bins + 1,)
        A bin holds confidences in (left, right]; the first one also 0.
    count : int array, shape (bins,)
    confidence, accuracy : float array, shape (bins,)
        Means in each bin; NaN where it is empty.
    """

    edges: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray


def reliability_curve(
    correct: npt.ArrayLike, confidence: npt.ArrayLike, bins: int = 15, binning: Binning = "width"
) -> ReliabilityCurve:
    """Bin answers by their confidence and compare with how often they are right.

    Parameters
    ----------
    correct : bool array, shape (n,)
    confidence : float array, shape (n,)
        Probability of the answer, in [0, 1].
    bins : int
        Number of bins; with ``"mass"`` at most n of them are made.
    binning : {"width", "mass"}
        Equal width (Guo et al. 2017) or equal numbers of images (Nixon et al. 2019; Roelofs et al. 2022), which is
        less biased when most confidences sit together. With ``"mass"``, equal confidences may fall into two
        neighbouring bins; the order among them is that of the rows.
    """
    hit, sure = _checks.vectors(correct, confidence)
    if bins < 1:
        raise MorelliError(f"A reliability diagram needs at least one bin, got {bins}.")
    if sure.size and (sure.min() < 0.0 or sure.max() > 1.0):
        raise MorelliError("Confidences must lie in [0, 1].")
    if binning == "width":
        edges = np.linspace(0.0, 1.0, bins + 1)
        member = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    elif binning == "mass":
        bins = max(1, min(bins, len(sure)))
        order = np.argsort(sure, kind="stable")
        member = np.empty(len(sure), dtype=np.int64)
        member[order] = np.arange(len(sure)) * bins // max(1, len(sure))
        starts = [float(sure[member == b].min()) for b in range(1, bins)]
        edges = np.array([0.0, *starts, 1.0])
    else:
        raise MorelliError(f'binning is "width" or "mass", got {binning!r}.')
    count = np.bincount(member, minlength=bins).astype(np.int64)
    filled = count > 0
    empty = np.full(bins, np.nan)
    return ReliabilityCurve(
        edges=edges,
        count=count,
        confidence=np.divide(np.bincount(member, sure, bins), count, out=empty.copy(), where=filled),
        accuracy=np.divide(np.bincount(member, hit, bins), count, out=empty.copy(), where=filled),
    )


def expected_calibration_error(
    correct: npt.ArrayLike, confidence: npt.ArrayLike, bins: int = 15, binning: Binning = "width"
) -> float:
    """Mean gap between confidence and accuracy over the bins, weighted by their images (top-label ECE).

    Source: Naeini et al. 2015; Guo et al. 2017 for 15 equal-width bins. Parameters as in `reliability_curve`. In
    [0, 1]; NaN for no rows. Empty bins count nothing. It is biased upwards with few images per bin.
    """
    curve = reliability_curve(correct, confidence, bins, binning)
    total = int(curve.count.sum())
    if total == 0:
        return float("nan")
    filled = curve.count > 0
    gap = np.abs(curve.accuracy[filled] - curve.confidence[filled])
    return float((gap * curve.count[filled]).sum() / total)


def calibration_error_floor(
    confidence: npt.ArrayLike, bins: int = 15, binning: Binning = "width", *, n_draws: int = 200, seed: int = 0
) -> float:
    """Calibration error that answers of these confidences would show if they were calibrated perfectly.

    The error in the bins is an absolute value, and so never zero for a finite number of images: with 600 images and 15
    bins it is about 0.05 for a perfect forecast. What exceeds this floor is miscalibration (Broecker and Smith 2007,
    "Increasing the reliability of reliability diagrams", by the same resampling). NaN for no rows.

    Parameters
    ----------
    confidence, bins, binning
        As in `expected_calibration_error`.
    n_draws, seed : int
        Simulated sets of right and wrong answers.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    random = np.random.default_rng(seed)
    draws = [expected_calibration_error(random.random(len(sure)) < sure, sure, bins, binning) for _ in range(n_draws)]
    return float(np.mean(draws))


def brier_score(y: npt.ArrayLike, proba: npt.ArrayLike) -> float:
    """Mean squared distance from the probabilities to the truth, summed over candidates, in [0, 2] (Brier 1950).

    NaN for no rows. With two candidates it is twice the binary score that scikit-learn reports by default.
    """
    y, proba = _checks.scored(y, proba)
    own = proba[np.arange(len(y)), y]
    return _checks.mean((proba**2).sum(axis=1) - 2.0 * own + 1.0)


def log_loss(y: npt.ArrayLike, proba: npt.ArrayLike) -> float:
    """Mean negative log-probability of the truth, in nats; NaN for no rows.

    Probabilities are held at or above the float64 epsilon (2.2e-16), so one certain mistake costs 36, not infinity.
    """
    y, proba = _checks.scored(y, proba)
    return _checks.mean(-np.log(np.maximum(proba[np.arange(len(y)), y], np.finfo(np.float64).eps)))
