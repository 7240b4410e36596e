"""Which change would have been found: power by simulation, and how many images it would take.

Simulated data are the images at hand with their labels dealt anew, so that nothing but chance sets them apart, and a
shift of known size added to those that are called new. The shift points in a random direction, every standardised
measurement alike: not mostly where images vary most, because what a change of model moves is mostly something else.
Its size is Mahalanobis', in standard deviations of images of one prompt and model. Then all tests are done as on the
data. What is reported first is not that size, which hangs on the direction, but how well a classifier tells the samples
apart, which does so less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.drift.design import Design
from morelli.audit.drift.effects import area_within_cells
from morelli.audit.drift.statistics import (
    Contrasts,
    gaussian_kernel,
    held_out_scores,
    mean_discrepancy,
    overall,
    p_value,
    standard,
)
from morelli.audit.drift.trace import Trace, cell_means

__all__ = ["POWER", "Power", "simulate_power"]

Float = NDArray[np.float64]

POWER: Final = 0.8

MOST_SIMULATED: Final = 80
"""Images up to which power is simulated as it is; of more, it is scaled from so many."""

_DIRECTIONS: Final = 48
_STEPS: Final = 9
_LARGEST: Final = 64.0


@dataclass(frozen=True, slots=True)
class Power:
    """What a comparison of this size finds.

    Attributes
    ----------
    everywhere, alone : float or None
        The smallest change that is found with power 0.8, as how often a classifier that was trained on samples of this
        size picks the new one of two images that it has not seen: where every family of traces changes, all of them
        fused; where a single one does, that family. None where no change is found.
    shift_everywhere, shift_alone : float or None
        The same in standard deviations of how images of one prompt and model vary, for one who knew the direction.
    images : int
        Images of each sample, on average, that this is for.
    needed : int or None
        Images of each sample with which a change like the one that was seen would be found with power 0.8; None where
        so little was seen that no number can be given.
    simulations : int
    scaled_from : int or None
        Number of images that the simulation was of, where the comparison has more.
    """

    everywhere: float | None
    alone: float | None
    shift_everywhere: float | None
    shift_alone: float | None
    images: int
    needed: int | None
    simulations: int
    scaled_from: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self) | {"power": POWER}


def simulate_power(
    traces: Sequence[Trace],
    distances: Float,
    design: Design,
    *,
    level: float,
    seen: float,
    n: int = 200,
    seed: int = 0,
) -> Power:
    """Find the smallest shift that this comparison detects with power 0.8.

    Parameters
    ----------
    traces : sequence of Trace
    distances : ndarray, shape (n, n)
        As :func:`~morelli.audit.drift.statistics.squared_distances` gives them.
    design : Design
    level : float
        Of the test.
    seen : float
        The combined statistic of the data, in standard deviations over relabellings.
    n : int, default 200
        Simulated samples for each size of a shift.
    seed : int, default 0
    """
    part, rows = _part(design, seed)
    if len(rows) < len(design.rows):
        traces = [_of_rows(trace, rows, part) for trace in traces]
        distances = distances[np.ix_(rows, rows)]
    simulation = _Simulation(traces, distances, part, level, n, seed)
    factor = math.sqrt(len(rows) / len(design.rows))
    everywhere, statistic = simulation.smallest(alone=False)
    alone, _ = simulation.smallest(alone=True)
    images = len(design.rows) / 2
    needed = None
    # The statistic squares the difference: without one it is 0 on average, and with one it grows like the number of
    # images. Where less than a deviation was seen, chance alone shows as much too often to go on from there.
    if statistic is not None and seen > 1.0:
        needed = max(1, math.ceil(images * statistic / seen))
    return Power(
        everywhere=None if everywhere is None else simulation.seen(everywhere, alone=False),
        alone=None if alone is None else simulation.seen(alone, alone=True),
        shift_everywhere=None if everywhere is None else everywhere * factor,
        shift_alone=None if alone is None else alone * factor,
        images=round(images),
        needed=needed,
        simulations=n,
        scaled_from=None if len(rows) == len(design.rows) else len(rows),
    )


class _Simulation:
    """Samples with shifts: what all of them share is computed once, and the size of the shift comes last."""

    def __init__(
        self, traces: Sequence[Trace], distances: Float, design: Design, level: float, n: int, seed: int
    ) -> None:
        self.level, self.n = level, n
        self._design, self._distances = design, distances
        rng = np.random.default_rng([seed, 1])
        labels, _ = design.relabel(min(4999, max(199, math.ceil(10 / level))), seed)
        self._contrasts = Contrasts.of(labels, design)
        self._shifts = [_Shift(trace, design, rng) for trace in traces]
        self._scored = [held_out_scores(trace, self._contrasts) for trace in traces]
        self._without = [self._contrasts.between(scores) for scores in self._scored]
        self._labels = rng.integers(len(labels), size=n)
        self._directions = rng.integers(_DIRECTIONS, size=(n, len(traces)))
        self._families = rng.integers(len(traces), size=n)
        self._grown = [self._growth(number) for number in range(n)]

    def smallest(self, *, alone: bool) -> tuple[float | None, float | None]:
        """Return the smallest shift with power 0.8, and the mean statistic there."""
        low, high = 0.0, 1.0
        power, statistic = self._power(high, alone)
        while power < POWER:
            low, high = high, 2 * high
            if high > _LARGEST:
                return None, None
            power, statistic = self._power(high, alone)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            power, at = self._power(middle, alone)
            if power < POWER:
                low = middle
            else:
                high, statistic = middle, at
        return high, statistic

    def _growth(self, number: int) -> list[tuple[Float, Float]]:
        """Return by how much each family's statistic grows with the shift, and with its square, by relabelling."""
        contrasts = self._contrasts
        shifted = contrasts.judged[self._labels[number]]
        squares = np.maximum((contrasts.judged**2).sum(axis=1), 1e-300)
        grown = []
        for shift, direction in zip(self._shifts, self._directions[number], strict=True):
            once, twice = np.zeros(len(squares)), np.zeros(len(squares))
            for fold, weights in enumerate(contrasts.learned):
                mine = np.flatnonzero(contrasts.fold == fold)
                along = contrasts.judged[:, mine] @ shifted[mine]
                learned = weights @ shifted
                once += (contrasts.judged[:, mine] @ shift.own[mine, direction]) * learned
                once += along * (weights @ shift.others[fold, :, direction])
                twice += along * learned * shift.length[fold, direction]
            grown.append((once / squares, twice / squares))
        return grown

    def seen(self, size: float, *, alone: bool) -> float:
        """Return how often a shift of this size lets held-out scores pick the new one of two images."""
        areas = []
        for number in range(self.n):
            observed = int(self._labels[number])
            fused = np.zeros(len(self._design.rows))
            for family, (base, (once, twice)) in enumerate(zip(self._without, self._grown[number], strict=True)):
                if alone and family != self._families[number]:
                    continue
                spread = float((base + size * once + size**2 * twice).std())
                fused += self._scores(number, family, size) / max(spread, 1e-300)
            areas.append(area_within_cells(fused, self._contrasts.labels[observed], self._design.cell))
        return float(np.mean(areas))

    def _scores(self, number: int, family: int, size: float) -> Float:
        """Return the held-out scores of a family after a shift, of the labels that are simulated as observed."""
        observed, direction = int(self._labels[number]), int(self._directions[number, family])
        shift, shifted = self._shifts[family], self._contrasts.judged[observed]
        scores: Float = self._scored[family][observed].copy()
        for fold in range(len(self._contrasts.learned)):
            mine = np.flatnonzero(self._contrasts.fold == fold)
            weights = self._contrasts.learned[fold, observed]
            learned, towards = float(weights @ shifted), float(weights @ shift.others[fold, :, direction])
            along = shifted[mine] * (towards + size * learned * shift.length[fold, direction])
            scores[mine] += size * (shift.own[mine, direction] * learned + along)
        return scores

    def _power(self, size: float, alone: bool) -> tuple[float, float]:
        found, statistics = 0, []
        for number in range(self.n):
            observed = int(self._labels[number])
            hit = np.full(len(self._shifts), size)
            if alone:
                hit *= np.arange(len(hit)) == self._families[number]
            families = np.array(
                [
                    base + one * once + one**2 * twice
                    for base, one, (once, twice) in zip(self._without, hit, self._grown[number], strict=True)
                ]
            )
            kernel = gaussian_kernel(self._moved(number, hit))
            discrepancy = mean_discrepancy(kernel, self._contrasts.labels, self._design.apart)
            combined, _ = overall(families, discrepancy)
            found += p_value(combined, observed) <= self.level
            statistics.append(standard(combined)[observed])
        return found / self.n, float(np.mean(statistics))

    def _moved(self, number: int, sizes: Float) -> Float:
        """Return squared distances between images after the shift."""
        label = self._contrasts.labels[self._labels[number]].astype(np.float64)
        apart = label[:, None] - label
        moved = self._distances.copy()
        for shift, direction, size in zip(self._shifts, self._directions[number], sizes, strict=True):
            if size:
                place = shift.place[:, direction]
                moved += apart * (2 * size * (place[:, None] - place) + size**2 * apart * shift.square[direction])
        return np.maximum(moved, 0.0)


