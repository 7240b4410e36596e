"""What makes a prompt exposing: exposure regressed on features of prompts, with honest uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard._resampled import resample
from morelli.leaderboard.exposure._resampling import Interval, quantiles
from morelli.leaderboard.exposure.features import PromptFeatures
from morelli.trials.metrics import benjamini_hochberg

__all__ = ["RIDGE", "Effect", "Explanation", "explain_exposure"]

Float = NDArray[np.float64]

RIDGE = 1.0
"""Penalty on squared coefficients of standardised features: a normal prior with standard deviation 1 on each. Words
that all exposing prompts share, and no other, would have an infinite coefficient without one."""

_STEPS, _CLOSE, _FURTHEST = 50, 1e-9, 4.0
_FEWEST_PROMPTS = 8


@dataclass(frozen=True, slots=True)
class Effect:
    """What one feature goes along with, the others kept.

    Attributes
    ----------
    name, title : str
    prompts : int or None
        That have it; None for the number of words.
    difference : float
        Mean difference of predicted exposure with and without it (for words: with twice as many), in [-1, 1].
    interval : tuple of float
        95%, by resampling prompts; for one feature alone.
    p : float
        Two-sided, from the same resamples.
    q : float
        The same after Benjamini and Hochberg's correction for the number of features.
    """

    name: str
    title: str
    prompts: int | None
    difference: float
    interval: Interval
    p: float
    q: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A regression of exposure.

    Attributes
    ----------
    effects : tuple of Effect
        In the order of the features.
    prompts : int
    r2 : float
        Of the fit, on the prompts that it was fitted to.
    r2_held_out : float
        Predictive: each prompt is predicted by a fit to the others, and compared with their mean. Below 0 the features
        are worse than no features; NaN where exposure is constant.
    notes : tuple of str
    """

    effects: tuple[Effect, ...]
    prompts: int
    r2: float
    r2_held_out: float
    notes: tuple[str, ...]


def explain_exposure(
    features: PromptFeatures, exposure: ArrayLike, *, n_boot: int = 2000, seed: int = 0
) -> Explanation:
    """Regress the exposure of prompts on their features.

    A fractional logistic regression (Papke & Wooldridge 1996): the mean is logistic in the features, and shares are
    not taken for counts; intervals come from resampling prompts, so that no variance is assumed. A ridge penalty keeps
    coefficients finite, see `RIDGE`.

    Parameters
    ----------
    features : PromptFeatures
    exposure : array-like of float, shape (P,)
        A share in [0, 1] for each prompt of the board, NaN where unknown.
    n_boot, seed : int

    Raises
    ------
    MorelliError
        Exposure is no share.
    NotEnoughDataError
        Fewer than eight prompts have both a text and an exposure, or no feature differs between them.
    """
    y = np.asarray(exposure, dtype=np.float64)[features.prompts]
    used = np.isfinite(y)
    y, values = y[used], features.values[used]
    if y.size and (y.min() < 0.0 or y.max() > 1.0):
        raise MorelliError(f"Exposure is a share in [0, 1]; there are values from {y.min():g} to {y.max():g}.")
    spread = values.std(axis=0) if len(values) else np.zeros(values.shape[1])
    kept = np.flatnonzero(spread > 0)
    n = len(y)
    if n < _FEWEST_PROMPTS or not len(kept):
        raise NotEnoughDataError(
            f"To ask what makes a prompt exposing takes {_FEWEST_PROMPTS} prompts or more whose words are known and "
            f"differ in their features; there are {n}."
        )
    values, scale = values[:, kept], spread[kept]
    X = np.column_stack([np.ones(n), (values - values.mean(axis=0)) / scale])
    weights = np.concatenate([np.ones((1, n)), np.ones((n, n)) - np.eye(n), resample(n, n_boot, seed)])
    with threadpool_limits(limits=1, user_api="blas"):  # many small systems, which threads only slow down
        betas = _fit(X, y, weights)
    whole, without, drawn = betas[0], betas[1 : n + 1], betas[n + 1 :]
    binary = np.array([features.names[i] != "words" for i in kept])
    observed = _differences(X, betas[:1], weights[:1], values, scale, binary)[0]
    replicates = _differences(X, drawn, weights[n + 1 :], values, scale, binary)
    p = np.minimum(1.0, 2.0 * (1 + np.minimum((replicates <= 0).sum(axis=0), (replicates >= 0).sum(axis=0))) /
                   (1 + n_boot))  # fmt: skip
    q = benjamini_hochberg(p)
    others = (y.sum() - y) / (n - 1)
    predicted = _logistic(np.einsum("nf,nf->n", X, without))
    notes = list(features.notes)
    if n < len(used):
        notes.append(f"{len(used) - n} prompts have no exposure to explain: left out.")
    return Explanation(
        tuple(
            Effect(
                features.names[i],
                features.titles[i],
                int(values[:, at].sum()) if binary[at] else None,
                float(observed[at]),
                quantiles(replicates[:, at]),
                float(p[at]),
                float(q[at]),
            )
            for at, i in enumerate(kept.tolist())
        ),
        n,
        _r2(y, _logistic(X @ whole), np.full(n, y.mean())),
        _r2(y, predicted, others),
        tuple(notes),
    )


def _logistic(x: Float) -> Float:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0))))


def _r2(y: Float, predicted: Float, base: Float) -> float:
    total = float(((y - base) ** 2).sum())
    return 1.0 - float(((y - predicted) ** 2).sum()) / total if total > 1e-12 else float("nan")


def _fit(X: Float, y: Float, weights: Float) -> Float:
    """Return the coefficients of penalised fits by Newton's method, one for each row of weights, (B, f)."""
    n, f = X.shape
    outer = (X[:, :, None] * X[:, None, :]).reshape(n, f * f)
    penalty = np.diag([1e-6, *[RIDGE] * (f - 1)])
    beta = np.zeros((len(weights), f))
    for _ in range(_STEPS):
        mean = _logistic(beta @ X.T)
        gradient = (weights * (y - mean)) @ X - beta @ penalty
        curvature = ((weights * mean * (1.0 - mean)) @ outer).reshape(-1, f, f) + penalty
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        # Exposure of 0 or 1 throughout pulls the intercept far out, where full steps overshoot.
        step = np.clip(step, -_FURTHEST, _FURTHEST)
        beta += step
        if np.abs(step).max() < _CLOSE:
            break
    return np.clip(beta, -40.0, 40.0)


def _differences(
    X: Float, betas: Float, weights: Float, values: Float, scale: Float, binary: NDArray[np.bool_]
) -> Float:
    """Return mean differences of the prediction with and without each feature, shape (B, f)."""
    linear = betas @ X.T
    result = np.empty((len(betas), len(scale)))
    for at in range(len(scale)):
        slope = betas[:, at + 1, None] / scale[at]
        if binary[at]:
            without = linear - slope * values[:, at]
            gap = _logistic(without + slope) - _logistic(without)
        else:
            gap = _logistic(linear + slope / 2.0) - _logistic(linear - slope / 2.0)
        result[:, at] = (weights * gap).sum(axis=1) / weights.sum(axis=1)
    return result
