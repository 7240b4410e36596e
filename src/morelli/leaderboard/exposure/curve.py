"""How accuracy of the attack grows with references and falls with the number of candidates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from morelli.attributors.prompts.distances import Metric
from morelli.errors import MorelliError
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._nested import Queries, check_drawing, judged_by_prompt
from morelli.leaderboard.exposure._resampling import share_interval

__all__ = ["TOPS", "AttackCurve", "CurvePoint", "attack_curve"]

Float = NDArray[np.float64]

TOPS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One accuracy.

    Attributes
    ----------
    k : int
        References of each model that were asked for.
    pool : int or None
        Candidates; None for all that a prompt has.
    top : int
        An answer is right if the truth is among so many.
    accuracy, low, high : float
        In [0, 1], with its 95% interval over prompts (NaN with one prompt).
    chance : float
    n : int
        Judgements: images times draws.
    prompts : int
    references : float
        References that a model had, in the mean: less than k where it has no more images.
    """

    k: int
    pool: int | None
    top: int
    accuracy: float
    low: float
    high: float
    chance: float
    n: int
    prompts: int
    references: float


@dataclass(frozen=True, slots=True, eq=False)
class AttackCurve:
    """Accuracies by references, candidates and answers allowed.

    Attributes
    ----------
    points : tuple of CurvePoint
    ks, pools : tuple of int
    metric : {"euclidean", "cosine"}
    queries : {"one", "rest"}
    draws, seed : int
    hits : ndarray of float64, shape (P, K)
        Share of judgements that are top-1 for each prompt, NaN where it has none.
    clipped : ndarray of float64, shape (K,)
        Share of the pairs of prompt and model that have fewer than k references.
    """

    points: tuple[CurvePoint, ...]
    ks: tuple[int, ...]
    pools: tuple[int, ...]
    metric: Metric
    queries: Queries
    draws: int
    seed: int
    hits: Float
    clipped: Float

    def at(self, k: int, top: int = 1, pool: int | None = None) -> CurvePoint:
        """Return one point.

        Raises
        ------
        MorelliError
            It was not measured.
        """
        for point in self.points:
            if (point.k, point.top, point.pool) == (k, top, pool):
                return point
        raise MorelliError(f"This curve has no point for {k} references, top {top} and pool {pool}.")


def attack_curve(
    board: Board,
    ks: Sequence[int] = (1, 2, 5, 10, 30),
    draws: int = 10,
    seed: int = 0,
    pools: Sequence[int] | None = None,
    metric: Metric = "euclidean",
    queries: Queries = "one",
    *,
    n_boot: int = 2000,
) -> AttackCurve:
    """Attack with the nearest centroid for each prompt (Naseh et al. 2026, section 3).

    In each draw an image of each model and prompt is held out to be named, and the others, in random order, are its
    references: the first, the first two, and so on, so that those of a smaller k are among those of a larger one. A
    model with n images has min(k, n - 1): with 30 images, k = 30 is 29, and `CurvePoint.references` says so.

    Pools are all subsets of so many candidates that hold the truth, exactly: if b of the other models are nearer than
    the true one, the number of those in a random pool is hypergeometric. Nothing is drawn, and distances are measured
    once. Prompts with fewer models than a pool do not count for it.

    Parameters
    ----------
    board : Board
    ks : sequence of int
    draws : int
        Random orders of the images.
    seed : int
        Of the draws and the bootstrap.
    pools : sequence of int, optional
        By default 5, 10, 15 and so on below the number of models.
    metric : {"euclidean", "cosine"}
    queries : {"one", "rest"}
        Name one image of each model and prompt, or all that are left at the largest k.
    n_boot : int
        Resamples of prompts for the intervals.

    Returns
    -------
    AttackCurve

    Raises
    ------
    MorelliError
        An argument is out of range.
    NotEnoughDataError
        No image can be named: some model needs two images for a prompt of another.
    """
    ks = check_drawing(ks, draws, queries)
    sizes = tuple(range(5, len(board.models), 5)) if pools is None else tuple(sorted({int(size) for size in pools}))
    foreign = [size for size in sizes if not 2 <= size <= len(board.models)]
    if foreign:
        raise MorelliError(f"A pool has from 2 to all {len(board.models)} models, not {foreign[0]}.")
    P, K = len(board.prompts), len(ks)
    choices: tuple[int | None, ...] = (None, *sizes)
    hits, n = np.zeros((len(choices), P, K, len(TOPS))), np.zeros(P)
    chance, models, references = np.zeros((len(choices), P, len(TOPS))), np.zeros(P, np.int64), np.zeros((P, K))
    cells, clipped = 0, np.zeros(K)
    for judged in judged_by_prompt(board, ks, draws, seed, metric, queries):
        p, m = judged.images.prompt, len(judged.images.models)
        counts = np.stack([np.bincount(judged.ahead[:, :, at].ravel(), minlength=m) for at in range(K)])
        n[p], models[p], references[p] = counts[0].sum(), m, judged.used.mean(axis=0)
        cells += m
        clipped += (judged.used < np.asarray(ks)).sum(axis=0)
        for i, size in enumerate(choices):
            if (size or m) <= m:
                hits[i, p] = counts @ _in_pool(m, size or m).T
                chance[i, p] = np.minimum(TOPS, size or m) / (size or m)
    points = []
    for i, size in enumerate(choices):
        inside = (n > 0) & (models >= (size or 2))
        total = float(n[inside].sum())
        if total == 0:
            continue
        for at, k in enumerate(ks):
            for t, top in enumerate(TOPS):
                low, high = share_interval(hits[i, inside, at, t], n[inside], n_boot, seed)
                points.append(
                    CurvePoint(
                        k=k,
                        pool=size,
                        top=top,
                        accuracy=float(hits[i, inside, at, t].sum() / total),
                        low=low,
                        high=high,
                        chance=float((chance[i, inside, t] * n[inside]).sum() / total),
                        n=int(total),
                        prompts=int(inside.sum()),
                        references=float(np.average(references[inside, at], weights=models[inside])),
                    )
                )
    rates = np.where(n[:, None] > 0, hits[0, :, :, 0] / np.maximum(n, 1)[:, None], np.nan)
    return AttackCurve(tuple(points), ks, sizes, metric, queries, draws, seed, rates, clipped / cells)


@functools.cache
def _in_pool(m: int, size: int) -> Float:
    """Return the probability of each of `TOPS` by how many of m - 1 other models are ahead, shape (tops, m).

    The pool has the truth and ``size - 1`` of the others, drawn at random.
    """
    ahead = np.arange(m)
    return np.stack([hypergeom.cdf(top - 1, m - 1, ahead, size - 1) for top in TOPS])
