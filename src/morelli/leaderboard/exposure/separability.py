"""Separability of models by prompt: whose images have their nearest neighbour among the same model's.

Naseh et al. 2026 (arXiv 2601.09647), prompt-level separability: ``frac(i, j)`` is the share of the images of model j
for prompt i whose nearest neighbour, among all models' images for that prompt and without the image itself, is of
model j; the pair is separable if that exceeds tau; ``D(i)`` is the share of models that are separable on prompt i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from morelli.attributors.prompts.distances import Metric, check_metric
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard._resampled import LEVEL, certain_bound
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._geometry import PromptImages, over_prompts, squared_distances
from morelli.leaderboard.exposure._resampling import Interval, mean_defined, mean_interval
from morelli.leaderboard.exposure.rates import Rates

__all__ = ["TAUS", "Exposure", "separability", "share_separable"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

TAUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Thresholds of the curve; at 1 nothing is separable by definition, as a share cannot exceed it."""


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """How separable the models of a board are, prompt by prompt.

    Attributes
    ----------
    models, prompts : tuple of str
    tau : float
        In [0, 1).
    metric : {"euclidean", "cosine"}
    n : ndarray of int64, shape (P, M)
        Images.
    frac : ndarray of float64, shape (P, M)
        In [0, 1]; NaN where it is undefined: fewer than two images of the model, or no other model has an image.
    balanced : ndarray of float64, shape (P, M)
        The same in expectation if all models had as many images for the prompt as the one with the fewest (two at
        least), drawn at random: many images attract neighbours by their number.
    chance, chance_balanced : ndarray of float64, shape (P, M)
        What `frac` and `balanced` would be if the models' embeddings had one distribution.
    D, D_balanced : ndarray of float64, shape (P,)
        Share of the models with a defined pair that are separable; NaN where no pair is defined.
    low, high : ndarray of float64, shape (P,)
        95% interval of `D` by a bootstrap of models, and of images within models; see `separability`.
    silhouette, margin : ndarray of float64, shape (P,)
        Smoother scores in [-1, 1], means over models: the silhouette (Rousseeuw 1987), and by how much the nearest
        image of another model is farther than the nearest of the same, as a share of the farther distance.
    mean_D, mean_D_balanced, mean_frac : float
        Means over prompts.
    interval, interval_balanced, interval_frac : tuple of float
        Their 95% intervals over prompts.
    curve : tuple of (float, float, float, float)
        Threshold, mean of D over prompts, and its 95% interval, for `TAUS`.
    """

    models: tuple[str, ...]
    prompts: tuple[str, ...]
    tau: float
    metric: Metric
    n: Codes
    frac: Float
    balanced: Float
    chance: Float
    chance_balanced: Float
    D: Float
    D_balanced: Float
    low: Float
    high: Float
    silhouette: Float
    margin: Float
    mean_D: float
    mean_D_balanced: float
    mean_frac: float
    interval: Interval
    interval_balanced: Interval
    interval_frac: Interval
    curve: tuple[tuple[float, float, float, float], ...]

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Pairs of a prompt and a model for which there is something to say, shape (P, M)."""
        return np.isfinite(self.frac)

    @property
    def prompt_frac(self) -> Float:
        """Mean of `frac` over the models of each prompt, shape (P,)."""
        return mean_defined(self.frac, axis=1)

    @property
    def rates(self) -> Rates:
        """Separable models out of those with a defined pair, prompt by prompt."""
        n = self.defined.sum(axis=1).astype(np.float64)
        hits = (np.where(self.defined, self.frac, 0.0) > self.tau).sum(axis=1)
        return Rates(self.prompts, hits.astype(np.float64), n, f"separable models at {self.tau:g}")

    def replicates(self, n_boot: int, seed: int) -> tuple[Float, Float]:
        """Return bootstrap replicates of D(i) and of the mean frac of each prompt, both (n_boot, P).

        Models are drawn with replacement, and the outcomes of as many images as each has.
        """
        shape = (n_boot, len(self.prompts))
        shares, fracs = np.full(shape, np.nan), np.full(shape, np.nan)
        for i in np.flatnonzero(self.defined.any(axis=1)).tolist():
            rng = np.random.default_rng([seed, i])
            there = np.flatnonzero(self.defined[i])
            drawn = there[rng.integers(0, len(there), (n_boot, len(there)))]
            values = rng.binomial(self.n[i, drawn], self.frac[i, drawn]) / self.n[i, drawn]
            shares[:, i], fracs[:, i] = (values > self.tau).mean(axis=1), values.mean(axis=1)
        return shares, fracs


def share_separable(frac: Float, tau: float) -> Float:
    """Return D: the share of defined values in each row that exceed tau, NaN where none is defined, shape (P,).

    Examples
    --------
    >>> import numpy as np
    >>> share_separable(np.array([[1.0, 0.9, np.nan], [np.nan, np.nan, np.nan]]), 0.9)
    array([0.5, nan])
    """
    return mean_defined(np.where(np.isfinite(frac), np.nan_to_num(frac) > tau, np.nan), axis=1)


def separability(
    board: Board, tau: float = 0.9, metric: Metric = "euclidean", *, n_boot: int = 1000, seed: int = 0
) -> Exposure:
    """Measure how separable the models are on each prompt.

    A neighbour of another model at the same distance, up to rounding, counts against: identical images tell nothing.

    Parameters
    ----------
    board : Board
    tau : float, default 0.9
        A pair of a prompt and a model is separable if its `frac` exceeds it; in [0, 1). The paper leaves it open.
    metric : {"euclidean", "cosine"}
    n_boot : int
        Resamples of the bootstraps: over prompts for means; for one prompt's D over its models, and over the images of
        each. Where all models of a prompt are separable, or none, the binomial bound with one trial for each model
        (Clopper & Pearson 1934) is given, since resamples would agree.
    seed : int
        Of the bootstraps; nothing else is random.

    Returns
    -------
    Exposure

    Raises
    ------
    MorelliError
        `tau` or `metric` is out of range.
    NotEnoughDataError
        No pair is defined.
    """
    if not 0.0 <= tau < 1.0:
        raise MorelliError(f"The threshold of separability is at least 0 and below 1, not {tau:g}.")
    check_metric(metric)
    shape = board.counts.shape
    frac, balanced, chance, even = (np.full(shape, np.nan) for _ in range(4))
    silhouette, margin = np.full(shape[0], np.nan), np.full(shape[0], np.nan)
    for found_one in over_prompts(board, _measure, unit=metric == "cosine"):
        if found_one is not None:
            p, there, columns, (silhouette[p], margin[p]) = found_one
            frac[p, there], balanced[p, there], chance[p, there], even[p, there] = columns
    if not np.isfinite(frac).any():
        raise NotEnoughDataError(
            "Separability is about the nearest other image: some model needs two images or more for a prompt for "
            "which another model has one."
        )
    D, D_balanced = share_separable(frac, tau), share_separable(balanced, tau)
    mean_fracs = mean_defined(frac, axis=1)
    curve = []
    for level in TAUS:
        values = share_separable(frac, level)
        curve.append((level, float(mean_defined(values)), *mean_interval(values, n_boot, seed)))
    found = Exposure(
        models=board.models,
        prompts=board.prompts,
        tau=float(tau),
        metric=metric,
        n=board.counts,
        frac=frac,
        balanced=balanced,
        chance=chance,
        chance_balanced=even,
        D=D,
        D_balanced=D_balanced,
        low=np.full(len(D), np.nan),
        high=np.full(len(D), np.nan),
        silhouette=silhouette,
        margin=margin,
        mean_D=float(mean_defined(D)),
        mean_D_balanced=float(mean_defined(D_balanced)),
        mean_frac=float(mean_defined(mean_fracs)),
        interval=mean_interval(D, n_boot, seed),
        interval_balanced=mean_interval(D_balanced, n_boot, seed),
        interval_frac=mean_interval(mean_fracs, n_boot, seed),
        curve=tuple(curve),
    )
    _fill_intervals(found, n_boot, seed)
    return found


def _measure(images: PromptImages) -> tuple[int, Codes, Float, tuple[float, float]] | None:
    """Return prompt, models, their frac, balanced frac and chance of both, and the prompt's silhouette and margin."""
    if images.counts.max() < 2:
        return None
    squared, slack = squared_distances(images.X)
    frac, silhouette, margin = _scores(images, squared, slack)
    drawn = _drawn(images.counts)
    same = bool((drawn == images.counts).all())
    balanced = frac if same else _balanced(images, squared, slack, drawn)
    chances = (_chance(images.counts, images.counts), _chance(images.counts, drawn))
    return images.prompt, images.models, np.stack([frac, balanced, *chances]), (silhouette, margin)


