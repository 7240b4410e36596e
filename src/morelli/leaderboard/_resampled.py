"""Intervals for many figures at once by the bootstrap over prompts, from sums by prompt."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.errors import MorelliError

__all__ = [
    "LEVEL",
    "PromptBootstrap",
    "area",
    "areas_by_group",
    "bounded",
    "certain_bound",
    "resample",
    "sums_by_prompt",
]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

LEVEL = 0.95
"""Coverage that intervals aim at."""

_BINS = 512
"""Distinct values up to which an area's interval is exact; beyond, values are put into so many bins of equal mass."""


@functools.lru_cache(maxsize=4)
def resample(n: int, n_boot: int, seed: int) -> Float:
    """Return how often each of n prompts is drawn in each resample, shape (n_boot, n); not to be written to.

    Raises
    ------
    MorelliError
        `n` or `n_boot` is not positive.
    """
    if n < 1 or n_boot < 1:
        raise MorelliError(f"A bootstrap takes one prompt and one resample or more, not {n} and {n_boot}.")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1.0 / n), size=n_boot).astype(np.float64)
    weights.setflags(write=False)  # kept for the next figure of the same prompts
    return weights


def certain_bound(n: ArrayLike) -> Float:
    """Return the lower limit of a share of which all of n trials were hits (Clopper & Pearson 1934); n is 1 at least.

    Where all resamples agree they would claim certainty, and this is given instead.
    """
    return np.asarray(((1.0 - LEVEL) / 2.0) ** (1.0 / np.maximum(n, 1)))


