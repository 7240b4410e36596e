"""Variation within and between models: other seeds against other models, for the same prompt (Naseh et al. 2026)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import Metric, check_metric
from morelli.errors import NotEnoughDataError
from morelli.leaderboard._resampled import resample
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._geometry import PromptImages, over_prompts, squared_distances
from morelli.leaderboard.exposure._resampling import (
    UNKNOWN,
    Interval,
    mean_defined,
    mean_interval,
    quantiles,
    ratio_interval,
)

__all__ = ["Variation", "variation"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """Distances between images of one prompt.

    Attributes
    ----------
    models, prompts : tuple of str
    metric : {"euclidean", "cosine"}
    within : ndarray of float64, shape (P, M)
        Mean distance between two images of the model for the prompt; NaN with fewer than two.
    between : ndarray of float64, shape (P, M)
        Mean distance of its images to those of another model for the prompt, each other model counting alike.
    superiority : ndarray of float64, shape (P,)
        Probability that a distance between models is larger than one within a model, ties half; 0.5 is no difference
        (the effect size of the Mann-Whitney test).
    ratio, ratio_interval : float, tuple of float
        Mean of `between` divided by the mean of `within`, over the pairs that have both, with its 95% interval over
        prompts; NaN where all images are identical.
    prompt_ratio, model_ratio : ndarray of float64, shapes (P,) and (M,)
        The same for each prompt and for each model.
    model_intervals : tuple of tuple of float
        Over prompts.
    mean_superiority, superiority_interval : float, tuple of float
        Over prompts.
    effect, effect_interval : float, tuple of float
        Difference of the means in standard deviations of single distances, within prompts (Cohen's d), and its
        interval over prompts.
    """

    models: tuple[str, ...]
    prompts: tuple[str, ...]
    metric: Metric
    within: Float
    between: Float
    superiority: Float
    ratio: float
    ratio_interval: Interval
    prompt_ratio: Float
    model_ratio: Float
    model_intervals: tuple[Interval, ...]
    mean_superiority: float
    superiority_interval: Interval
    effect: float
    effect_interval: Interval


def variation(board: Board, metric: Metric = "euclidean", *, n_boot: int = 2000, seed: int = 0) -> Variation:
    """Compare distances between seeds with distances between models, prompt by prompt.

    Parameters
    ----------
    board : Board
    metric : {"euclidean", "cosine"}
        Cosine distance is ``1 - cosine``.
    n_boot, seed : int
        Of the bootstraps over prompts.

    Raises
    ------
    NotEnoughDataError
        No model has two images for a prompt of another.
    """
    check_metric(metric)
    shape = board.counts.shape
    within, between = np.full(shape, np.nan), np.full(shape, np.nan)
    superiority, gap, spread = (np.full(shape[0], np.nan) for _ in range(3))

    def work(images: PromptImages) -> tuple[PromptImages, tuple[Float, Float], tuple[float, float, float]] | None:
        return (images, *_measure(images, metric)) if images.counts.max() >= 2 else None

    for found in over_prompts(board, work, unit=metric == "cosine"):
        if found is not None:
            images, (within[images.prompt, images.models], between[images.prompt, images.models]), scalars = found
            superiority[images.prompt], gap[images.prompt], spread[images.prompt] = scalars
    both = np.isfinite(within)
    if not both.any():
        raise NotEnoughDataError(
            "Variation between seeds takes two images of one model for one prompt, and an image of another model."
        )
    inside, outside = np.where(both, within, 0.0), np.where(both, between, 0.0)
    defined = np.isfinite(spread)
    gaps, variances = np.where(defined, gap, 0.0), np.where(defined, spread, 0.0)
    return Variation(
        models=board.models,
        prompts=board.prompts,
        metric=metric,
        within=within,
        between=between,
        superiority=superiority,
        ratio=_ratio(outside.sum(), inside.sum()),
        ratio_interval=_interval(outside.sum(axis=1), inside.sum(axis=1), n_boot, seed),
        prompt_ratio=np.array([_ratio(a, b) for a, b in zip(outside.sum(axis=1), inside.sum(axis=1), strict=True)]),
        model_ratio=np.array([_ratio(a, b) for a, b in zip(outside.sum(axis=0), inside.sum(axis=0), strict=True)]),
        model_intervals=tuple(_interval(a, b, n_boot, seed) for a, b in zip(outside.T, inside.T, strict=True)),
        mean_superiority=float(mean_defined(superiority)),
        superiority_interval=mean_interval(superiority, n_boot, seed),
        effect=_ratio(float(mean_defined(gap)), float(np.sqrt(mean_defined(spread)))),
        effect_interval=_effect_interval(gaps[defined], variances[defined], n_boot, seed),
    )


def _measure(images: PromptImages, metric: Metric) -> tuple[tuple[Float, Float], tuple[float, float, float]]:
    """Return distances within and between by model; superiority, difference of means and variance of distances."""
    squared, _ = squared_distances(images.X)
    np.fill_diagonal(squared, 0.0)
    distances = squared / 2.0 if metric == "cosine" else np.sqrt(squared)
    counts = images.counts
    blocks = np.add.reduceat(np.add.reduceat(distances, images.starts[:-1], axis=0), images.starts[:-1], axis=1)
    pairs = counts * (counts - 1)
    within = np.where(pairs > 0, np.diagonal(blocks) / np.maximum(pairs, 1), np.nan)
    means = blocks / np.outer(counts, counts)
    between = (means.sum(axis=1) - np.diagonal(means)) / (len(counts) - 1)
    upper = ~np.tri(len(distances), dtype=np.bool_)
    same = images.own[:, None] == images.own[None]
    inside, outside = np.sort(distances[upper & same]), np.sort(distances[upper & ~same])
    # Both sorted, and the shorter one looked up in the longer: that is what makes it fast.
    above = 2 * len(outside) - sum(np.searchsorted(outside, inside, side=side).mean() for side in ("left", "right"))
    # The two kinds of distance weigh alike, however many there are of each.
    variance = (inside.var() + outside.var()) / 2.0
    return (within, between), (
        float(above / (2.0 * len(outside))),
        float(outside.mean() - inside.mean()),
        float(variance),
    )


def _ratio(top: float, bottom: float) -> float:
    return float(top / bottom) if bottom > 0 else float("nan")


def _interval(top: Float, bottom: Float, n_boot: int, seed: int) -> Interval:
    """Return the interval of a ratio of sums; prompts where all images are identical have no part in it."""
    return ratio_interval(np.where(bottom > 0, top, 0.0), bottom, n_boot, seed)


def _effect_interval(gaps: Float, variances: Float, n_boot: int, seed: int) -> Interval:
    if len(gaps) < 2 or not variances.all():
        return UNKNOWN
    weights = resample(len(gaps), n_boot, seed) / len(gaps)
    return quantiles((weights @ gaps) / np.sqrt(weights @ variances))
