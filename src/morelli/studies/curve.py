"""Learning curves: how accuracy grows with references, and how many a wanted accuracy needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import expit, logit

from morelli.errors import NotEnoughDataError

__all__ = ["FORMS", "CurveFit", "Needed", "fit_curve", "references_needed"]

Float = NDArray[np.float64]

FORMS = ("logistic", "power")
"""Curves that are fitted: accuracy above chance logistic in the logarithm of references, or error a power of them."""

FARTHEST = 1e6
"""References per class beyond which no number is given: a curve fitted to dozens says nothing about millions."""

_EPS = 1e-6


@dataclass(frozen=True, slots=True)
class CurveFit:
    """A fitted learning curve.

    Attributes
    ----------
    form : str
        One of `FORMS`. ``logistic``: ``chance + (1 - chance) * expit(a + b * ln n)``; ``power``: error
        ``exp(a) * n**-b`` (Hestness et al. 2017), at most that of chance. Both rise to 1: a plateau below it would
        take more sizes to tell than a study usually has.
    a, b : float
    chance : float
    """

    form: str
    a: float
    b: float
    chance: float

    def accuracy(self, references: ArrayLike) -> Float:
        """Return the accuracy at numbers of references per class."""
        return _curve(self.form, self.a, self.b, self.chance, np.log(np.asarray(references, dtype=np.float64)))

    def needed(self, accuracy: float) -> float:
        """Return how many references per class reach an accuracy, at least 1; infinite where the curve never does."""
        if self.accuracy(1.0) >= accuracy:
            return 1.0
        if self.b <= 0:
            return float("inf")
        if self.form == "logistic":
            share = (accuracy - self.chance) / (1.0 - self.chance)
            exponent = (logit(np.clip(share, _EPS, 1 - _EPS)) - self.a) / self.b
        else:
            exponent = (self.a - np.log(max(1.0 - accuracy, _EPS))) / self.b
        return float(np.exp(min(exponent, 700.0)))


@dataclass(frozen=True, slots=True)
class Needed:
    """How many references per class an accuracy needs.

    Attributes
    ----------
    accuracy : float
    n : float or None
        By the form that fits better; None beyond `FARTHEST`.
    low, high : float or None
        95% interval by bootstrap over prompts, over both forms; None at the end that is beyond `FARTHEST`.
    form : str
    reached : bool
        Whether the accuracy lies within the sizes that were measured; otherwise `n` is extrapolated.
    """

    accuracy: float
    n: float | None
    low: float | None
    high: float | None
    form: str
    reached: bool


def fit_curve(
    sizes: ArrayLike, accuracy: ArrayLike, chance: float, form: str, weights: ArrayLike | None = None
) -> CurveFit:
    """Fit a learning curve by least squares.

    Parameters
    ----------
    sizes : array-like, shape (m,)
        References per class, at least two different ones.
    accuracy : array-like, shape (m,)
    chance : float
    form : str
    weights : array-like, shape (m,), optional
        Number of images behind each accuracy.

    Raises
    ------
    NotEnoughDataError
        Fewer than two sizes.
    """
    x, y = np.log(np.asarray(sizes, dtype=np.float64)), np.asarray(accuracy, dtype=np.float64)
    if len(np.unique(x)) < 2:
        raise NotEnoughDataError("A learning curve needs at least two numbers of references.")
    w = np.ones_like(y) if weights is None else np.sqrt(np.asarray(weights, dtype=np.float64))
    share = np.clip((y - chance) / (1 - chance), 0.01, 0.99)
    if form == "logistic":
        b, a = np.polyfit(x, logit(share), 1)
    else:
        b, a = np.polyfit(x, np.log(np.clip(1 - y, 0.005, 1.0)), 1)
        b = -b
    found = least_squares(lambda p: w * (_curve(form, p[0], p[1], chance, x) - y), [a, b])
    return CurveFit(form, float(found.x[0]), float(found.x[1]), chance)


def references_needed(
    sizes: Sequence[float],
    hits: Sequence[NDArray[np.bool_]],
    clusters: Sequence[NDArray[np.integer]],
    chance: float,
    accuracy: float = 0.95,
    *,
    n_boot: int = 400,
    seed: int = 0,
) -> Needed:
    """Say how many references per class an accuracy needs.

    Parameters
    ----------
    sizes : sequence of float, length m
        References per class.
    hits : sequence of bool arrays
        For each size, whether each judged image was right.
    clusters : sequence of int arrays
        For each size, the prompt cluster of each image; resampled together over all sizes.
    chance : float
    accuracy : float, default 0.95
    n_boot : int, default 400
    seed : int, default 0

    Raises
    ------
    NotEnoughDataError
        Fewer than two sizes.
    """
    numbers = np.asarray(sizes, dtype=np.float64)
    names = np.unique(np.concatenate(clusters))
    index = [np.searchsorted(names, own) for own in clusters]
    right = np.stack([np.bincount(i, weights=h, minlength=len(names)) for i, h in zip(index, hits, strict=True)])
    total = np.stack([np.bincount(i, minlength=len(names)) for i in index]).astype(np.float64)
    means = right.sum(axis=1) / total.sum(axis=1)
    fits = [fit_curve(numbers, means, chance, form, total.sum(axis=1)) for form in FORMS]
    misfit = [float(np.sum(total.sum(axis=1) * (fit.accuracy(numbers) - means) ** 2)) for fit in fits]
    best = fits[int(np.argmin(misfit))]
    rng = np.random.default_rng(seed)
    draws: list[float] = []
    for _ in range(n_boot if len(names) > 1 else 0):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        images = total @ times
        if (images == 0).any():
            continue
        resampled = (right @ times) / images
        draws += [fit_curve(numbers, resampled, chance, form, images).needed(accuracy) for form in FORMS]
    low, high = np.quantile(draws, [0.025, 0.975], method="lower") if draws else (np.nan, np.nan)
    n = best.needed(accuracy)
    return Needed(accuracy, _near(n), _near(low), _near(high), best.form, bool(means.max() >= accuracy))


def _near(n: float) -> float | None:
    return float(n) if np.isfinite(n) and n <= FARTHEST else None


def _curve(form: str, a: float, b: float, chance: float, x: Float) -> Float:
    if form == "logistic":
        return np.asarray(chance + (1.0 - chance) * expit(a + b * x))
    error = np.exp(np.minimum(a - b * x, 50.0))
    return np.asarray(1.0 - np.minimum(error, 1.0 - chance))