def _scores(images: PromptImages, squared: Float, slack: float) -> tuple[Float, float, float]:
    """Return frac of each model, (m,), and the prompt's silhouette and margin."""
    own, counts, at = images.own, images.counts, np.arange(len(squared))
    nearest = np.minimum.reduceat(squared, images.starts[:-1], axis=1)
    mine = nearest[at, own].copy()
    nearest[at, own] = np.inf
    other = nearest.min(axis=1)
    several = counts[own] >= 2
    frac = _by_model(np.where(several, mine + slack < other, np.nan), images)

    distances = np.sqrt(squared)
    np.fill_diagonal(distances, 0.0)
    means = np.add.reduceat(distances, images.starts[:-1], axis=1)
    inside = means[at, own] / np.maximum(counts[own] - 1, 1)
    means /= counts
    means[at, own] = np.inf
    outside = means.min(axis=1)
    return (
        frac,
        float(mean_defined(_by_model(np.where(several, _lead(inside, outside), np.nan), images))),
        float(mean_defined(_by_model(np.where(several, _lead(np.sqrt(mine), np.sqrt(other)), np.nan), images))),
    )


def _lead(inside: Float, outside: Float) -> Float:
    """Return by how much `outside` is larger, as a share of the larger of both; 0 where both are 0."""
    larger = np.maximum(inside, outside)
    known = np.isfinite(larger) & (larger > 0)
    gap = np.where(known, outside, 0.0) - np.where(known, inside, 0.0)
    return np.asarray(gap / np.where(known, larger, 1.0))


