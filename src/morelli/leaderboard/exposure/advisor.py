"""Which prompts an operator can show, and which an attacker would submit; what that is worth on other images.

Prompts that are chosen for what was measured on them look better than they are (the winner's curse). Both choices
therefore go by shrunk rates, and are held out: chosen on one half of the images, measured on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.leaderboard.exposure._resampling import Interval, mean_defined, share_interval
from morelli.leaderboard.exposure.rates import Rates, shrink

__all__ = ["Choice", "Frontier", "attackers_choice", "exposure_frontier", "largest_subset"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

_BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Some prompts.

    Attributes
    ----------
    chosen : ndarray of int64
        Their codes, the first to be chosen first; there may be none.
    raw : float
        Mean of the measured rates of these prompts: what they were chosen by, and so flattering. NaN if none is chosen.
    expected : float
        Mean of their shrunk rates.
    held_out, held_out_raw : float
        As many prompts were chosen in the same order on one half of the images: their mean rate on the other half, and
        on the half that they were chosen on, over all splits. NaN without halves, or where none is chosen.
    held_out_interval : tuple of float
        95%, by resampling the prompts that were chosen in some split.
    everything, everything_held_out : float
        Rate of all prompts, on all images and on halves: what the choice is to be compared with. Halves have fewer
        references.
    splits : int
        Choices behind the held-out figures: two for each split.
    """

    chosen: Codes
    raw: float
    expected: float
    held_out: float
    held_out_raw: float
    held_out_interval: Interval
    everything: float
    everything_held_out: float
    splits: int

    @property
    def curse(self) -> float:
        """By how much the half that prompts were chosen on flatters: in-sample less held-out rate."""
        return self.held_out_raw - self.held_out


def largest_subset(rates: Rates, bound: float, halves: Sequence[tuple[Rates, Rates]] = ()) -> Choice:
    """Return the largest set of prompts whose mean shrunk rate is at most a bound.

    The smallest rates first, as long as their mean does not exceed the bound: no set with one more prompt has a lower
    mean, so that the greedy choice is the largest. The shrunk mean of a set is its expected exposure, so that the bound
    holds in expectation.

    Parameters
    ----------
    rates : Rates
        Of an attack (`Success.rates`) or of separability (`Exposure.rates`).
    bound : float
        In [0, 1].
    halves : sequence of (Rates, Rates)
        Measured on disjoint halves of the images.

    Raises
    ------
    MorelliError
        The bound is out of range.
    NotEnoughDataError
        Fewer than two prompts have trials.
    """
    if not 0.0 <= bound <= 1.0:
        raise MorelliError(f"A bound on exposure lies between 0 and 1, not {bound:g}.")

    order = _sorted(rates, ascending=True)
    means = np.cumsum(shrink(rates).mean[order]) / np.arange(1, len(order) + 1)
    return _held_out(rates, halves, order[: int((means <= bound + 1e-12).sum())], ascending=True)


def attackers_choice(rates: Rates, k: int, halves: Sequence[tuple[Rates, Rates]] = ()) -> Choice:
    """Return the prompts that an attacker would submit: the k with the highest shrunk rates.

    Parameters
    ----------
    rates : Rates
    k : int
        All that there are, if there are no more.
    halves : sequence of (Rates, Rates)
        As for `largest_subset`.

    Raises
    ------
    MorelliError
        `k` is not positive.
    NotEnoughDataError
        Fewer than two prompts have trials.
    """
    if k < 1:
        raise MorelliError(f"An attacker submits one prompt or more, not {k}.")
    return _held_out(rates, halves, _sorted(rates, ascending=False)[:k], ascending=False)


@dataclass(frozen=True, slots=True)
class Frontier:
    """What showing so many prompts, the least exposing first, comes to.

    Attributes
    ----------
    size : int
    raw, expected, held_out : float
        As for `Choice`.
    """

    size: int
    raw: float
    expected: float
    held_out: float


def exposure_frontier(rates: Rates, halves: Sequence[tuple[Rates, Rates]] = ()) -> tuple[Frontier, ...]:
    """Return the exposure of the least exposing prompts, for every number of them.

    Parameters
    ----------
    rates, halves
        As for `largest_subset`.

    Raises
    ------
    NotEnoughDataError
        Fewer than two prompts have trials.
    """
    order = _sorted(rates, ascending=True)
    count = np.arange(1, len(order) + 1)
    raw, expected = (np.cumsum(values[order]) / count for values in (rates.value, shrink(rates).mean))
    sums, times = np.zeros(len(order)), np.zeros(len(order))
    for first, second in _directions(halves):
        taken = _sorted(first, ascending=True)
        taken = taken[second.n[taken] > 0][: len(order)]
        sums[: len(taken)] += np.cumsum(second.value[taken]) / count[: len(taken)]
        times[: len(taken)] += 1
    held = np.where(times > 0, sums / np.maximum(times, 1), np.nan)
    return tuple(
        Frontier(*row) for row in zip(count.tolist(), raw.tolist(), expected.tolist(), held.tolist(), strict=True)
    )


def _sorted(rates: Rates, *, ascending: bool) -> Codes:
    """Return the prompts with trials by their shrunk rates; equal ones by code."""
    known = np.flatnonzero(rates.n > 0)
    means = shrink(rates).mean[known]
    return known[np.argsort(means if ascending else -means, kind="stable")].astype(np.int64)


def _held_out(rates: Rates, halves: Sequence[tuple[Rates, Rates]], chosen: Codes, *, ascending: bool) -> Choice:
    """Return what was chosen, and what the same number of prompts comes to when chosen and measured apart."""
    shape = len(rates.prompts)
    before, after, times = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    everything = []
    for first, second in _directions(halves):
        taken = _sorted(first, ascending=ascending)[: len(chosen)]
        both = taken[second.n[taken] > 0]
        before[both] += first.value[both]
        after[both] += second.value[both]
        times[both] += 1
        everything.append(float(mean_defined(second.value)))
    total = float(times.sum())
    return Choice(
        chosen=chosen,
        raw=float(mean_defined(rates.value[chosen])),
        expected=float(mean_defined(shrink(rates).mean[chosen])),
        held_out=float(after.sum() / total) if total else float("nan"),
        held_out_raw=float(before.sum() / total) if total else float("nan"),
        held_out_interval=share_interval(after, times, _BOOTSTRAPS, 0),
        everything=float(mean_defined(rates.value)),
        everything_held_out=float(mean_defined(everything)),
        splits=len(everything),
    )


def _directions(halves: Sequence[tuple[Rates, Rates]]) -> list[tuple[Rates, Rates]]:
    """Return each split both ways, where the half that is chosen on has two prompts with trials."""
    both = [pair for first, second in halves for pair in ((first, second), (second, first))]
    return [pair for pair in both if (pair[0].n > 0).sum() >= 2]
