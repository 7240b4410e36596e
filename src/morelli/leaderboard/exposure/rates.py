"""Hits out of trials, prompt by prompt, and what they come to once noise is taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, psi
from threadpoolctl import threadpool_limits

from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["Rates", "Shrunk", "shrink"]

Float = NDArray[np.float64]

_MEAN_BOUND, _SIZE_BOUNDS = 9.0, (-3.0, 7.0)
"""Bounds of the fit, on the scales of the logit of the mean and of the logarithm of alpha + beta."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """How often something happened for each prompt.

    Attributes
    ----------
    prompts : tuple of str
    hits : ndarray of float64, shape (P,)
        May be fractional: an image that is recognised in half of the draws of references is half a hit.
    n : ndarray of float64, shape (P,)
        Trials that are independent enough to be counted: images or models, not draws.
    what : str
        What a hit is, for tables.

    Raises
    ------
    MorelliError
        Shapes differ, or there are more hits than trials.
    """

    prompts: tuple[str, ...]
    hits: Float
    n: Float
    what: str

    def __post_init__(self) -> None:
        shape = (len(self.prompts),)
        if self.hits.shape != shape or self.n.shape != shape:
            raise MorelliError(f"Rates of {shape[0]} prompts have hits {self.hits.shape} and trials {self.n.shape}.")
        if not (np.isfinite(self.hits) & np.isfinite(self.n)).all():
            raise MorelliError("Hits and trials are finite; a prompt without trials has 0 of 0.")
        if (self.hits < -1e-9).any() or (self.hits > self.n + 1e-9).any():
            raise MorelliError("Hits lie between 0 and the number of trials.")

    @property
    def value(self) -> Float:
        """Share of hits, NaN without trials, shape (P,)."""
        return np.where(self.n > 0, self.hits / np.maximum(self.n, 1e-300), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """Rates with the noise of few trials taken off.

    Attributes
    ----------
    alpha, beta : float
        The beta distribution that prompts' true rates are taken to come from.
    mean, sd : ndarray of float64, shape (P,)
        Posterior mean and standard deviation of each prompt's rate; the prior's where it has no trials.
    """

    alpha: float
    beta: float
    mean: Float
    sd: Float


def shrink(rates: Rates) -> Shrunk:
    """Shrink prompts' rates to their common mean by as much as their noise asks for.

    A beta-binomial model: true rates are beta distributed with parameters of largest marginal likelihood (empirical
    Bayes; Griffin & Krutchkoff 1971, Efron 2010, chapter 1). The fit is bounded, so that rates that do not differ more
    than by chance all become the common mean.

    Raises
    ------
    NotEnoughDataError
        Fewer than two prompts have trials.
    """
    used = rates.n > 0
    if used.sum() < 2:
        raise NotEnoughDataError(
            "To tell noise from differences between prompts takes two prompts with trials or more."
        )
    hits, n = np.clip(rates.hits[used], 0.0, rates.n[used]), rates.n[used]

    def loss(at: Float) -> tuple[float, Float]:
        a, b = _alpha_beta(at)
        mean = a / (a + b)
        common = psi(a + b) - psi(n + a + b)
        by_a, by_b = (psi(hits + a) - psi(a) + common).sum(), (psi(n - hits + b) - psi(b) + common).sum()
        gradient = np.array([(by_a - by_b) * (a + b) * mean * (1.0 - mean), by_a * a + by_b * b])
        return float(-(betaln(hits + a, n - hits + b) - betaln(a, b)).sum()), -gradient

    pooled = np.clip(hits.sum() / n.sum(), 1e-3, 1.0 - 1e-3)
    start = float(np.log(pooled / (1.0 - pooled)))
    bounds = ((-_MEAN_BOUND, _MEAN_BOUND), _SIZE_BOUNDS)
    with threadpool_limits(limits=1, user_api="blas"):  # two unknowns, which threads only slow down
        fits = [minimize(loss, [start, size], jac=True, bounds=bounds, method="L-BFGS-B") for size in (1.0, 4.0)]
    alpha, beta = _alpha_beta(min(fits, key=lambda fit: float(fit.fun)).x)
    a, b = rates.hits + alpha, rates.n - rates.hits + beta
    mean = a / (a + b)
    return Shrunk(alpha, beta, mean, np.sqrt(mean * (1.0 - mean) / (a + b + 1.0)))


def _alpha_beta(at: Float) -> tuple[float, float]:
    mean, size = 1.0 / (1.0 + np.exp(-at[0])), np.exp(at[1])
    return float(mean * size), float((1.0 - mean) * size)
