"""Intervals over prompts for means, ratios of sums and rank correlations; prompts are resampled, never images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from morelli.errors import MorelliError
from morelli.leaderboard._resampled import LEVEL, certain_bound, resample

__all__ = [
    "UNKNOWN",
    "Interval",
    "mean_defined",
    "mean_interval",
    "paired_interval",
    "quantiles",
    "rank_correlations",
    "ratio_interval",
    "share_interval",
    "spearman",
]

Float = NDArray[np.float64]
Interval = tuple[float, float]
UNKNOWN: Interval = (float("nan"), float("nan"))


def mean_defined(values: ArrayLike, axis: int | None = None) -> Float:
    """Return the mean of the values that are not NaN; NaN where there is none."""
    array = np.asarray(values, dtype=np.float64)
    known = np.isfinite(array)
    n = known.sum(axis=axis)
    total = np.where(known, array, 0.0).sum(axis=axis)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan), dtype=np.float64)


def quantiles(replicates: Float, level: float = LEVEL) -> Interval:
    """Return the percentile interval of replicates, NaN left out; unknown where fewer than half are defined."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) == 0 or 2 * len(defined) < len(replicates):
        return UNKNOWN
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def ratio_interval(sums: ArrayLike, sizes: ArrayLike, n_boot: int, seed: int) -> Interval:
    """Return the 95% percentile interval of ``sum(sums) / sum(sizes)`` when whole prompts are resampled.

    For shares of images use `share_interval`. Unknown with fewer than two prompts of positive size.
    """
    top, bottom = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    used = bottom > 0
    if used.sum() < 2:
        return UNKNOWN
    weights = resample(int(used.sum()), n_boot, seed)
    return quantiles((weights @ top[used]) / (weights @ bottom[used]))


def share_interval(hits: ArrayLike, sizes: ArrayLike, n_boot: int, seed: int) -> Interval:
    """Return `ratio_interval` for shares: prompts are clusters, as in `cluster_bootstrap_interval`.

    When all (or none) are hits, resamples agree and would claim certainty; the exact binomial bound with one trial for
    each prompt (Clopper & Pearson 1934) is given instead.
    """
    top, bottom = np.asarray(hits, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    n = int((bottom > 0).sum())
    if n >= 2 and (top == bottom).all():
        return float(certain_bound(n)), 1.0
    if n >= 2 and not top.any():
        return 0.0, 1.0 - float(certain_bound(n))
    return ratio_interval(top, bottom, n_boot, seed)


def mean_interval(shares: ArrayLike, n_boot: int, seed: int) -> Interval:
    """Return the 95% interval of the mean of shares of prompts, those that are NaN left out."""
    values = np.asarray(shares, dtype=np.float64)
    values = values[np.isfinite(values)]
    return share_interval(values, np.ones(len(values)), n_boot, seed)


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return the rank correlation of two vectors; NaN if either is constant or they are shorter than 3."""
    a, b = np.atleast_2d(np.asarray(x, dtype=np.float64)), np.atleast_2d(np.asarray(y, dtype=np.float64))
    return float(rank_correlations(a, b)[0]) if a.shape[1] >= 3 else float("nan")


def paired_interval(statistic: Callable[[NDArray[np.int64]], Float], n: int, n_boot: int, seed: int) -> Interval:
    """Return the 95% percentile interval of a statistic of resampled indices, (n_boot, n) -> (n_boot,).

    Unknown with fewer than 5. Resamples repeat pairs, which makes ties: those pull a rank correlation to neither side,
    but its interval is a little wide for few pairs.
    """
    if n_boot < 1:
        raise MorelliError(f"A bootstrap takes one resample or more, not {n_boot}.")
    if n < 5:
        return UNKNOWN
    return quantiles(statistic(np.random.default_rng(seed).integers(0, n, (n_boot, n))))


def rank_correlations(a: Float, b: Float) -> Float:
    """Return the rank correlation of each row of a with that of b; NaN where one is constant."""
    ra, rb = (rankdata(values, axis=1) for values in (a, b))
    ra, rb = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (ra, rb))
    scale = np.sqrt((ra**2).sum(axis=1) * (rb**2).sum(axis=1))
    return np.asarray(np.where(scale > 0, (ra * rb).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan))
