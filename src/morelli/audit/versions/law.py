r"""What more references bring, foreseen from what fewer would have cost.

Errors fall about as a power of the number n of references,

.. math:: e(n) \propto n^{-b}

The exponent b is read off the probability that a truth lacks of 1: a dozen images say far more by it than by how many
of them are named right. It is that of all candidates together: a candidate that had bad luck with its images seems to
have learned little as well, so that its own exponent would count the same luck twice (``benchmarks/advise.py``). How
far exponents of candidates differ beyond chance widens the intervals. What is foreseen is the recall of now, moved
along the law; both are uncertain, and intervals are of draws of both.

References
----------
C. Cortes, L. Jackel, S. Solla, V. Vapnik, J. Denker, "Learning curves: asymptotic values and rate of convergence", NIPS
6, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.versions.curve import Curve
from morelli.audit.versions.intervals import expanded, stretch
from morelli.audit.versions.recalls import Recalls

__all__ = ["MOST_TIMES", "ErrorLaw", "Estimate", "Needed"]

Float = NDArray[np.float64]

N_DRAWS: Final = 1000
MOST_TIMES: Final = 8.0
"""How many times as many references are foreseen at most: beyond, a law from so few is no guide."""

_LEAST_LOST: Final = 0.02
_WIDE, _NARROW = 0.95, 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval; of what level is said where it stands."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Needed:
    """How many references a target takes.

    Attributes
    ----------
    value : int or None
        As likely as not these suffice; None where it takes more than `most`.
    low, high : int or None
        80% interval; None for a limit beyond `most`.
    most : int
        Beyond so many nothing is foreseen.
    """

    value: int | None
    low: int | None
    high: int | None
    most: int


class ErrorLaw:
    """The law for each candidate and for all, with draws of everything that is uncertain in it.

    Parameters
    ----------
    curve : Curve
        Of K candidates.
    recalls : Recalls
        At the largest share of the curve.
    seed : int
        Of the draws.
    """

    def __init__(self, curve: Curve, recalls: Recalls, seed: int) -> None:
        n_groups, k = int(curve.groups.max()) + 1, curve.known.shape[1]
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=N_DRAWS)
        weights = np.concatenate([np.ones((1, n_groups)), drawn])
        cells = curve.groups * k + curve.codes
        # Sums over images of one prompt and candidate are all that resamples of prompts need.
        counts = np.bincount(cells, minlength=n_groups * k).reshape(n_groups, k)
        lost = np.stack([np.bincount(cells, weights=1 - row, minlength=n_groups * k) for row in curve.truth])
        totals = weights @ counts
        errors = weights @ lost.reshape(len(lost), n_groups, k)
        with np.errstate(invalid="ignore", divide="ignore"):
            self._errors = np.where(totals > 0, errors / totals, np.nan)
        pooled = errors.sum(axis=2) / totals.sum(axis=1)
        known = np.maximum(curve.known, 1.0)
        share = counts.sum(axis=0) / counts.sum()
        self._known, self._usual = known[-1], float(known[-1] @ share)
        self._own = _exponent(self._errors, known[:, None, :])
        self._all = _exponent(pooled, (known @ share)[:, None])
        self._n_groups = n_groups
        self._exponents = self._drawn(rng)
        right = np.bincount(curve.groups, weights=curve.named[-1] == curve.codes, minlength=n_groups)
        self._lost_of_all = 1 - (weights @ right) / totals.sum(axis=1)
        middles = recalls.middle + self._farther * (self._lost_of_all[0] - self._lost_of_all[1:])
        self._lost = 1 - recalls.draw(np.clip(middles, 0.01, 0.99), rng)

    @property
    def _farther(self) -> float:
        """How much farther draws lie apart than resamples of so few prompts."""
        return stretch(self._n_groups, _NARROW)

    def _drawn(self, rng: np.random.Generator) -> Float:
        """Draw exponents of candidates, shape (draws, K): that of all, with the spread that is no chance."""
        own = self._own[0]
        there = np.isfinite(own) & (np.isfinite(self._own).sum(axis=0) > N_DRAWS / 2)
        noise = np.nanvar(self._own[1:, there], axis=0)
        between = max(0.0, float(np.var(own[there]) - noise.mean())) if there.sum() > 1 else 0.0
        middle = self._all[0] + self._farther * (self._all[1:, None] - self._all[0])
        return np.asarray(middle + np.sqrt(between) * rng.standard_normal((N_DRAWS, len(own))))

    @property
    def steepness(self) -> Estimate:
        """The exponent of all candidates, with its 95% interval over prompts."""
        return _estimate(self._all[0], self._all[1:], expanded(self._n_groups, _WIDE))

    def gained(self, place: int) -> Estimate | None:
        """Return by how much the last half of the references raised the probability of the truth; 95% interval."""
        gain = self._errors[0, :, place] - self._errors[-1, :, place]
        return _estimate(gain[0], gain[1:], expanded(self._n_groups, _WIDE)) if np.isfinite(gain[0]) else None

    def foreseen(self, place: int, references: float) -> Estimate:
        """Return the recall that is foreseen with so many references of each candidate; 80% interval."""
        times = max(references / self._known[place], 1.0)
        right = 1 - np.minimum(self._lost[:, place] * times ** -self._exponents[:, place], 1.0)
        return _estimate(float(np.median(right)), right, _NARROW)

    def foreseen_of_all(self, references: float) -> Estimate:
        """Return the share of all images that is foreseen to be named right with so many of each; 80% interval."""
        times = max(references / self._usual, 1.0)
        right = 1 - np.minimum(self._lost_of_all * times**-self._all, 1.0)
        return _estimate(right[0], right[1:], expanded(self._n_groups, _NARROW))

    @property
    def known_of_all(self) -> float:
        """References of a candidate behind an answer, on average over images."""
        return self._usual

    def needed(self, place: int, target: float) -> Needed:
        """Return with how many references the recall is foreseen to be the target."""
        lost, exponents, now = self._lost[:, place], self._exponents[:, place], float(self._known[place])
        behind = np.log(np.maximum(lost, 1e-300) / (1 - target))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            times = np.where(behind <= 0, 1.0, np.where(exponents > 0, np.exp(behind / exponents), np.inf))
        most = int(MOST_TIMES * now)
        tail = (1 - _NARROW) / 2
        numbers = np.quantile(times, [tail, 0.5, 1 - tail], method="higher") * now
        low, middle, high = (int(np.ceil(n)) if n <= most else None for n in numbers)
        return Needed(middle, low, high, most)


def _exponent(errors: Float, known: Float) -> Float:
    """Return minus the slope of errors against numbers, both logarithms, along the first axis (least squares)."""
    x = np.log(known)
    x = x - x.mean(axis=0)
    square = (x**2).sum(axis=0)
    slopes = -(x * np.log(np.maximum(errors, _LEAST_LOST))).sum(axis=0)
    return np.asarray(np.divide(slopes, square, out=np.full_like(slopes, np.nan), where=square > 0))


def _estimate(value: float, draws: Float, level: float) -> Estimate:
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))
