"""Cells put together, and results compared image by image whatever trial judged the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from morelli.studies.words import percent
from morelli.trials.cells import Cell
from morelli.trials.metrics import cluster_bootstrap_difference, none_for_nan
from morelli.trials.selection import Value

__all__ = ["ByImage", "by_image", "together"]


@dataclass(frozen=True, slots=True)
class ByImage:
    """How much more often the first of two results is right, on the images that both judged.

    Attributes
    ----------
    value : float or None
        Difference of shares, in [-1, 1]; None where no image was judged by both.
    low, high : float or None
        Its 95% interval, bootstrap over prompt clusters. None where all images share one cluster, and where no image is
        judged differently: all resamples agree then, and the bootstrap would claim certainty.
    spread : float or None
        Standard deviation between seeds; None with one seed.
    n : int
        Images that both judged, over all seeds.
    same : bool
        Whether no image is judged differently.
    """

    value: float | None
    low: float | None
    high: float | None
    spread: float | None
    n: int
    same: bool = False

    @property
    def above_zero(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low is not None and self.low > 0.0

    @property
    def below_zero(self) -> bool:
        """Whether the interval lies below zero."""
        return self.high is not None and self.high < 0.0

    def words(self) -> str:
        """Return it in points with its interval, such as ``+3.1 points (95% interval -0.4 to +6.5, n 600)``."""
        if self.value is None:
            return "no image was judged by both"
        if self.same:
            return f"no difference on any of n {self.n:,} images"
        if self.low is None or self.high is None:
            return f"{_signed(self.value)} points (no interval, as all images share one prompt; n {self.n:,})"
        ends = f"95% interval {_signed(self.low)} to {_signed(self.high)}"
        return f"{_signed(self.value)} points ({ends}, n {self.n:,})"


def together(cells: Sequence[Cell], at: Mapping[str, Value]) -> Cell:
    """Return all outcomes of several cells as one cell; its measures are over all their judgements.

    Parameters
    ----------
    cells : sequence of Cell
        At least one.
    at : mapping
        Coordinates of the whole.
    """
    return Cell(dict(at), tuple(outcome for cell in cells for outcome in cell.outcomes), cells[0].seed)


def by_image(first: Cell, second: Cell) -> ByImage:
    """Compare two results on the images that both judged, seed by seed.

    Unlike :func:`morelli.studies.paired.difference` it does not ask for the same folds on both sides, so that a split
    that lets prompts straddle can stand beside one that does not. An image that a result judged several times in one
    seed, as by several classifiers, counts once, with its share of right answers.

    Parameters
    ----------
    first, second : Cell
        Of one catalog.
    """
    ours, theirs = _shares(first), _shares(second)
    both = [key for key in ours if key in theirs]
    if not both:
        return ByImage(None, None, None, None, 0)
    a, b = np.array([ours[key][0] for key in both]), np.array([theirs[key][0] for key in both])
    low, high = cluster_bootstrap_difference(a, b, [ours[key][1] for key in both], seed=first.seed)
    if (a == b).all():
        low = high = float("nan")
    seed = np.array([key[0] for key in both])
    by_seed = [float((a - b)[seed == one].mean()) for one in np.unique(seed)]
    return ByImage(
        value=float((a - b).mean()),
        low=none_for_nan(low),
        high=none_for_nan(high),
        spread=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        n=len(both),
        same=bool((a == b).all()),
    )


def _shares(cell: Cell) -> dict[tuple[int, str], tuple[float, int]]:
    """Return the share of right answers and the prompt cluster of each image of a known class, by seed and image."""
    counts: dict[tuple[int, str], list[int]] = {}
    for outcome in cell.outcomes:
        table = outcome.predictions
        if table is None:
            continue
        right = table.top == table.y
        for i in np.flatnonzero(table.known):
            held = counts.setdefault((outcome.trial.seed, str(table.image_id[i])), [0, 0, int(table.group[i])])
            held[0] += int(right[i])
            held[1] += 1
    return {key: (hits / times, group) for key, (hits, times, group) in counts.items()}


def _signed(share: float) -> str:
    return ("+" if share >= 0 else "-") + percent(abs(share))
