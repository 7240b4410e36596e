"""Two results on the same images: pooled accuracies, their difference, and what their fusion gains, over prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.studies.words import interval_words
from morelli.trials.cells import Cell
from morelli.trials.metrics import cluster_bootstrap_difference, cluster_bootstrap_interval, none_for_nan
from morelli.trials.predictions import Predictions
from morelli.trials.trial import Trial

__all__ = ["Difference", "Gain", "Pooled", "Right", "difference", "fusion_gain", "known_hits", "pooled"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Right = Callable[[Predictions], tuple[Bools, Bools]]

FLOOR = 1e-6
"""Smallest probability in a fusion: nobody who says zero, as a nearest neighbour does, shall have a veto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What has a 95% interval over prompts: None where all images share one; `n` images are behind it."""

    low: float | None
    high: float | None
    n: int

    @property
    def interval(self) -> str:
        """The interval in words."""
        return interval_words(self.low, self.high, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled(_Measured):
    """Accuracy over several cells, with its interval; every image counts once in each cell."""

    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(_Measured):
    """Two accuracies on the images that both judged, over all cells and seeds; the interval is of the difference.

    Attributes
    ----------
    first, second : float
        In [0, 1].
    points : float
        `first` less `second`, in [-1, 1].
    """

    first: float
    second: float
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain(_Measured):
    """What the fusion of two attributors is worth; the interval is of the gain, with the better one taken as given.

    Attributes
    ----------
    first, second, fused : float
        Accuracies on the images that both judged.
    points : float
        `fused` less the better of the two, in [-1, 1].
    """

    first: float
    second: float
    fused: float
    points: float


def pooled(cells: Sequence[Cell], seed: int = 0, right: Right | None = None) -> Pooled | None:
    """Return the accuracy over all cells, whose interval comes from prompts drawn for all of them together.

    Parameters
    ----------
    cells : sequence of Cell
    seed : int, default 0
        Of the bootstrap.
    right : callable, optional
        Gives of predictions which rows count, and which are right; by default known classes, and the most probable one.

    Returns
    -------
    Pooled or None
        None where nothing was judged.
    """
    parts: list[tuple[Bools, Integers]] = []
    for table in (table for cell in cells for table in cell.draws):
        counts, hit = (right or known_hits)(table)
        parts.append((hit[counts], table.group[counts]))
    if not sum(len(part[0]) for part in parts):
        return None
    hits, clusters = (np.concatenate(column) for column in zip(*parts, strict=True))
    low, high = cluster_bootstrap_interval(hits, clusters, seed=seed)
    return Pooled(accuracy=float(hits.mean()), low=none_for_nan(low), high=none_for_nan(high), n=len(hits))


def difference(
    pairs: Sequence[tuple[Cell, Cell]], seed: int = 0, right: tuple[Right, Right] | None = None
) -> Difference | None:
    """Return how much better the first of each pair of cells is, on the images that both judged, by seed.

    Parameters
    ----------
    pairs : sequence of (Cell, Cell)
        Pooled over all pairs. An image that stands twice in one part counts once.
    seed : int, default 0
        Of the bootstrap.
    right : pair of callables, optional
        What counts for the first and for the second: each gives of predictions which rows count, and which are right;
        by default known classes, and the most probable one.

    Returns
    -------
    Difference or None
        None where no image was judged by both.
    """
    of_first, of_second = right or (known_hits, known_hits)
    parts: list[tuple[Bools, Bools, Integers]] = []
    for first, second in pairs:
        for one, other in _matched(first, second):
            (counts, hit), (other_counts, other_hit) = of_first(one), of_second(other)
            rows, others = _common(one, other, counts, other_counts)
            parts.append((hit[rows], other_hit[others], one.group[rows]))
    if not sum(len(part[0]) for part in parts):
        return None
    a, b, clusters = (np.concatenate(column) for column in zip(*parts, strict=True))
    low, high = cluster_bootstrap_difference(a, b, clusters, seed=seed)
    x, y = float(a.mean()), float(b.mean())
    return Difference(first=x, second=y, points=x - y, low=none_for_nan(low), high=none_for_nan(high), n=len(a))


def fusion_gain(first: Cell, second: Cell, seed: int = 0) -> Gain | None:
    """Return what the log-linear mean of two cells' probabilities gains over the better of the two.

    Both count alike (a product of experts, Hinton 1999, without learned weights), so that nothing is fitted to the
    images that are judged. A gain above zero says that the two make different errors; it is zero or less where one
    knows all that the other knows.

    Parameters
    ----------
    first, second : Cell
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Gain or None
        None where no image was judged by both.
    """
    parts: list[tuple[Bools, Bools, Bools, Integers]] = []
    for one, other in _matched(first, second):
        rows, others = _common(one, other, one.known, other.known)
        classes = sorted({*one.classes, *other.classes})
        total = _logs(one, rows, classes) + _logs(other, others, classes)
        truth = np.searchsorted(classes, one.label[rows].astype(str))
        a, b = one.top[rows] == one.y[rows], other.top[others] == other.y[others]
        named = one.answered[rows] & other.answered[others]  # no sum of logarithms where one of them is silent
        parts.append((a, b, (total.argmax(axis=1) == truth) & named, one.group[rows]))
    if not sum(len(part[0]) for part in parts):
        return None
    a, b, both, clusters = (np.concatenate(column) for column in zip(*parts, strict=True))
    better = a if a.mean() >= b.mean() else b
    low, high = cluster_bootstrap_difference(both, better, clusters, seed=seed)
    return Gain(
        first=float(a.mean()),
        second=float(b.mean()),
        fused=float(both.mean()),
        points=float(both.mean()) - float(better.mean()),
        low=none_for_nan(low),
        high=none_for_nan(high),
        n=len(both),
    )


def known_hits(table: Predictions) -> tuple[Bools, Bools]:
    """Return which rows are of known classes, and which are right."""
    return table.known, table.top == table.y


def _matched(first: Cell, second: Cell) -> Iterator[tuple[Predictions, Predictions]]:
    """Yield the predictions of both for each seed and fold that both have."""
    others = {_part(outcome.trial): outcome.predictions for outcome in second.outcomes}
    for outcome in first.outcomes:
        other = others.get(_part(outcome.trial))
        if outcome.predictions is not None and other is not None:
            yield outcome.predictions, other


def _part(trial: Trial) -> tuple[int, int | None]:
    return trial.seed, None if trial.fold is None else trial.fold.number


def _common(one: Predictions, other: Predictions, counts: Bools, other_counts: Bools) -> tuple[Integers, Integers]:
    """Return the rows of images that count in both."""
    rows, others = np.flatnonzero(counts), np.flatnonzero(other_counts)
    _, i, j = np.intersect1d(one.image_id[rows].astype(str), other.image_id[others].astype(str), return_indices=True)
    return rows[i], others[j]


def _logs(table: Predictions, rows: Integers, classes: Sequence[str]) -> Floats:
    """Return log-probabilities of rows, shape (m, K), on more classes than the table may have."""
    proba = np.zeros((len(rows), len(classes)))
    proba[:, np.searchsorted(classes, table.classes)] = table.proba[rows]
    return np.log(np.maximum(proba, FLOOR))