class _Shift:
    """Random directions in one family, of unit length, and what they have in common with its images.

    Attributes
    ----------
    own : ndarray, shape (n, directions)
        With each image, under the inverse covariance that the other folds teach.
    others : ndarray, shape (folds, n, directions)
        With every image, under the inverse covariance of all folds but one.
    length : ndarray, shape (folds, directions)
        With themselves, likewise.
    place, square : ndarray, shapes (n, directions) and (directions,)
        Plain inner products with images and with themselves, by feature: what distances need.
    """

    def __init__(self, trace: Trace, design: Design, rng: np.random.Generator) -> None:
        n, everything = trace.n, np.arange(trace.n)
        inner, square = _directions(trace, rng)
        place = inner[:n].copy()
        inner[:n] -= cell_means(place, design)
        ridge = trace.covariance(-1)[2]
        _, explained = trace.towards(-1, everything[:0], inner)
        # Images less the mean of their cell vary less than images do.
        cells = int(design.cell.max()) + 1 if design.kind == "paired" else 1
        unit = math.sqrt(n / max(1, n - cells)) / np.sqrt(np.maximum(square - explained, 1e-12 * square) / ridge)
        inner, place, square = inner * unit, place * unit, square * unit**2
        n_folds = int(design.fold.max()) + 1
        self.own = np.zeros((n, _DIRECTIONS))
        self.others = np.zeros((n_folds, n, _DIRECTIONS))
        self.length = np.zeros((n_folds, _DIRECTIONS))
        for fold in range(n_folds):
            self.others[fold], explained = trace.towards(fold, everything, inner)
            mine = np.flatnonzero(design.fold == fold)
            self.own[mine] = self.others[fold, mine]
            self.length[fold] = (square - explained) / trace.covariance(fold)[2]
        self.place, self.square = place / trace.n_features, square / trace.n_features


