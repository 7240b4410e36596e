"""Which models are taken for one another, and whether kinship or nearness explains it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import Metric, cell_means, unit_vectors
from morelli.errors import NotEnoughDataError
from morelli.leaderboard._resampled import resample
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._resampling import UNKNOWN, Interval
from morelli.leaderboard.exposure.success import Success
from morelli.trials.metrics import MantelResult, mantel

__all__ = ["Confusion", "Kinship", "Pair", "confused_pairs"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models.

    Attributes
    ----------
    first, second : str
    confusion : float
        Share of the images of one that are said to be the other's, in the mean of both directions and over the prompts
        for which both were judged.
    interval : tuple of float
        95%, over prompts.
    prompts : int
    forth, back : float
        The two directions: images of `first` said to be of `second`, and the reverse.
    distance : float
        Between the models' mean offsets from the prompts: the length of their mean difference over prompts, without
        what noise adds to its square; 0 where noise explains all, NaN with fewer than two prompts.
    same_lineage : bool or None
        None where the lineage of one is not known.
    """

    first: str
    second: str
    confusion: float
    interval: Interval
    prompts: int
    forth: float
    back: float
    distance: float
    same_lineage: bool | None


@dataclass(frozen=True, slots=True)
class Kinship:
    """Whether models of one lineage are taken for one another more than others.

    Attributes
    ----------
    same, other : float
        Mean confusion of pairs of one lineage, and of the other pairs.
    pairs : int
        Pairs of one lineage.
    share : float
        Of all confusion, what lies between models of one lineage.
    expected : float
        Their share of the pairs.
    explained : float
        Share of the variance of confusion over pairs that lineage explains, in [0, 1].
    p : float
        One-sided, by drawing which model has which lineage: the share of relabellings in which pairs of one lineage
        are confused as much or more, the observed one counting as one.
    """

    same: float
    other: float
    pairs: int
    share: float
    expected: float
    explained: float
    p: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """What is confused with what.

    Attributes
    ----------
    pairs : tuple of Pair
        The most confused first.
    even : float
        Confusion of every pair if errors fell on all other models alike.
    kinship : Kinship or None
        None where no pair is known to be of one lineage, or none to be of two. Names say nothing here: lineages are
        those of the catalog.
    nearness : MantelResult or None
        Rank correlation of confusion with nearness of mean offsets, over pairs; None where a pair lacks either.
    """

    pairs: tuple[Pair, ...]
    even: float
    kinship: Kinship | None
    nearness: MantelResult | None


def confused_pairs(
    board: Board,
    success: Success,
    metric: Metric = "euclidean",
    *,
    n_boot: int = 1000,
    n_permutations: int = 9999,
    seed: int = 0,
) -> Confusion:
    """Rank pairs of models by how often the attacker takes one for the other.

    Parameters
    ----------
    board : Board
        What was attacked.
    success : Success
        Of :func:`~morelli.leaderboard.exposure.prompt_success`, on that board.
    metric : {"euclidean", "cosine"}
        Of the offsets; with cosine, embeddings are scaled to length 1 first.
    n_boot, n_permutations, seed : int

    Raises
    ------
    NotEnoughDataError
        No two models were judged on the same prompt.
    """
    judgements = success.judgements
    rates = success.named / np.maximum(judgements, 1)[:, :, None]
    index = list(combinations(range(len(board.models)), 2))
    one, two = (np.array([pair[side] for pair in index], dtype=np.int64) for side in (0, 1))
    both = (judgements[:, one] > 0) & (judgements[:, two] > 0)
    n = both.sum(axis=0)
    if not n.any():
        raise NotEnoughDataError("No two models were judged on the same prompt, so that no pair can be confused.")
    forth, back = (np.where(both, rates[:, a, b], 0.0) for a, b in ((one, two), (two, one)))
    values = (forth + back) / 2.0
    confusion = np.where(n > 0, values.sum(axis=0) / np.maximum(n, 1), np.nan)
    weights = resample(len(values), n_boot, seed)
    sizes = weights @ both
    replicates = np.where(sizes > 0, (weights @ values) / np.maximum(sizes, 1e-300), np.nan)
    distances = _offset_distances(board, one, two, metric)
    kin = [_same(board.lineages[a], board.lineages[b]) for a, b in index]
    pairs = [
        Pair(
            board.models[a],
            board.models[b],
            float(confusion[i]),
            _interval(replicates[:, i]) if n[i] >= 2 else UNKNOWN,
            int(n[i]),
            float(forth[:, i].sum() / n[i]),
            float(back[:, i].sum() / n[i]),
            float(distances[i]),
            kin[i],
        )
        for i, (a, b) in enumerate(index)
        if n[i]
    ]
    pairs.sort(key=lambda pair: (-pair.confusion, pair.first, pair.second))
    among = (success.references > 0).sum(axis=1)
    judged = judgements.sum(axis=1)
    missed = judged - np.trace(success.named, axis1=1, axis2=2)
    even = float((missed / np.maximum(among - 1, 1)).sum() / judged.sum())
    matrix, apart = (_square(values, one, two, len(board.models)) for values in (confusion, distances))
    return Confusion(
        tuple(pairs),
        even,
        _kinship(matrix, board.lineages, n_permutations, seed),
        _nearness(matrix, apart, n_permutations, seed),
    )