class PromptBootstrap:
    """Resampled prompts: the same resamples for every figure, so that differences are paired.

    Whole prompts are drawn with replacement, as many as there are, as in
    :func:`morelli.trials.metrics.cluster_bootstrap_interval` (Davison & Hinkley 1997, section 3.8); here hundreds of
    figures share one matrix of counts.

    Parameters
    ----------
    n_prompts : int
    n_boot : int
    seed : int
    """

    def __init__(self, n_prompts: int, n_boot: int = 1000, seed: int = 0) -> None:
        self.weights = resample(n_prompts, n_boot, seed)

    def ratios(self, sums: Float, sizes: Float) -> Float:
        """Return resampled ratios of sums.

        Parameters
        ----------
        sums, sizes : ndarray, shape (..., P)
            By prompt; they broadcast.

        Returns
        -------
        ndarray, shape (n_boot, ...)
            NaN where a resample has nothing of a figure.
        """
        above = np.moveaxis(np.tensordot(sums, self.weights, axes=([-1], [1])), -1, 0)
        below = np.moveaxis(np.tensordot(sizes, self.weights, axes=([-1], [1])), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(below > 0, above / below, np.nan))

    def areas(self, positive: Float, positive_prompt: Codes, negative: Float, negative_prompt: Codes) -> Float:
        """Return resampled areas under the ROC curve, shape (n_boot,); arguments as for `area`, with their prompts.

        With more than 512 distinct values these are put into bins of equal mass, inside which order is not seen; the
        result is moved by what that does to the area of the data themselves (below 0.002).
        """
        n_prompts = self.weights.shape[1]
        if not len(positive) or not len(negative):
            return np.full(len(self.weights), np.nan)
        values, code = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        n = len(values)
        if n > _BINS:
            ranks = np.argsort(np.argsort(np.concatenate([positive, negative]), kind="stable"), kind="stable")
            code, n = ranks * _BINS // len(ranks), _BINS
        tables = []
        for codes, prompt in ((code[: len(positive)], positive_prompt), (code[len(positive) :], negative_prompt)):
            tables.append(np.bincount(prompt * n + codes, minlength=n_prompts * n).reshape(n_prompts, n).astype(float))
        hits, misses = tables
        shift = area(positive, negative) - _area_of_counts(hits.sum(axis=0)[None], misses.sum(axis=0)[None])[0]
        parts = np.array_split(self.weights, max(1, len(self.weights) * n // 2_000_000))
        return np.asarray(np.concatenate([_area_of_counts(w @ hits, w @ misses) for w in parts]) + shift)

    @staticmethod
    def interval(resampled: Float) -> Float:
        """Return low and high of resampled figures (n_boot, ...), shape (..., 2); NaN where nothing was resampled."""
        tail = (1.0 - LEVEL) / 2.0
        flat = resampled.reshape(len(resampled), -1)
        result = np.full((flat.shape[1], 2), np.nan)
        there = ~np.isnan(flat).all(axis=0)
        if there.any():
            result[there] = np.nanquantile(flat[:, there], [tail, 1.0 - tail], axis=0).T
        return result.reshape(*resampled.shape[1:], 2)


def bounded(value: Float, interval: Float, n_prompts: NDArray[np.integer]) -> Float:
    """Return intervals (..., 2) without false certainty.

    Where a share is 0 or 1 all resamples agree. The exact bound with one trial for each prompt is given there instead
    (Clopper & Pearson 1934), as by :func:`morelli.trials.metrics.cluster_bootstrap_interval`; with fewer than two
    prompts there is no interval.
    """
    result = interval.copy()
    bound = certain_bound(n_prompts)
    certain = interval[..., 0] == interval[..., 1]
    result[..., 0] = np.where(certain & (value == 1.0), bound, result[..., 0])
    result[..., 1] = np.where(certain & (value == 0.0), 1.0 - bound, result[..., 1])
    result[n_prompts < 2] = np.nan
    return result


def sums_by_prompt(values: NDArray[np.generic], prompt: Codes, n_prompts: int) -> Float:
    """Return the sums of rows (n, ...) by prompt, shape (n_prompts, ...)."""
    result = np.zeros((n_prompts, *values.shape[1:]))
    if len(values):
        order = np.argsort(prompt, kind="stable")
        there, starts = np.unique(prompt[order], return_index=True)
        result[there] = np.add.reduceat(values[order].astype(np.float64), starts, axis=0)
    return result


def area(positive: Float, negative: Float) -> float:
    """Return the area under the ROC curve: how often a positive is greater than a negative, ties counted half.

    NaN where there are none of either (Mann & Whitney 1947).
    """
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left") + np.searchsorted(ordered, positive, side="right")
    return float(below.mean() / (2.0 * len(negative)))


def areas_by_group(values: Float, positive: NDArray[np.bool_], group: Codes, n_groups: int) -> Float:
    """Return the area under the ROC curve inside each group, shape (n_groups,); NaN without both kinds."""
    order = np.lexsort((values, group))
    v, g, hit = values[order], group[order], positive[order]
    new = np.ones(len(v), dtype=np.bool_)
    new[1:] = (v[1:] != v[:-1]) | (g[1:] != g[:-1])
    run = np.cumsum(new) - 1
    size = np.bincount(run, minlength=1)
    start = np.flatnonzero(new)
    first = np.concatenate([[0], np.cumsum(np.bincount(g, minlength=n_groups))[:-1]])
    middle = (start + (size[: len(start)] - 1) / 2.0)[run] - first[g] + 1.0  # mid-rank inside the group, from 1
    n_pos = np.bincount(g, weights=hit, minlength=n_groups)
    n_neg = np.bincount(g, weights=~hit, minlength=n_groups)
    ranks = np.bincount(g, weights=middle * hit, minlength=n_groups)
    pairs = n_pos * n_neg
    return np.asarray(
        np.where(pairs > 0, (ranks - n_pos * (n_pos + 1) / 2.0) / np.where(pairs > 0, pairs, 1.0), np.nan)
    )


def _area_of_counts(hits: Float, misses: Float) -> Float:
    """Return areas from counts of positives and negatives by ascending value, both (b, n)."""
    below = np.cumsum(misses, axis=1) - misses / 2.0
    pairs = hits.sum(axis=1) * misses.sum(axis=1)
    return np.asarray(np.where(pairs > 0, (hits * below).sum(axis=1) / np.where(pairs > 0, pairs, 1.0), np.nan))
