"""Which prompts an operator can show, and which an attacker would submit; what that is worth on other images.

Prompts that are chosen for what was measured on them look better than they are (the winner's curse). Both choices
therefore go by shrunk rates, and are held out: chosen on one half of the images, measured on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.exposure._resampling import mean_defined
from morelli.leaderboard.exposure.rates import Rates, shrink

__all__ = ["Choice", "attackers_choice", "largest_subset"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]


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
        Means over splits: prompts were chosen in the same way, on one half of the images, and this is their rate on
        the other half, and on the half that they were chosen on. NaN without halves, or where none was chosen.
    held_out_size : float
        Prompts chosen on a half, in the mean.
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
    held_out_size: float
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

    def choose(given: Rates) -> Codes:
        order = _sorted(given, ascending=True)
        means = np.cumsum(shrink(given).mean[order]) / np.arange(1, len(order) + 1)
        return order[: int((means <= bound + 1e-12).sum())]

    return _held_out(rates, halves, choose)


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
    return _held_out(rates, halves, lambda given: _sorted(given, ascending=False)[:k])


def _sorted(rates: Rates, *, ascending: bool) -> Codes:
    """Return the prompts with trials by their shrunk rates; equal ones by code."""
    known = np.flatnonzero(rates.n > 0)
    means = shrink(rates).mean[known]
    return known[np.argsort(means if ascending else -means, kind="stable")].astype(np.int64)


def _held_out(rates: Rates, halves: Sequence[tuple[Rates, Rates]], choose: Callable[[Rates], Codes]) -> Choice:
    chosen = choose(rates)
    before, after, sizes, everything = [], [], [], []
    for pair in halves:
        for first, second in (pair, pair[::-1]):
            try:
                taken = choose(first)
            except NotEnoughDataError:
                continue
            both = taken[second.n[taken] > 0]
            sizes.append(len(taken))
            before.append(float(mean_defined(first.value[both])))
            after.append(float(mean_defined(second.value[both])))
            everything.append(float(mean_defined(second.value)))
    return Choice(
        chosen=chosen,
        raw=float(mean_defined(rates.value[chosen])),
        expected=float(mean_defined(shrink(rates).mean[chosen])),
        held_out=float(mean_defined(after)),
        held_out_raw=float(mean_defined(before)),
        held_out_size=float(mean_defined(sizes)),
        everything=float(mean_defined(rates.value)),
        everything_held_out=float(mean_defined(everything)),
        splits=len(sizes),
    )
