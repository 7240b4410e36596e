"""Calibration: from the logits of a fitted attributor to probabilities that mean what they say.

Everything here is fitted on **out-of-fold** logits and then applied to the logits of the final attributor, which saw
more references than the models behind the out-of-fold logits. The final attributor is therefore a little better than
what was calibrated; :mod:`morelli.attributors.learning_curve` says by how much.

Both calibrators model ``p(k | z) = softmax(z / T + b)_k`` with one temperature ``T`` and, for
`BiasCorrectedTemperature`, one bias per class. Classes are weighted equally by default (``class_balanced=True``): how
many reference images a class has says how many somebody collected, not how often that generator is used, so the
probabilities are made to hold under a uniform prior over the candidates. A user who knows better odds multiplies
them in afterwards.

References
----------
Guo, Pleiss, Sun, Weinberger (2017), "On calibration of modern neural networks", ICML, section 4.2.
Alexandari, Kundaje, Shrikumar (2020), "Maximum likelihood with bias-corrected calibration is hard-to-beat at label
shift adaptation", ICML.
Kish (1965), "Survey sampling" (effective sample size of weighted data).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize
from scipy.special import log_softmax

from morelli.attributors._checks import FloatArray, IntArray, check_labels, check_logits
from morelli.errors import NotEnoughDataError

__all__ = [
    "MOST_DOUBT",
    "BiasCorrectedTemperature",
    "CalibrationProblem",
    "LogitCalibrator",
    "SoftmaxCalibrator",
    "TemperatureCalibrator",
]

# The inverse temperature is searched within these bounds, in units of 1 / (median range of a row of logits). At the
# lower end every probability is within 0.1% of uniform; at the upper end classes are 1000 nats apart.
_LOWEST, _HIGHEST = 1e-3, 1e3

MOST_DOUBT = 0.5
"""Largest share of doubt."""


class LogitCalibrator(Protocol):
    """What every calibrator can do."""

    @property
    def name(self) -> str:
        """Which calibrator it is, for records."""
        ...

    def fit(self, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit to out-of-fold logits (n, K), class indices (n,) and optional non-negative weights (n,)."""
        ...

    def transform(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities, shape (n, K)."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        ...


class SoftmaxCalibrator:
    """What the calibrators share: ``softmax(z / temperature + bias)``."""

    name = ""
    _fields: tuple[str, ...] = ("temperature", "doubt", "n_classes", "at_bound", "n", "nll_before", "nll")

    def __init__(self, *, class_balanced: bool = True, least_error: float | None = None) -> None:
        if least_error is not None and not 0 <= least_error < 0.5:
            raise ValueError(f"least_error must be None or in [0, 0.5), not {least_error}")
        self.class_balanced = class_balanced
        self.least_error = least_error
        self.temperature = float("nan")
        self.doubt = 0.0
        self.bias: FloatArray = np.zeros(0)
        self.n_classes = self.n = 0
        self.at_bound = False
        self.nll_before = self.nll = float("nan")

    def _solve(self, problem: CalibrationProblem) -> tuple[float, FloatArray, bool]:
        raise NotImplementedError

    def fit(self, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit to out-of-fold logits.

        Parameters
        ----------
        logits : array-like, shape (n, K)
            Finite; a constant per row does not matter.
        y : array-like of int, shape (n,)
            True class, 0 .. K - 1.
        weights : array-like, shape (n,), optional
            Non-negative; multiplied with the class weights if `class_balanced`.

        Returns
        -------
        self

        Raises
        ------
        NotEnoughDataError
            Fewer than two classes, in K or in y.
        ValueError
            NaN or infinite logits, or shapes, labels or weights that do not fit.
        """
        problem = CalibrationProblem.of(logits, y, weights, self.class_balanced, self.least_error)
        beta, self.bias, self.at_bound = self._solve(problem)
        self.temperature = problem.scale / beta
        self.n, self.n_classes = problem.z.shape
        self.nll_before = problem.nll(problem.scale, np.zeros(self.n_classes))
        self.nll = self._nll(problem, beta, self.bias)
        return self

    def _nll(self, problem: CalibrationProblem, beta: float, bias: FloatArray) -> float:
        return problem.nll(beta, bias)

    def sharpened(self, factor: float) -> Self:
        """Return a copy whose temperature is multiplied by `factor`; ValueError unless that is positive and finite."""
        self._check_fitted()
        if not (np.isfinite(factor) and factor > 0):
            raise ValueError(f"a temperature cannot be multiplied by {factor}")
        new = copy(self)
        new.temperature = self.temperature * factor
        return new

    def transform(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities, shape (n, K); ValueError for NaN, infinite or wrongly shaped logits."""
        return self.doubted(self.undoubted(logits))

    def undoubted(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities before any share of doubt: what evidence adds up to; shape (n, K)."""
        self._check_fitted()
        z = check_logits(logits, self.n_classes)
        scores = (z - z.max(axis=1, keepdims=True)) / self.temperature + self.bias
        return np.asarray(log_softmax(scores, axis=1), dtype=np.float64)

    def doubted(self, log_proba: ArrayLike) -> FloatArray:
        """Return log-probabilities with their share of doubt, shape (..., K)."""
        words = np.asarray(log_proba, dtype=np.float64)
        if self.doubt == 0:
            return words
        return np.asarray(np.logaddexp(words + np.log1p(-self.doubt), np.log(self.doubt / words.shape[-1])))

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        self._check_fitted()
        settings = {"name": self.name, "class_balanced": self.class_balanced, "least_error": self.least_error}
        return {**settings, **{field: getattr(self, field) for field in self._fields}, "bias": self.bias.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`; ValueError if the state cannot be right."""
        new = cls(class_balanced=bool(state["class_balanced"]), least_error=state["least_error"])
        for field in cls._fields:
            setattr(new, field, state[field])
        new.bias = np.array(state["bias"], dtype=np.float64)
        sane = np.isfinite(new.temperature) and new.temperature > 0 and np.isfinite(new.bias).all()
        sane = sane and 0 <= new.doubt <= MOST_DOUBT
        if not (sane and new.bias.shape == (new.n_classes,)):
            raise ValueError(f"the stored {cls.name} calibrator is damaged: temperature {new.temperature}")
        return new

    def _check_fitted(self) -> None:
        if self.n_classes == 0:
            raise ValueError("the calibrator is not fitted: call fit first")


class TemperatureCalibrator(SoftmaxCalibrator):
    r"""One temperature for all classes (Guo et al. 2017, section 4.2).

    ``p(k | z) = softmax(z / T)_k``. The weighted negative log-likelihood is convex in ``1 / T``; its derivative

    .. math:: g(\beta) = \sum_i w_i \Bigl(\sum_k p_{ik} z_{ik} - z_{i y_i}\Bigr), \quad \beta = 1 / T

    is increasing, so its only root is bracketed and found on ``log T`` (Brent). Scaling the logits by c scales T by c.

    If the logits separate the classes perfectly, the likelihood only grows as T falls to zero. The search therefore
    stops where the calibrated probabilities would claim a smaller mean error, ``mean(1 - max_k p_k)``, than
    `least_error`; the most doubtful image is left out of that mean, or one near-tie would license certainty about all
    others. Smoothed targets (Platt 1999) would keep T away from zero too, but they bias it wherever logits are
    widely spread, whether or not the classes overlap: a bound leaves T alone unless it is needed.

    Parameters
    ----------
    class_balanced : bool, default True
        Give every class the same total weight: see the module's description for why.
    least_error : float in [0, 0.5) or None, default None
        Smallest mean error that the probabilities may claim on the fitted data. None is Laplace's rule of succession,
        ``1 / (n + 2)`` with Kish's effective n: if no out-of-fold answer out of n was wrong, the next one still is
        with that probability. 0.0 leaves only a numerical bound.

    Attributes
    ----------
    temperature : float
        Positive. 1.0 for constant logits, which carry nothing to fit.
    bias : ndarray, shape (K,)
        Zero.
    at_bound : bool
        Whether the search ended on a bound: `least_error` (the logits separate the classes) or a numerical one (the
        logits point away from the truth; T is then so large that the probabilities are uniform).
    n, n_classes : int
        Images fitted on (those of positive weight) and classes.
    nll_before, nll : float
        Weighted mean negative log-likelihood in nats before and after, on the fitted data.
    """

    name = "temperature"

    def _solve(self, problem: CalibrationProblem) -> tuple[float, FloatArray, bool]:
        beta, at_bound = problem.solve_temperature()
        return beta, np.zeros(problem.z.shape[1]), at_bound


class BiasCorrectedTemperature(SoftmaxCalibrator):
    r"""One temperature and one bias per class, the biases held by a ridge (Alexandari et al. 2020).

    ``p(k | z) = softmax(z / T + b)_k``, minimising the convex

    .. math:: \sum_i w_i \, \mathrm{NLL}_i(1 / T, b) + \frac{\rho}{2 n_{\mathrm{eff}}} \lVert b \rVert^2,
        \quad \sum_i w_i = 1, \quad n_{\mathrm{eff}} = 1 / \sum_i w_i^2

    which is the posterior mode under independent normal priors of variance ``1 / ridge`` on the biases: with few
    images per class they stay near zero, with many the data decide. A class without an image in `y` keeps bias zero:
    that nobody showed one is no evidence against it.

    Parameters
    ----------
    ridge : float, default 1.0
        Positive. Prior precision of a bias, in 1 / nats squared.
    class_balanced, least_error
        As in `TemperatureCalibrator`.

    Attributes
    ----------
    temperature, at_bound, n, n_classes, nll_before, nll
        As in `TemperatureCalibrator`.
    bias : ndarray, shape (K,)
        In nats.
    """

    name = "bias-corrected-temperature"
    _fields = (*SoftmaxCalibrator._fields, "ridge")

    def __init__(self, *, ridge: float = 1.0, class_balanced: bool = True, least_error: float | None = None) -> None:
        super().__init__(class_balanced=class_balanced, least_error=least_error)
        if not (np.isfinite(ridge) and ridge > 0):
            raise ValueError(f"ridge must be positive and finite, not {ridge}")
        self.ridge = float(ridge)

    def _solve(self, problem: CalibrationProblem) -> tuple[float, FloatArray, bool]:
        return problem.solve_biased(self.ridge)


@dataclass(frozen=True)
class CalibrationProblem:
    """The weighted likelihood on centred logits that were divided by `scale`, their median range.

    The loss is ``sum_i w_i logsumexp(beta z_i + b) - beta * pull - b @ mass``: the labels enter only through
    ``pull``, the weighted mean logit of the true class, and ``mass``, the weight of every class.
    """

    z: FloatArray
    labels: IntArray
    weights: FloatArray
    pull: float
    mass: FloatArray
    scale: float
    n_effective: float
    least_error: float

    @classmethod
    def of(
        cls, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None, balanced: bool, least_error: float | None
    ) -> Self:
        """Check and centre what a calibrator's `fit` was given."""
        z = check_logits(logits)
        k = z.shape[1]
        labels = check_labels(y, k, len(z))
        w, effective = class_weights(labels, k, weights, balanced)
        z, labels, w = z[w > 0], labels[w > 0], w[w > 0]
        spread = np.ptp(z, axis=1)
        # Median, not mean: one image with absurd logits must not move the bounds of the search.
        scale = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        z = (z - z.mean(axis=1, keepdims=True)) / scale
        pull = float(w @ z[np.arange(len(z)), labels])
        mass = np.bincount(labels, w, minlength=k).astype(np.float64)
        least = 1 / (effective + 2) if least_error is None else least_error
        return cls(z, labels, w, pull, mass, scale, effective, least)

    def loss(self, beta: float, bias: FloatArray) -> tuple[float, float, FloatArray]:
        """Return the loss and its derivatives in beta and bias."""
        scores = beta * self.z + bias
        top = scores.max(axis=1)
        e = np.exp(scores - top[:, None])
        total = e.sum(axis=1)
        value = float(self.weights @ (top + np.log(total))) - beta * self.pull - float(bias @ self.mass)
        share = self.weights / total
        return value, float(share @ np.einsum("ij,ij->i", e, self.z)) - self.pull, share @ e - self.mass

    def nll(self, beta: float, bias: FloatArray) -> float:
        """Mean negative log-likelihood of the true classes."""
        log_p = log_softmax(beta * self.z + bias, axis=1)
        return float(-self.weights @ log_p[np.arange(len(self.z)), self.labels])

    def claimed_error(self, beta: float) -> float:
        """Return the mean of one minus the largest probability, the most doubtful image's share left out."""
        e = np.exp(beta * (self.z - self.z.max(axis=1, keepdims=True)))
        share = self.weights * (1 - 1 / e.sum(axis=1))
        return float(share.sum() - share.max())

    @property
    def least_doubt(self) -> float:
        """The share of doubt that alone makes an answer wrong with probability ``1 / (n + 2)``, at most `MOST_DOUBT`.

        Laplace's rule of succession: if no answer out of n was wrong, the next one still is with that probability. Of a
        share that is spread over all K classes, 1 / K falls on the right one.
        """
        k = self.z.shape[1]
        return float(min(MOST_DOUBT, k / (k - 1) / (self.n_effective + 2)))

    @cached_property
    def highest(self) -> float:
        """The largest inverse temperature allowed."""

        def excess(log_beta: float) -> float:
            return self.claimed_error(float(np.exp(log_beta))) - self.least_error

        low, high = np.log(_LOWEST), np.log(_HIGHEST)
        if excess(high) >= 0:
            return _HIGHEST
        return float(np.exp(brentq(excess, low, high, xtol=1e-11, rtol=1e-11))) if excess(low) > 0 else _LOWEST

    def solve_temperature(self) -> tuple[float, bool]:
        """Return the best inverse temperature and whether it is a bound."""
        if not self.z.any():
            return self.scale, False
        flat = np.zeros(self.z.shape[1])

        def slope(log_beta: float) -> float:
            return self.loss(float(np.exp(log_beta)), flat)[1]

        low, high = np.log(_LOWEST), np.log(self.highest)
        if slope(low) >= 0:
            return _LOWEST, True
        if slope(high) <= 0:
            return self.highest, True
        return float(np.exp(brentq(slope, low, high, xtol=1e-11, rtol=1e-11))), False

    def solve_biased(self, ridge: float) -> tuple[float, FloatArray, bool]:
        """Return the best inverse temperature, the biases, and whether the former is a bound."""
        penalty = ridge / self.n_effective
        informative = bool(self.z.any())

        def objective(theta: FloatArray) -> tuple[float, FloatArray]:
            value, in_beta, in_bias = self.loss(float(theta[0]), theta[1:])
            value += penalty / 2 * float(theta[1:] @ theta[1:])
            return value, np.concatenate(([in_beta], in_bias + penalty * theta[1:]))

        start, _ = self.solve_temperature()
        bounds: list[tuple[float | None, float | None]] = [(_LOWEST, self.highest) if informative else (start, start)]
        present = np.bincount(self.labels, minlength=self.z.shape[1]) > 0
        bounds += [(None, None) if here else (0.0, 0.0) for here in present]
        first = np.concatenate(([start], np.zeros(self.z.shape[1])))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": 0.0, "gtol": 1e-8, "maxcor": 30}
        best = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        beta = float(best.x[0])
        return beta, np.asarray(best.x[1:], dtype=np.float64), informative and beta in (_LOWEST, self.highest)


def class_weights(
    labels: IntArray, n_classes: int, weights: ArrayLike | None, balanced: bool
) -> tuple[FloatArray, float]:
    """Return weights that sum to one and Kish's effective sample size, (sum w)^2 / sum w^2."""
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != labels.shape:
        raise ValueError(f"weights must have one entry per image, shape {labels.shape}, not {w.shape}")
    if not (np.isfinite(w).all() and (w >= 0).all()):
        raise ValueError("weights must be finite and not negative")
    totals = np.bincount(labels, w, minlength=n_classes)
    if n_classes < 2 or np.count_nonzero(totals) < 2:
        raise NotEnoughDataError("Calibration needs images of at least two classes: add references of another model.")
    if balanced:
        w = w / np.where(totals > 0, totals, 1.0)[labels]
    w = w / w.sum()
    return w, float(1 / np.sum(w**2))
