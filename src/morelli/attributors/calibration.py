"""Calibration: from the logits of a fitted attributor to probabilities that mean what they say.

Everything here is fitted on **out-of-fold** logits and then applied to the logits of the final attributor, which saw
more references than the models behind the out-of-fold logits. The final attributor is therefore a little better than
what was calibrated, and its probabilities err on the cautious side.

Both calibrators model ``p(k | z) = softmax(z / T + b)_k`` with one temperature ``T`` and, for
`BiasCorrectedTemperature`, one bias per class. Classes are weighted equally by default (``class_balanced=True``): how
many reference images a class has says how many somebody collected, not how often that generator is used, so the
probabilities are made to hold under a uniform prior over the candidates. A user who knows better odds multiplies
them in afterwards.

References
----------
Guo, Pleiss, Sun, Weinberger (2017), "On calibration of modern neural networks", ICML, section 4.2.
Alexandari, Kundaje, Shrikumar (2020), "Maximum likelihood with bias-corrected calibration is hard-to-beat at label
shift adaptation", ICML, section 3.
Platt (1999), "Probabilistic outputs for support vector machines", section 2.2 (smoothed targets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize
from scipy.special import log_softmax, softmax

from morelli.errors import NotEnoughDataError

__all__ = [
    "BiasCorrectedTemperature",
    "CalibratorChoice",
    "LogitCalibrator",
    "TemperatureCalibrator",
    "calibrator_from_dict",
    "choose_calibrator",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The inverse temperature is searched within these bounds, in units of 1 / (median range of a row of logits). At the
# lower end every probability is within 0.1% of uniform; at the upper end classes are 1000 nats apart.
_LOWEST, _HIGHEST = 1e-3, 1e3


class LogitCalibrator(Protocol):
    """What every calibrator can do."""

    name: str

    def fit(self, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit to out-of-fold logits (n, K), class indices (n,) and optional non-negative weights (n,)."""
        ...

    def transform(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities, shape (n, K)."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        ...


class TemperatureCalibrator:
    r"""One temperature for all classes (Guo et al. 2017, section 4.2).

    ``p(k | z) = softmax(z / T)_k``. The weighted negative log-likelihood is convex in ``1 / T``; its derivative

    .. math:: g(\beta) = \sum_i w_i \Bigl(\sum_k p_{ik} z_{ik} - \sum_k t_{ik} z_{ik}\Bigr), \quad \beta = 1 / T

    is increasing, so its only root is bracketed and found on ``log T`` (Brent). Scaling the logits by c scales T by c.

    Parameters
    ----------
    class_balanced : bool, default True
        Give every class the same total weight: see the module's description for why.
    smoothing : float in [0, 1) or None, default None
        Share of the target spread evenly over all classes. None is Laplace's rule of succession, ``1 / (n + 2)``: if
        no out-of-fold answer out of n was wrong, the next one still is with that probability. Without it (0.0), data
        that the logits separate perfectly have no finite optimum, and T is only held by its bound.

    Attributes
    ----------
    temperature : float
        Positive. 1.0 for constant logits, which carry nothing to fit.
    at_bound : bool
        Whether the search ended on its bound: the logits separate the classes perfectly (smallest T) or point away
        from the truth (largest T).
    n : int
        Images fitted on (those of positive weight).
    nll_before, nll : float
        Weighted mean negative log-likelihood in nats before and after, on the fitted data, without smoothing.
    """

    name = "temperature"

    def __init__(self, *, class_balanced: bool = True, smoothing: float | None = None) -> None:
        self.class_balanced = class_balanced
        self.smoothing = _smoothing(smoothing)
        self.temperature = float("nan")
        self.n_classes = 0
        self.at_bound = False
        self.n = 0
        self.nll_before = self.nll = float("nan")

    def fit(self, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit the temperature.

        Parameters
        ----------
        logits : array-like, shape (n, K)
            Out-of-fold logits, finite; a constant per row does not matter.
        y : array-like of int, shape (n,)
            True class, 0 .. K - 1.
        weights : array-like, shape (n,), optional
            Non-negative; multiplied with the class weights if `class_balanced`.

        Returns
        -------
        TemperatureCalibrator
            Itself.

        Raises
        ------
        NotEnoughDataError
            Fewer than two classes, in K or in y.
        ValueError
            NaN or infinite logits, or shapes, labels or weights that do not fit.
        """
        problem = _Problem.of(logits, y, weights, self.class_balanced, self.smoothing)
        beta, self.at_bound = problem.solve_temperature()
        self.temperature = problem.scale / beta
        self.n_classes, self.n = problem.n_classes, problem.n
        self.nll_before = problem.nll(problem.scale, np.zeros(problem.n_classes))
        self.nll = problem.nll(beta, np.zeros(problem.n_classes))
        return self

    def transform(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities, shape (n, K); ValueError for NaN, infinite or wrongly shaped logits."""
        return _transform(logits, self.n_classes, self.temperature, None)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        return _state(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        return _restore(cls(class_balanced=bool(state["class_balanced"]), smoothing=state["smoothing"]), state)


class BiasCorrectedTemperature:
    r"""One temperature and one bias per class, the biases held by a ridge (Alexandari et al. 2020, section 3).

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
    class_balanced, smoothing
        As in `TemperatureCalibrator`.

    Attributes
    ----------
    temperature : float
    bias : ndarray, shape (K,)
        In nats.
    at_bound, n, nll_before, nll
        As in `TemperatureCalibrator`.
    """

    name = "bias-corrected-temperature"

    def __init__(self, *, ridge: float = 1.0, class_balanced: bool = True, smoothing: float | None = None) -> None:
        if not (np.isfinite(ridge) and ridge > 0):
            raise ValueError(f"ridge must be positive and finite, not {ridge}")
        self.ridge = float(ridge)
        self.class_balanced = class_balanced
        self.smoothing = _smoothing(smoothing)
        self.temperature = float("nan")
        self.bias: FloatArray = np.zeros(0)
        self.n_classes = 0
        self.at_bound = False
        self.n = 0
        self.nll_before = self.nll = float("nan")

    def fit(self, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit temperature and biases; parameters and errors as in `TemperatureCalibrator.fit`."""
        problem = _Problem.of(logits, y, weights, self.class_balanced, self.smoothing)
        beta, self.bias, self.at_bound = problem.solve_biased(self.ridge)
        self.temperature = problem.scale / beta
        self.n_classes, self.n = problem.n_classes, problem.n
        self.nll_before = problem.nll(problem.scale, np.zeros(problem.n_classes))
        self.nll = problem.nll(beta, self.bias)
        return self

    def transform(self, logits: ArrayLike) -> FloatArray:
        """Return log-probabilities, shape (n, K); ValueError for NaN, infinite or wrongly shaped logits."""
        return _transform(logits, self.n_classes, self.temperature, self.bias)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        return {**_state(self), "ridge": self.ridge, "bias": self.bias.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        new = cls(
            ridge=float(state["ridge"]), class_balanced=bool(state["class_balanced"]), smoothing=state["smoothing"]
        )
        new.bias = np.array(state["bias"], dtype=np.float64)
        return _restore(new, state)


@dataclass(frozen=True)
class CalibratorChoice:
    """Which calibrator was chosen, on what evidence.

    Attributes
    ----------
    calibrator : TemperatureCalibrator or BiasCorrectedTemperature
        The chosen one, fitted on all the data.
    name : str
        Its name.
    reason : str
        One sentence for a reader.
    nll : dict of str to float
        Cross-validated mean negative log-likelihood (nats, held-out groups) by calibrator; empty if not validated.
    gain, standard_error : float or None
        Temperature's NLL minus bias-corrected's, and the standard error of that difference between groups.
    n_splits, n_groups, seed : int
        How it was cross-validated; ``n_splits`` is 0 if it was not.
    """

    calibrator: TemperatureCalibrator | BiasCorrectedTemperature
    name: str
    reason: str
    nll: dict[str, float]
    gain: float | None
    standard_error: float | None
    n_splits: int
    n_groups: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {**self.__dict__, "nll": dict(self.nll), "calibrator": self.calibrator.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        return cls(**{**state, "nll": dict(state["nll"]), "calibrator": calibrator_from_dict(state["calibrator"])})


def calibrator_from_dict(state: Mapping[str, Any]) -> TemperatureCalibrator | BiasCorrectedTemperature:
    """Rebuild either calibrator from its `to_dict`; ValueError if its name is not known."""
    for cls in (TemperatureCalibrator, BiasCorrectedTemperature):
        if state.get("name") == cls.name:
            return cls.from_dict(state)
    raise ValueError(f"unknown calibrator {state.get('name')!r}: this version of Morelli cannot read it")


def choose_calibrator(
    logits: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    n_splits: int = 5,
    class_balanced: bool = True,
    ridge: float = 1.0,
) -> CalibratorChoice:
    """Choose between one temperature and temperature with class biases by grouped cross-validation.

    The biases are taken only if they lower the held-out negative log-likelihood by more than one standard error of
    the paired difference between groups (the one-standard-error rule: Breiman et al. 1984, section 3.4.3), because
    the simpler model is the better guess when the data cannot tell.

    Parameters
    ----------
    logits : array-like, shape (n, K)
        Out-of-fold logits.
    y : array-like of int, shape (n,)
    groups : array-like, shape (n,), optional
        Images of one group (prompt) are held out together. None: every image is its own group.
    seed : int, default 0
        Deals the groups to folds.
    n_splits : int, default 5
        Folds, at most one per group.
    class_balanced, ridge
        As in the calibrators; class weights apply to the held-out score too.

    Returns
    -------
    CalibratorChoice

    Raises
    ------
    NotEnoughDataError, ValueError
        As `TemperatureCalibrator.fit`.
    """
    z = check_logits(logits)
    labels = check_labels(y, z.shape[1], len(z))
    ids, n_groups = check_groups(groups, len(z))
    simple = TemperatureCalibrator(class_balanced=class_balanced)
    biased = BiasCorrectedTemperature(ridge=ridge, class_balanced=class_balanced)
    simple.fit(z, labels)  # also the check that there is enough to fit at all
    if n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, not {n_splits}")
    folds = min(n_splits, n_groups)
    fold = np.empty(n_groups, dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(n_groups)] = np.arange(n_groups) % folds
    held_in = [fold[ids] != i for i in range(folds)]
    if folds < 2 or any(len(np.unique(labels[part])) < 2 for part in held_in):
        reason = "temperature only: too few groups to cross-validate class biases"
        return CalibratorChoice(simple, simple.name, reason, {}, None, None, 0, n_groups, seed)

    losses = np.empty((2, len(z)))
    for part in held_in:
        for row, model in enumerate((simple, biased)):
            log_p = model.fit(z[part], labels[part]).transform(z[~part])
            losses[row, ~part] = -np.take_along_axis(log_p, labels[~part, None], axis=1)[:, 0]
    weights, _ = _weights(labels, z.shape[1], None, class_balanced)
    nll = {model.name: float(weights @ row) for model, row in zip((simple, biased), losses, strict=True)}
    difference = losses[0] - losses[1]
    gain = float(weights @ difference)
    between = np.bincount(ids, weights * (difference - gain), minlength=n_groups)
    error = float(np.sqrt(n_groups / (n_groups - 1) * np.sum(between**2)))
    chosen = biased if gain > error else simple
    reason = (
        f"{chosen.name}: class biases change the held-out loss by {-gain:+.4f} nats "
        f"(standard error {error:.4f}, {n_groups} groups, {folds} folds)"
    )
    chosen.fit(z, labels)
    return CalibratorChoice(chosen, chosen.name, reason, nll, gain, error, folds, n_groups, seed)


def check_logits(logits: ArrayLike, n_classes: int | None = None) -> FloatArray:
    """Return logits as a finite float matrix (n, K), or raise."""
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2:
        raise ValueError(f"logits must be a matrix (images, classes), not of shape {z.shape}")
    if n_classes is not None and z.shape[1] != n_classes:
        raise ValueError(f"logits have {z.shape[1]} classes, the calibrator was fitted on {n_classes}")
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z).all(axis=1)).sum())
        raise ValueError(f"logits of {bad} of {len(z)} images are NaN or infinite: leave those images out")
    return z


def check_labels(y: ArrayLike, n_classes: int, n: int) -> IntArray:
    """Return labels as class indices (n,) in 0 .. K - 1, or raise."""
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y must have one label per image, shape ({n},), not {labels.shape}")
    if n and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"y must hold class indices (integers), not {labels.dtype}")
    if n and not (labels.min() >= 0 and labels.max() < n_classes):
        raise ValueError(f"y must lie in 0..{n_classes - 1}, found {labels.min()}..{labels.max()}")
    return labels.astype(np.int64)


def check_groups(groups: ArrayLike | None, n: int) -> tuple[IntArray, int]:
    """Return groups numbered from 0, shape (n,), and how many there are; None is one group per image."""
    if groups is None:
        return np.arange(n), n
    ids = np.asarray(groups)
    if ids.shape != (n,):
        raise ValueError(f"groups must have one entry per image, shape ({n},), not {ids.shape}")
    unique, inverse = np.unique(ids, return_inverse=True)
    return inverse.astype(np.int64), len(unique)


@dataclass(frozen=True)
class _Problem:
    """The weighted, smoothed likelihood on logits that were divided by `scale`, their median range."""

    z: FloatArray
    targets: FloatArray
    weights: FloatArray
    labels: IntArray
    scale: float
    n_effective: float

    @classmethod
    def of(
        cls, logits: ArrayLike, y: ArrayLike, weights: ArrayLike | None, balanced: bool, smoothing: float | None
    ) -> Self:
        z = check_logits(logits)
        n, k = z.shape
        labels = check_labels(y, k, n)
        w, effective = _weights(labels, k, weights, balanced)
        keep = w > 0
        z, labels, w = z[keep], labels[keep], w[keep]
        share = 1 / (effective + 2) if smoothing is None else smoothing
        targets = np.full(z.shape, share / k)
        targets[np.arange(len(z)), labels] += 1 - share
        spread = np.ptp(z, axis=1)
        # Median, not mean: one image with absurd logits must not move the bounds of the search.
        scale = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        centred = (z - z.mean(axis=1, keepdims=True)) / scale
        return cls(centred, targets, w, labels, scale, effective)

    @property
    def n(self) -> int:
        return len(self.z)

    @property
    def n_classes(self) -> int:
        return self.z.shape[1]

    def nll(self, beta: float, bias: FloatArray) -> float:
        """Mean negative log-likelihood of the true classes."""
        log_p = log_softmax(beta * self.z + bias, axis=1)
        return float(-self.weights @ log_p[np.arange(self.n), self.labels])

    def slope(self, log_beta: float) -> float:
        """Derivative of the smoothed loss in beta, at exp(log_beta)."""
        p = softmax(np.exp(log_beta) * self.z, axis=1)
        return float(self.weights @ np.einsum("ij,ij->i", p - self.targets, self.z))

    def solve_temperature(self) -> tuple[float, bool]:
        """Return the best inverse temperature and whether it is a bound."""
        if not self.z.any():
            return self.scale, False
        low, high = np.log(_LOWEST), np.log(_HIGHEST)
        if self.slope(low) >= 0:
            return _LOWEST, True
        if self.slope(high) <= 0:
            return _HIGHEST, True
        return float(np.exp(brentq(self.slope, low, high, xtol=1e-13, rtol=1e-13))), False

    def solve_biased(self, ridge: float) -> tuple[float, FloatArray, bool]:
        """Return the best inverse temperature, the biases, and whether the former is a bound."""
        present = np.bincount(self.labels, minlength=self.n_classes) > 0
        penalty = ridge / self.n_effective
        informative = bool(self.z.any())

        def loss(theta: FloatArray) -> tuple[float, FloatArray]:
            log_p = log_softmax(theta[0] * self.z + theta[1:], axis=1)
            value = -self.weights @ np.einsum("ij,ij->i", self.targets, log_p) + penalty / 2 * (theta[1:] @ theta[1:])
            excess = (np.exp(log_p) - self.targets) * self.weights[:, None]
            gradient = np.concatenate(([np.sum(excess * self.z)], excess.sum(axis=0) + penalty * theta[1:]))
            return float(value), gradient

        start, _ = self.solve_temperature()
        bounds = [(_LOWEST, _HIGHEST) if informative else (start, start)]
        bounds += [(None, None) if here else (0.0, 0.0) for here in present]
        first = np.concatenate(([start], np.zeros(self.n_classes)))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": 0.0, "gtol": 1e-9, "maxcor": 30}
        best = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        beta = float(best.x[0])
        return beta, np.asarray(best.x[1:], dtype=np.float64), informative and beta in (_LOWEST, _HIGHEST)


def _smoothing(value: float | None) -> float | None:
    if value is not None and not 0 <= value < 1:
        raise ValueError(f"smoothing must be None or in [0, 1), not {value}")
    return value


def _weights(labels: IntArray, n_classes: int, weights: ArrayLike | None, balanced: bool) -> tuple[FloatArray, float]:
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


def _transform(logits: ArrayLike, n_classes: int, temperature: float, bias: FloatArray | None) -> FloatArray:
    if n_classes == 0:
        raise ValueError("the calibrator is not fitted: call fit first")
    z = check_logits(logits, n_classes)
    scores = (z - z.max(axis=1, keepdims=True)) / temperature
    return np.asarray(log_softmax(scores if bias is None else scores + bias, axis=1), dtype=np.float64)


_C = TypeVar("_C", TemperatureCalibrator, BiasCorrectedTemperature)
_FIELDS = ("temperature", "n_classes", "at_bound", "n", "nll_before", "nll")


def _state(calibrator: TemperatureCalibrator | BiasCorrectedTemperature) -> dict[str, Any]:
    if calibrator.n_classes == 0:
        raise ValueError("the calibrator is not fitted: call fit first")
    settings = {"class_balanced": calibrator.class_balanced, "smoothing": calibrator.smoothing}
    return {"name": calibrator.name, **settings, **{field: getattr(calibrator, field) for field in _FIELDS}}


def _restore(new: _C, state: Mapping[str, Any]) -> _C:
    for field in _FIELDS:
        setattr(new, field, state[field])
    if not (np.isfinite(new.temperature) and new.temperature > 0):
        raise ValueError(f"a stored calibrator has temperature {new.temperature}: the file is damaged")
    return new