def _directions(trace: Trace, rng: np.random.Generator) -> tuple[Float, Float]:
    """Return inner products of random vectors with all rows, shape (n + m, directions), and their own squares.

    Vectors of independent standard normal numbers, one for each measurement: what they have in common with rows is
    normal, with the rows' own inner products as covariance, so that the vectors themselves are not needed.
    """
    values, vectors = np.linalg.eigh(trace.plain)
    there = values > 1e-9 * max(float(values[-1]), 1e-300)
    normal = rng.normal(size=(int(there.sum()), _DIRECTIONS))
    rest = max(0, trace.n_features - int(there.sum()))
    square = (normal**2).sum(axis=0) + (rng.chisquare(rest, _DIRECTIONS) if rest else 0.0)
    return vectors[:, there] @ (np.sqrt(values[there])[:, None] * normal), square


def _part(design: Design, seed: int) -> tuple[Design, NDArray[np.intp]]:
    """Return the design of some of the groups, and their rows, where there are too many images to simulate with."""
    if len(design.rows) <= MOST_SIMULATED:
        return design, np.arange(len(design.rows))
    n_groups = design.n_groups
    order = np.random.default_rng([seed, 2]).permutation(n_groups)
    sizes = np.bincount(design.group, minlength=n_groups)[order]
    kept = order[: max(1, int((np.cumsum(sizes) <= MOST_SIMULATED).sum()))]
    rows = np.flatnonzero(np.isin(design.group, kept))

    def codes(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)

    unit = codes(design.unit[rows])
    stratum = np.zeros(int(unit.max()) + 1, dtype=np.int64)
    stratum[unit] = design.stratum[design.unit[rows]]
    return replace(
        design, rows=design.rows[rows], new=design.new[rows], group=codes(design.group[rows]),
        cell=codes(design.cell[rows]), unit=unit, stratum=codes(stratum), fold=codes(design.fold[rows]),
        apart=codes(design.apart[rows]),
    ), rows  # fmt: skip


def _of_rows(trace: Trace, rows: NDArray[np.intp], design: Design) -> Trace:
    """Return a trace of some of its images, with the regions of these."""
    regions = trace.n + np.flatnonzero(np.isin(trace.owner[trace.n :], rows))
    kept = np.concatenate([rows, regions])
    index = np.ix_(kept, kept)
    return Trace(
        trace.name, len(rows), np.searchsorted(rows, trace.owner[kept]), trace.plain[index], trace.centred[index],
        design.fold, trace.n_features,
    )  # fmt: skip
