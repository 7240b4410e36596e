"""What an operator can do about manipulated votes.

A defence is written ``NAME`` or ``NAME:VALUE``, as in ``probation:20``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.leaderboard.votes.suspicion import Evidence, get_detector

__all__ = ["REMOVED_AT", "Defence", "list_defences", "parse_defence", "register_defence"]

Float = NDArray[np.float64]

REMOVED_AT = 0.01
"""Voters with a p-value up to this are removed by ``remove``."""


@dataclass(frozen=True, slots=True)
class Defence:
    """A defence: what it does not change it passes on.

    Attributes
    ----------
    name : str
        Canonical, with its value.
    summary : str
    shown : float
        How often battles of the target are shown, relative to without the defence; 1 changes nothing.
    settled : int
        Battles that the target has before it is ranked; more honest ones are waited for.
    weigh : callable or None
        From `Evidence` to what each vote counts, shape (n,), in [0, 1].
    most_votes : int or None
        Votes of an account in an hour; more are not taken.
    """

    name: str
    summary: str
    shown: float = 1.0
    settled: int = 0
    weigh: Callable[[Evidence], Float] | None = None
    most_votes: int | None = None

    def pairs(self, pairs: Float, target: int) -> Float:
        """Return how often each pair is shown when the operator shows the target less."""
        if self.shown == 1.0:
            return pairs
        changed = pairs.copy()
        changed[target] *= self.shown
        changed[:, target] *= self.shown
        return np.asarray(changed / changed.sum())


@dataclass(frozen=True, slots=True)
class _Kind:
    summary: str
    value: str
    make: Callable[[str, str, str], Defence]


_KINDS: dict[str, _Kind] = {}

Maker = Callable[[str, str, str], Defence]


def register_defence(name: str, summary: str, value: str = "") -> Callable[[Maker], Maker]:
    """Return a decorator that adds a defence.

    Parameters
    ----------
    name : str
    summary : str
        With ``{}`` for the value.
    value : str
        The value where none is written; empty where the defence has none.
    """

    def add(make: Maker) -> Maker:
        if name in _KINDS:
            raise MorelliError(f"There already is a defence called {name}.")
        _KINDS[name] = _Kind(summary, value, make)
        return make

    return add


def list_defences() -> list[tuple[str, str]]:
    """Return names with their usual values, and summaries."""
    return [
        (f"{name}:{kind.value}" if kind.value else name, kind.summary.format(kind.value))
        for name, kind in _KINDS.items()
    ]


def parse_defence(text: str) -> Defence:
    """Return the defence of a name.

    Raises
    ------
    MorelliError
        There is no such defence, or its value makes no sense.

    Examples
    --------
    >>> parse_defence("probation").name
    'probation:10'
    """
    name, _, value = text.strip().partition(":")
    if name not in _KINDS:
        raise MorelliError(f'There is no defence "{name}"; there are: {", ".join(_KINDS)}.')
    kind = _KINDS[name]
    if value and not kind.value:
        raise MorelliError(f'The defence "{name}" has no value.')
    value = value or kind.value
    return kind.make(f"{name}:{value}" if value else name, kind.summary.format(value), value)


def _number(name: str, value: str, low: float, high: float, whole: bool = False) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise MorelliError(f'The defence "{name}" needs {kind} from {low:g} to {high:g}, not "{value}".')
    return number


@register_defence("none", "no defence")
def _none(name: str, summary: str, value: str) -> Defence:
    return Defence(name, summary)


@register_defence("fewer-battles", "battles of the model under suspicion are shown {} times as often", "0.25")
def _fewer_battles(name: str, summary: str, value: str) -> Defence:
    return Defence(name, summary, shown=_number(name, value, 1e-6, 1.0))


@register_defence("hide-until", "a model is ranked when it has {} honest battles or more", "10000")
def _hide_until(name: str, summary: str, value: str) -> Defence:
    return Defence(name, summary, settled=int(_number(name, value, 1, 1e9, whole=True)))


@register_defence("probation", "the first {} votes of each account do not count", "10")
def _probation(name: str, summary: str, value: str) -> Defence:
    first = int(_number(name, value, 1, 1e9, whole=True))

    def weigh(evidence: Evidence) -> Float:
        order = np.argsort(evidence.voter, kind="stable")
        who = evidence.voter[order]
        turn = np.arange(len(who)) - np.searchsorted(who, who)
        weights = np.empty(len(who))
        weights[order] = turn >= first
        return weights

    return Defence(name, summary, weigh=weigh)


@register_defence("weigh-agreement", "a vote counts less the less its voter agrees with the ratings")
def _weigh_agreement(name: str, summary: str, value: str) -> Defence:
    """Weigh by twice the one-sided p-value of agreement, at most 1: half of all honest voters count in full."""

    def weigh(evidence: Evidence) -> Float:
        return np.minimum(1.0, 2.0 * get_detector("agreement").p_values(evidence))[evidence.voter]

    return Defence(name, summary, weigh=weigh)


@register_defence("remove", f"voters whom the test {{}} finds at p <= {REMOVED_AT} do not count", "favour")
def _remove(name: str, summary: str, value: str) -> Defence:
    detector = get_detector(value)

    def weigh(evidence: Evidence) -> Float:
        return (detector.p_values(evidence) > REMOVED_AT)[evidence.voter].astype(np.float64)

    return Defence(name, summary, weigh=weigh)


@register_defence("rate-limit", "an account casts {} votes in an hour at most, and votes for an hour", "20")
def _rate_limit(name: str, summary: str, value: str) -> Defence:
    return Defence(name, summary, most_votes=int(_number(name, value, 1, 1e9, whole=True)))