def _by_model(values: Float, images: PromptImages) -> Float:
    """Return the mean over the images of each model; NaN, if any, stands for all of a model."""
    return np.asarray(np.add.reduceat(values, images.starts[:-1]) / images.counts)


def _drawn(counts: Codes) -> Codes:
    """Return how many images of each model a balanced draw takes: as many as the fewest, single images left as is."""
    return np.asarray(np.minimum(counts, counts[counts >= 2].min()))


def _chance(counts: Codes, drawn: Codes) -> Float:
    """Return the probability that the nearest is of the same model if all images are alike."""
    return np.where(counts >= 2, (drawn - 1) / (drawn.sum() - 1), np.nan)


def _balanced(images: PromptImages, squared: Float, slack: float, drawn: Codes) -> Float:
    """Return the expectation of frac over all balanced draws, exactly.

    The nearest image in the draw is the model's own t-th nearest if that is drawn, none of its own t nearer ones is,
    and no image of another model that is at least as near: products of hypergeometric probabilities.
    """
    counts, result = images.counts, np.full(len(images.models), np.nan)
    for j in np.flatnonzero(counts >= 2).tolist():
        own = slice(images.starts[j], images.starts[j + 1])
        n, take = int(counts[j]), int(drawn[j])
        ranked = np.sort(squared[own, own], axis=1)[:, : n - 1]  # the image itself, at infinity, is the last
        log_first = _log_choose(n - 2 - np.arange(n - 1), take - 2) - _log_choose(n - 1, take - 1)
        log_p = np.broadcast_to(log_first, ranked.shape).copy()
        for other in range(len(counts)):
            if other != j:
                block = squared[own, images.starts[other] : images.starts[other + 1]]
                nearer = (block[:, None, :] <= ranked[:, :, None] + slack).sum(axis=2)
                size = int(counts[other])
                log_p += _log_choose(size - nearer, int(drawn[other])) - _log_choose(size, int(drawn[other]))
        result[j] = np.exp(log_p).sum(axis=1).mean()
    return np.asarray(np.minimum(result, 1.0))


def _log_choose(n: Codes | int, k: int) -> Float:
    """Return the logarithm of the binomial coefficient; minus infinity where k exceeds n."""
    n = np.asarray(n, dtype=np.float64)
    possible = n >= k
    safe = np.where(possible, n, k)
    return np.asarray(np.where(possible, gammaln(safe + 1) - gammaln(k + 1) - gammaln(safe - k + 1), -np.inf))


def _fill_intervals(found: Exposure, n_boot: int, seed: int) -> None:
    """Put the interval of each prompt's D in place."""
    replicates, _ = found.replicates(n_boot, seed)
    tail = (1.0 - LEVEL) / 2.0
    n = found.defined.sum(axis=1)
    known = np.flatnonzero(n >= 2)
    found.low[known], found.high[known] = np.quantile(replicates[:, known], [tail, 1.0 - tail], axis=0)
    bound = certain_bound(n)
    all_, none = (found.D == 1.0) & (n >= 2), (found.D == 0.0) & (n >= 2)
    found.low[all_], found.high[all_] = bound[all_], 1.0
    found.low[none], found.high[none] = 0.0, 1.0 - bound[none]
