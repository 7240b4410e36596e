"""Intervals that respect prompts: images of one prompt stand or fall together, so prompts are resampled, not images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError
from morelli.trials.metrics._checks import FloatArray

__all__ = ["cluster_bootstrap_difference", "cluster_bootstrap_interval"]

_CHUNK = 4_000_000  # integer weights held at once, so that memory stays flat with many clusters


def cluster_bootstrap_interval(
    correct: npt.ArrayLike, groups: npt.ArrayLike, n_boot: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of an accuracy by the cluster bootstrap.

    Whole clusters are drawn with replacement, as many as there are, and the accuracy of the drawn images is the ratio
    of sums (Davison & Hinkley 1997, section 3.8; Field & Welsh 2007). The draw is a multinomial count per cluster, so
    no image is ever indexed.

    Parameters
    ----------
    correct : bool array, shape (n,)
        Whether each answer was right.
    groups : int array, shape (n,)
        Cluster of each image; any integers.
    n_boot : int
        Number of resamples.
    seed : int
    level : float
        Coverage aimed at, in (0, 1).

    Returns
    -------
    low, high : float
        In [0, 1]. (NaN, NaN) with fewer than two clusters: one cluster says nothing about the next. When every answer
        is right (or wrong) all resamples agree and the bootstrap would claim certainty; the exact binomial bound with
        one trial per cluster (Clopper & Pearson 1934) is given instead, which is the cautious reading.
    """
    values = np.asarray(correct, dtype=np.bool_)
    means, n_groups = _resampled_means(values.astype(np.float64), groups, n_boot, seed, level)
    if n_groups < 2:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    if values.all():
        return float(tail ** (1.0 / n_groups)), 1.0
    if not values.any():
        return 0.0, float(1.0 - tail ** (1.0 / n_groups))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def cluster_bootstrap_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: npt.ArrayLike,
    n_boot: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of ``mean(first) - mean(second)`` for two results on the same images.

    Pairing keeps what both get wrong out of the noise, so a small steady gain shows. Parameters as in
    `cluster_bootstrap_interval`. (NaN, NaN) with fewer than two clusters.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise MorelliError(f"A paired difference needs the same images twice, got the shapes {a.shape} and {b.shape}.")
    means, n_groups = _resampled_means(a - b, groups, n_boot, seed, level)
    if n_groups < 2:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def _resampled_means(
    values: FloatArray, groups: npt.ArrayLike, n_boot: int, seed: int, level: float
) -> tuple[FloatArray, int]:
    """Return the mean of each resample, shape (n_boot,), and the number of clusters."""
    clusters = np.asarray(groups)
    if values.ndim != 1 or clusters.shape != values.shape:
        raise MorelliError(f"Values {values.shape} and groups {clusters.shape} must be vectors of one length.")
    if n_boot < 1 or not 0.0 < level < 1.0:
        raise MorelliError(f"The bootstrap needs n_boot >= 1 and 0 < level < 1, got {n_boot} and {level}.")
    _, member = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    n_groups = len(sizes)
    if n_groups < 2:
        return np.empty(0), n_groups
    sums = np.bincount(member, weights=values)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n_groups)
    means = np.empty(n_boot)
    for start in range(0, n_boot, rows):
        stop = min(start + rows, n_boot)
        weights = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=stop - start).astype(np.float64)
        means[start:stop] = (weights @ sums) / (weights @ sizes)
    return means, n_groups