def _same(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b


def _interval(replicates: Float) -> Interval:
    defined = replicates[np.isfinite(replicates)]
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def _square(values: Float, one: NDArray[np.int64], two: NDArray[np.int64], m: int) -> Float:
    matrix = np.full((m, m), np.nan)
    matrix[one, two] = matrix[two, one] = values
    return matrix


def _offset_distances(board: Board, one: NDArray[np.int64], two: NDArray[np.int64], metric: Metric) -> Float:
    """Return the distance between mean offsets of each pair, over the prompts that both have.

    Over n prompts with differences v_i, ``(|sum v|^2 - sum |v|^2) / (n (n - 1))`` has the square of the length of the
    mean difference as its expectation, whatever the noise; it is clipped at 0.
    """
    P, M = board.counts.shape
    X = unit_vectors(board.X) if metric == "cosine" else board.X
    means, _ = cell_means(X, board.cell, P * M)
    cells = means.reshape(P, M, -1)
    result = np.full(len(one), np.nan)
    there = board.counts > 0
    for i, (a, b) in enumerate(zip(one.tolist(), two.tolist(), strict=True)):
        prompts = there[:, a] & there[:, b]
        n = int(prompts.sum())
        if n >= 2:
            gaps = cells[prompts, a] - cells[prompts, b]
            square = (float((gaps.sum(axis=0) ** 2).sum()) - float((gaps**2).sum())) / (n * (n - 1))
            result[i] = np.sqrt(max(square, 0.0))
    return result


def _kinship(matrix: Float, lineages: tuple[str | None, ...], n_permutations: int, seed: int) -> Kinship | None:
    """Test by relabelling whether pairs of one lineage are confused more; models of unknown lineage are left out."""
    known = [i for i, name in enumerate(lineages) if name is not None]
    if len(known) < 3:
        return None
    _, codes = np.unique([str(lineages[i]) for i in known], return_inverse=True)
    a, b = np.triu_indices(len(known), 1)
    values = matrix[np.ix_(known, known)][a, b]
    used = np.isfinite(values)
    a, b, values = a[used], b[used], values[used]
    same = codes[a] == codes[b]
    if not same.any() or same.all():
        return None
    observed = _gap(values, same)
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(codes, (n_permutations, 1)), axis=1)
    gaps = np.array([_gap(values, row[a] == row[b]) for row in drawn])
    p = (1 + int((gaps >= observed - 1e-12).sum())) / (1 + n_permutations)
    total, spread = values.sum(), values.std()
    return Kinship(
        same=float(values[same].mean()),
        other=float(values[~same].mean()),
        pairs=int(same.sum()),
        share=float(values[same].sum() / total) if total > 0 else float("nan"),
        expected=float(same.mean()),
        explained=float(np.corrcoef(values, same)[0, 1] ** 2) if spread > 0 else 0.0,
        p=float(p),
    )


def _gap(values: Float, same: NDArray[np.bool_]) -> float:
    """Return how much more pairs of one lineage are confused; minus infinity where a relabelling leaves one kind."""
    if not same.any() or same.all():
        return float("-inf")
    return float(values[same].mean() - values[~same].mean())


def _nearness(matrix: Float, apart: Float, n_permutations: int, seed: int) -> MantelResult | None:
    off = ~np.eye(len(matrix), dtype=bool)
    if len(matrix) < 3 or not (np.isfinite(matrix[off]).all() and np.isfinite(apart[off]).all()):
        return None
    confusion, near = np.where(off, matrix, 0.0), np.where(off, -apart, 0.0)
    return mantel(confusion, near, n_permutations, seed, method="spearman")
