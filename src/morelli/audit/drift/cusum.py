"""A cumulative sum that watches a rate, with a known time between false alarms.

Each image is a hit (called unknown, say) or not. A hit moves the sum up, anything else moves it down, never below zero,
and at a limit the alarm goes off. The steps are in the ratio at which hits become likelier under the worse rate than
under the usual one (Page 1954), rounded to whole numbers, so that the sum walks on a lattice: then the mean number of
images until an alarm is the solution of a linear system, and not a simulation or an approximation.

References
----------
E. Page, "Continuous inspection schemes", Biometrika 41(1/2), 1954.
D. Brook, D. Evans, "An approach to the probability distribution of cusum run length", Biometrika 59(3), 1972 (Markov
chain).
M. Reynolds, Z. Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously", J. Quality
Technology 31(1), 1999 (Bernoulli CUSUM with integer steps).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from morelli.errors import MorelliError

__all__ = ["Chart", "design_chart", "run_length"]

MOST_STATES: Final = 50_000
LONGEST: Final = 1e12
"""Beyond so many images a mean time until an alarm has no digits that the solution of a system would get right."""

_MOST_PARTS: Final = 20
_ROUNDING: Final = 0.02
"""How far a ratio of steps may be from the best one, as a share: it moves the best worse rate by less than that."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A cumulative sum chart of hits.

    Attributes
    ----------
    baseline, worse : float
        The usual rate, and the rate that shall be noticed soon.
    up, down : int
        Steps at a hit, and at anything else.
    limit : int
        Alarm at this sum or above.
    until_false : float
        Mean number of images until an alarm while nothing has changed: at least what was asked for.
    until_noticed : float
        Mean number of images until an alarm from the start under the worse rate.
    """

    baseline: float
    worse: float
    up: int
    down: int
    limit: int
    until_false: float
    until_noticed: float

    def step(self, total: int, hit: bool) -> int:
        """Return the sum after another image."""
        return total + self.up if hit else max(0, total - self.down)

    def alarms(self, hits: Iterable[bool], total: int = 0) -> tuple[list[int], int]:
        """Return after which images the alarm goes off, counted from 0, and the sum at the end.

        After an alarm the sum starts from 0.
        """
        found = []
        for number, hit in enumerate(hits):
            total = self.step(total, bool(hit))
            if total >= self.limit:
                found.append(number)
                total = 0
        return found, total

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def design_chart(baseline: float, worse: float | None = None, until_false: float = 1000.0) -> Chart:
    """Choose steps and limit.

    Parameters
    ----------
    baseline : float
        The usual rate of hits, between 0 and 1.
    worse : float, optional
        The rate that shall be noticed soon; by default twice the usual one, or half way to 1 where that is less.
    until_false : float, default 1000
        Images between false alarms, on average.

    Returns
    -------
    Chart
        With the lowest limit that holds this.

    Raises
    ------
    MorelliError
        Rates that are none, or not in order; or a number of images that would take too large a chart.
    """
    if not 0 < baseline < 1:
        raise MorelliError(f"The usual rate lies between 0 and 1, and is not {baseline:g}.")
    found = min(2 * baseline, (1 + baseline) / 2) if worse is None else worse
    if not baseline < found < 1:
        raise MorelliError(
            f"The rate to be noticed lies between the usual one, {baseline:g}, and 1; it is not {found:g}."
        )
    if not 1 < until_false < 1e9:
        raise MorelliError(f"False alarms come every so many images, 2 to a billion, and not every {until_false:g}.")
    up, down = _steps(baseline, found)
    limit = _limit(baseline, up, down, until_false)
    return Chart(
        baseline, found, up, down, limit, run_length(baseline, up, down, limit), run_length(found, up, down, limit)
    )


def run_length(rate: float, up: int, down: int, limit: int) -> float:
    """Return the mean number of images until the sum, from 0, reaches the limit; infinity beyond `LONGEST`.

    Parameters
    ----------
    rate : float
        Of hits.
    up, down, limit : int
        As in `Chart`.

    Notes
    -----
    The mean from state s is ``L(s) = 1 + rate L(s + up) + (1 - rate) L(max(0, s - down))``, with 0 at and above the
    limit (Brook & Evans 1972, section 3): a sparse system.
    """
    if limit < 1 or limit > MOST_STATES or min(up, down) < 1 or not 0 < rate <= 1:
        raise MorelliError(
            f"A chart has 1 to {MOST_STATES} states, steps of 1 or more and a rate above 0, and not {limit}, {up}, "
            f"{down} and {rate:g}."
        )
    states = np.arange(limit)
    goes = states[states + up < limit]
    entries = np.concatenate([np.ones(limit), np.full(len(goes), -rate), np.full(limit, rate - 1)])
    rows = np.concatenate([states, goes, states])
    columns = np.concatenate([states, goes + up, np.maximum(0, states - down)])
    system = csc_array((entries, (rows, columns)), shape=(limit, limit))
    found = float(splu(system).solve(np.ones(limit))[0])
    return found if 0 < found < LONGEST else math.inf


def _steps(baseline: float, worse: float) -> tuple[int, int]:
    """Return steps whose ratio is nearest to that of the log-likelihood ratios, in small whole numbers."""
    fall = -math.log((1 - worse) / (1 - baseline))
    rise = math.log(worse / baseline)
    share = fall / (fall + rise)
    ratio = (1 - share) / share
    pairs = (
        [(max(1, round(down * ratio)), down) for down in range(1, _MOST_PARTS + 1)]
        if ratio >= 1
        else [(up, max(1, round(up / ratio))) for up in range(1, _MOST_PARTS + 1)]
    )
    good = (pair for pair in pairs if abs(math.log(pair[0] / pair[1] / ratio)) < _ROUNDING)
    up, down = next(good, min(pairs, key=lambda pair: abs(math.log(pair[0] / pair[1] / ratio))))
    common = math.gcd(up, down)
    return up // common, down // common


def _limit(rate: float, up: int, down: int, until_false: float) -> int:
    low, high = 0, up
    while run_length(rate, up, down, high) < until_false:
        low, high = high, 2 * high
        if high > MOST_STATES:
            raise MorelliError(
                f"Alarms as rare as every {until_false:g} images take too large a chart for rates so near to each "
                "other; ask for fewer images, or for a worse rate."
            )
    while high - low > 1:
        middle = (low + high) // 2
        if run_length(rate, up, down, middle) < until_false:
            low = middle
        else:
            high = middle
    return high
