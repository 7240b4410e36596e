"""What manipulators do with two anonymous images that they believe to recognise.

A strategy is written ``NAME`` or ``NAME:OTHERWISE``, as in ``target-only:honest``: OTHERWISE is what is done in battles
that the strategy has no use for. The two of Min et al. 2025, "Improving your model ranking on Chatbot Arena by vote
rigging" (ICML), are ``target-only`` and ``omnipresent``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from morelli.errors import MorelliError
from morelli.leaderboard.votes._solve import information, same_rating
from morelli.leaderboard.votes.ballots import LEFT, RIGHT

__all__ = [
    "ABSTAIN",
    "HONEST",
    "OTHERWISE",
    "Situation",
    "Strategy",
    "list_strategies",
    "parse_strategy",
    "register_strategy",
    "vote_law",
]

Float = NDArray[np.float64]

ABSTAIN: Final = 3
HONEST: Final = 4

OTHERWISE: Final[dict[str, tuple[float, ...]]] = {
    "abstain": (0.0, 0.0, 0.0, 1.0, 0.0),
    "honest": (0.0, 0.0, 0.0, 0.0, 1.0),
    "random": (0.5, 0.5, 0.0, 0.0, 0.0),
}
"""Probabilities of left, right, tie, abstaining and an honest vote, where a strategy has no use for a battle."""

_NOTHING: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What a manipulator knows before voting.

    Attributes
    ----------
    theta : ndarray, shape (M,)
        Ratings now, natural units.
    battles : ndarray, shape (M, M)
        How often each pair met.
    pairs : ndarray, shape (M, M)
        How often each ordered pair is shown.
    rates : ndarray, shape (M, M + 1)
        Probability of each answer given the model; the last answer names nobody.
    target : int
    up : bool
        Whether the target is to rise.
    goal : int
        The rank that it is to have, 1 the best.
    """

    theta: Float
    battles: Float
    pairs: Float
    rates: Float
    target: int
    up: bool
    goal: int

    @property
    def rivals(self) -> NDArray[np.int64]:
        """Models that the target still has to pass."""
        others = np.delete(np.arange(len(self.theta)), self.target)
        order = others[np.argsort(-self.theta[others], kind="stable")]
        if self.up:
            order = order[self.goal - 1 :]
            left = order[self.theta[order] >= self.theta[self.target] - same_rating]
            return left if len(left) else order[:1]
        order = order[: self.goal - 1]
        left = order[self.theta[order] <= self.theta[self.target] + same_rating]
        return left if len(left) else order[-1:]


Rule = Callable[[Situation], Float]
"""From a situation to what each pair of answers makes the manipulator do: shape (M + 1, M + 1, 5), NaN: no use."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy with what is done otherwise.

    Attributes
    ----------
    name : str
        Canonical.
    summary : str
    """

    name: str
    summary: str
    _rule: Rule
    _otherwise: tuple[float, ...]

    def policy(self, situation: Situation) -> Float:
        """Return the probabilities of left, right, tie, abstaining and an honest vote for each pair of answers."""
        found = self._rule(situation)
        return np.where(np.isnan(found), np.array(self._otherwise), found)


_RULES: dict[str, tuple[str, Rule]] = {}


def register_strategy(name: str, summary: str) -> Callable[[Rule], Rule]:
    """Return a decorator that adds a rule under a name."""

    def add(rule: Rule) -> Rule:
        if name in _RULES:
            raise MorelliError(f"There already is a strategy called {name}.")
        _RULES[name] = (summary, rule)
        return rule

    return add


def list_strategies() -> list[tuple[str, str]]:
    """Return names and summaries."""
    return [(name, summary) for name, (summary, _) in _RULES.items()]


def parse_strategy(text: str) -> Strategy:
    """Return the strategy of a name.

    Raises
    ------
    MorelliError
        There is no such strategy, or no such thing to do otherwise.

    Examples
    --------
    >>> parse_strategy("target-only").name
    'target-only:abstain'
    """
    name, _, otherwise = text.strip().partition(":")
    otherwise = otherwise or "abstain"
    if name not in _RULES:
        raise MorelliError(f'There is no strategy "{name}"; there are: {", ".join(_RULES)}.')
    if otherwise not in OTHERWISE:
        raise MorelliError(f'A strategy does not "{otherwise}" otherwise, but one of: {", ".join(OTHERWISE)}.')
    summary, rule = _RULES[name]
    return Strategy(f"{name}:{otherwise}", summary, rule, OTHERWISE[otherwise])


def vote_law(policy: Float, rates: Float, honest: Float) -> Float:
    """Return the probabilities of left, right, tie and abstaining for each pair of models, shape (M, M, 4).

    The two images of a battle are recognised independently of each other.

    Parameters
    ----------
    policy : ndarray, shape (M + 1, M + 1, 5)
    rates : ndarray, shape (M, M + 1)
    honest : ndarray, shape (M, M, 3)
        See `morelli.leaderboard.votes.simulation.honest_law`.
    """
    does = np.moveaxis(rates @ np.moveaxis(policy, -1, 0) @ rates.T, 0, -1)
    law = does[..., :4].copy()
    law[..., :3] += does[..., HONEST, None] * honest
    return law


@register_strategy("target-only", "votes for (or against) the target where it seems to be present")
def _target_only(situation: Situation) -> Float:
    policy = _no_use(len(situation.theta))
    _side_with(policy, np.arange(len(policy)) == situation.target, situation.up)
    return policy


@register_strategy("target-and-rivals", "as target-only, and against the models to be passed where one seems present")
def _target_and_rivals(situation: Situation) -> Float:
    policy = _no_use(len(situation.theta))
    answers = np.arange(len(policy))
    _side_with(policy, np.isin(answers, situation.rivals), not situation.up)
    target = answers == situation.target
    policy[target] = policy[:, target] = np.nan
    _side_with(policy, target, situation.up)
    return policy


@register_strategy("omnipresent", "votes in every battle for whatever outcome helps the target most, given the ratings")
def _omnipresent(situation: Situation) -> Float:
    """Vote by the influence of a vote on the lead of the target over those that it has to pass.

    A vote with score y for i over j moves the ratings by ``A+ (e_i - e_j)(y - p_ij)`` to first order, A the
    information. What helps is the expectation of its part along the lead, over the pairs of models that the answers
    leave possible. Where the answers do not say which side helps, a battle is of no use.
    """
    m = len(situation.theta)
    lead = np.zeros(m)
    lead[situation.rivals] = -1.0 / len(situation.rivals)
    lead[situation.target] += 1.0
    lead = lead if situation.up else -lead
    bread = information(situation.battles, situation.theta)
    influence = np.linalg.solve(bread + (np.trace(bread) + _NOTHING) / m**2, lead)
    moved = influence[:, None] - influence[None, :]
    p = expit(situation.theta[:, None] - situation.theta[None, :])
    rates = situation.rates
    left = rates.T @ (situation.pairs * moved * (1.0 - p)) @ rates
    right = rates.T @ (situation.pairs * moved * -p) @ rates
    size = rates.T @ (situation.pairs * np.abs(moved)) @ rates
    clear = np.abs(left - right) > 1e-9 * size + 1e-300
    policy = _no_use(m)
    for side, gain, other in ((LEFT, left, right), (RIGHT, right, left)):
        chosen = clear & (gain > other) & (gain > 0.0)
        policy[chosen] = np.eye(5)[side]
    return policy


def _no_use(m: int) -> Float:
    return np.full((m + 1, m + 1, 5), np.nan)


def _side_with(policy: Float, seen: NDArray[np.bool_], support: bool) -> None:
    """Vote for (or against) the side with one of the `seen` answers, where the other side has none."""
    on_left, on_right = np.ix_(seen, ~seen), np.ix_(~seen, seen)
    policy[on_left] = np.eye(5)[LEFT if support else RIGHT]
    policy[on_right] = np.eye(5)[RIGHT if support else LEFT]
