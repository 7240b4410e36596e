"""How many manipulated votes move a model by so many ranks, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli.errors import MorelliError
from morelli.leaderboard.votes._solve import check_rankable, ranks_of, same_rating, solve
from morelli.leaderboard.votes.ballots import Tally, Votes, tally_of_cells
from morelli.leaderboard.votes.defences import Defence, parse_defence
from morelli.leaderboard.votes.prices import Price
from morelli.leaderboard.votes.ratings import tie_share
from morelli.leaderboard.votes.recognition import Recognition
from morelli.leaderboard.votes.simulation import draw_cells, honest_law, pair_probabilities
from morelli.leaderboard.votes.strategies import ABSTAIN, Situation, Strategy, parse_strategy, vote_law
from morelli.leaderboard.votes.suspicion import Evidence

__all__ = ["Direction", "Needed", "Rigging", "votes_needed"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
Direction = Literal["up", "down"]

_GROWTH: Final = 0.25
"""Manipulators look at the ratings again after so many more battles, relative to those before."""

_LEAST_BATCH: Final = 20
_MOST_BATCH: Final = 500_000
_ACCOUNTS: Final = 8  # accounts in a batch, where a defence judges accounts
_SMALLER: Final = (30, 10, 3)
"""Votes of an account that manipulators try as well, where a defence judges accounts: less evidence in each."""

_USUAL_BUDGET: Final = 100_000


@dataclass(frozen=True, slots=True)
class Needed:
    """What it takes to move the target by some ranks with one strategy against one defence.

    Attributes
    ----------
    strategy, defence : str
    ranks : int
        How far.
    goal : int or None
        The rank to be reached; None where there is no such rank, and nothing was simulated.
    simulations : int
    reached : int
        Simulations in which the goal was reached within the budget.
    battles : float or None
        Mean of the battles that were looked at; None where not all simulations reached the goal.
    battles_low, battles_high : float or None
        Quantiles 0.025 and 0.975 over the simulations; None where it is beyond the budget.
    votes : float or None
        Mean of the votes that were cast, as `battles`.
    votes_low, votes_high : float or None
    accounts : int or None
        For the mean of the votes.
    votes_per_account : int
        What suits the manipulators best; only where a defence judges accounts it is less than an account could cast.
    dollars : float or None
        For the mean of battles and votes.
    """

    strategy: str
    defence: str
    ranks: int
    goal: int | None
    simulations: int
    reached: int
    battles: float | None = None
    battles_low: float | None = None
    battles_high: float | None = None
    votes: float | None = None
    votes_low: float | None = None
    votes_high: float | None = None
    accounts: int | None = None
    dollars: float | None = None
    votes_per_account: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Rigging:
    """Manipulation of a board.

    Attributes
    ----------
    models : tuple of str
    target : str
    direction : {"up", "down"}
    start_rank : int
        Rank of the target before.
    honest : int
        Votes that were there.
    budget : int
        Battles that manipulators look at, at most.
    accuracy, accuracy_low, accuracy_high : float
        Mean recognition of a model, in [0, 1], with a 95% interval by drawing images of each model again; counts do
        not say which images share a prompt, so that it may be too narrow.
    measured : bool
        Whether recognition was measured.
    images : int
        Images that it was measured on.
    tie : float
        Share of ties between equals, among honest votes.
    price : Price
    rows : tuple of Needed
    """

    models: tuple[str, ...]
    target: str
    direction: Direction
    start_rank: int
    honest: int
    budget: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    measured: bool
    images: int
    tie: float
    price: Price
    rows: tuple[Needed, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What is the same in all simulations of one strategy against one defence."""

    tally: Tally
    theta: Float
    recognition: Recognition
    honest: Float
    tie: float
    pairs: Float
    target: int
    up: bool
    budget: int
    ridge: float
    per_account: int
    defence: Defence


def votes_needed(
    board: Tally | Votes,
    recognition: Recognition,
    target: str,
    *,
    ranks: Sequence[int] = (1, 2, 3),
    strategies: Sequence[str] = ("target-only", "omnipresent"),
    defences: Sequence[str] = ("none",),
    direction: Direction = "up",
    simulations: int = 20,
    budget: int | None = None,
    pairs: Float | None = None,
    price: Price | None = None,
    ridge: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Rigging:
    """Search for the number of manipulated battles that moves a model by so many ranks.

    Manipulators come on top of the votes that are there. In each simulation battles are drawn as the operator shows
    them, images are recognised with the measured confusion, the strategy votes, and ratings are fitted anew after
    batches that grow by a quarter of what was before; the batch in which the goal is reached is bisected to the battle.
    Where a defence judges accounts, manipulators know, and share the votes among more accounts if that is cheaper.
    What was measured on a finite number of images is drawn anew in each simulation, so that intervals hold that
    uncertainty too; the manipulator acts by the measured confusion. Ties in rating count against the manipulator.

    Parameters
    ----------
    board : Tally or Votes
        Honest votes.
    recognition : Recognition
        Of all models on the board.
    target : str
    ranks : sequence of int
        How far to move it, each at least 1.
    strategies, defences : sequence of str
        See `list_strategies` and `list_defences`.
    direction : {"up", "down"}
        Whether the manipulators push the target or, as rivals of it, pull it down.
    simulations : int
    budget : int, optional
        Battles that manipulators look at, at most; by default as many as there are honest votes, and at most 100,000.
    pairs : ndarray, shape (M, M), optional
        See `pair_probabilities`; all pairs alike by default.
    price : Price, optional
    ridge : float
        See `fit_ratings`.
    seed : int
    progress : callable, optional
        Called with the rows done and their number.

    Returns
    -------
    Rigging
        With a row for each defence, strategy and number of ranks.

    Raises
    ------
    MorelliError
        A name is unknown, or a number out of range.
    NotEnoughDataError
        The board cannot be ranked.
    """
    tally = board if isinstance(board, Tally) else board.tally()
    if target not in tally.models:
        raise MorelliError(f"No model of the board is called {target}; there are: {', '.join(tally.models)}.")
    if direction not in ("up", "down"):
        raise MorelliError(f'A model moves "up" or "down", not "{direction}".')
    if simulations < 1 or (budget is not None and budget < 1) or any(r < 1 for r in ranks) or not ranks:
        raise MorelliError("Simulations, the budget and ranks to move by are at least 1.")
    plans = [parse_strategy(name) for name in strategies]
    guards = [parse_defence(name) for name in defences]
    check_rankable(tally, ridge)
    known = recognition.for_models(tally.models)
    theta = solve(tally.score, ridge)
    at, m = tally.models.index(target), len(tally.models)
    start, up = int(ranks_of(theta)[at]), direction == "up"
    cost = price or Price()
    tie = tie_share(tally, theta)
    scene = _Scene(
        tally,
        theta,
        known,
        honest_law(theta, tie),
        tie,
        pair_probabilities(m) if pairs is None else pair_probabilities(m, pairs),
        at,
        up,
        min(ceil(tally.n), _USUAL_BUDGET) if budget is None else budget,
        ridge,
        cost.votes_per_account,
        parse_defence("none"),
    )
    rows: list[Needed] = []
    total = len(guards) * len(plans) * len(ranks)
    with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
        for guard in guards:
            here = _guarded(scene, guard)
            smaller = () if guard.weigh is None else (size for size in _SMALLER if size < here.per_account)
            sizes = (here.per_account, *smaller)
            for plan in plans:
                for r in ranks:
                    goal = start - r if up else start + r
                    tried = []
                    for size in sizes if 1 <= goal <= m else ():
                        key = [seed, crc32(f"{guard.name} {plan.name} {r} {size}".encode())]
                        sized = replace(here, per_account=size)
                        found = [
                            _simulate(sized, plan, goal, np.random.default_rng([*key, number]))
                            for number in range(simulations)
                        ]
                        tried.append(
                            _needed(plan.name, guard.name, r, goal, found, replace(cost, votes_per_account=size))
                        )
                    rows.append(min(tried, key=_effort, default=Needed(plan.name, guard.name, r, None, 0, 0)))
                    if progress is not None:
                        progress(len(rows), total)
    return Rigging(
        tally.models,
        target,
        direction,
        start,
        round(tally.n),
        scene.budget,
        known.accuracy,
        *known.accuracy_interval(seed),
        known.measured,
        round(float(known.counts.sum())) if known.measured else 0,
        tie,
        cost,
        tuple(rows),
    )


def _guarded(scene: _Scene, defence: Defence) -> _Scene:
    """Return the scene with the operator's defence: other sampling, more honest votes, other accounts."""
    tally, m = scene.tally, len(scene.theta)
    missing = defence.settled - float(tally.battles[scene.target].sum())
    if missing > 0.0:
        # The expectation of honest battles, so that a defence adds no noise of its own.
        share = scene.pairs[scene.target] / scene.pairs[scene.target].sum() * missing
        law = scene.honest[scene.target]
        wins, ties = np.zeros((m, m)), np.zeros((m, m))
        wins[scene.target], wins[:, scene.target] = share * law[:, 0], share * law[:, 1]
        ties[scene.target] = ties[:, scene.target] = share * law[:, 2]
        tally = tally + Tally(tally.models, wins, ties)
    theta = solve(tally.score, scene.ridge, scene.theta)
    return replace(
        scene,
        tally=tally,
        theta=theta,
        pairs=defence.pairs(scene.pairs, scene.target),
        per_account=min(scene.per_account, defence.most_votes or scene.per_account),
        defence=defence,
    )


def _simulate(scene: _Scene, strategy: Strategy, goal: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the battles looked at and the votes cast until the goal is reached, infinite if beyond the budget."""
    truth = scene.recognition.resampled(rng).rates
    score, theta, battles = scene.tally.score, scene.theta, scene.tally.battles
    done, cast = 0, 0
    while done < scene.budget:
        situation = Situation(theta, battles, scene.pairs, scene.recognition.rates, scene.target, scene.up, goal)
        law = vote_law(strategy.policy(situation), truth, scene.honest)
        table = law * scene.pairs[:, :, None]
        voting = 1.0 - float(table[..., ABSTAIN].sum())
        if voting < 1e-12:
            return np.inf, np.inf
        least = _LEAST_BATCH if scene.defence.weigh is None else ceil(_ACCOUNTS * scene.per_account / voting)
        size = min(max(least, ceil(_GROWTH * done)), _MOST_BATCH, scene.budget - done)
        pair, action = np.divmod(draw_cells(table, size, rng), 4)
        votes = np.flatnonzero(action != ABSTAIN)
        cells = pair[votes] * 3 + action[votes]
        weights = _weights(scene, cells, theta)

        def after(
            number: int, score: Float = score, cells: Codes = cells, weights: Float | None = weights
        ) -> tuple[Float, Float]:
            part = tally_of_cells(scene.tally.models, cells[:number], None if weights is None else weights[:number])
            return score + part.score, part.battles

        if weights is not None and not weights.any() and len(votes) >= 100 * scene.per_account:
            return np.inf, np.inf  # of a hundred accounts nothing counts, and nothing will of others
        new, more = after(len(votes))
        moved = solve(new, scene.ridge, theta)
        if _reached(moved, scene.target, scene.up, goal):
            low, high = 0, len(votes)  # not reached with `low`, reached with `high`
            while high - low > 1:
                middle = (low + high) // 2
                if _reached(solve(after(middle)[0], scene.ridge, moved), scene.target, scene.up, goal):
                    high = middle
                else:
                    low = middle
            return float(done + votes[high - 1] + 1), float(cast + high)
        score, theta, battles = new, moved, battles + more
        done, cast = done + size, cast + len(votes)
    return np.inf, np.inf


def _weights(scene: _Scene, cells: Codes, theta: Float) -> Float | None:
    """Return what each vote counts under a defence that judges accounts; they take turns of so many votes."""
    if scene.defence.weigh is None:
        return None
    pair, outcome = np.divmod(cells, 3)
    left, right = np.divmod(pair, len(theta))
    account = np.arange(len(cells)) // scene.per_account
    n = int(account[-1]) + 1 if len(account) else 0
    return scene.defence.weigh(
        Evidence(left, right, outcome.astype(np.int8), account, n, theta, scene.tie, scene.pairs)
    )


def _reached(theta: Float, target: int, up: bool, goal: int) -> bool:
    others = np.delete(theta, target) - theta[target]
    if up:
        return int((others >= -same_rating).sum()) <= goal - 1
    return int((others > same_rating).sum()) >= goal - 1


def _needed(
    strategy: str,
    defence: str,
    ranks: int,
    goal: int,
    found: list[tuple[float, float]],
    price: Price,
) -> Needed:
    table = np.array(found)
    reached = int(np.isfinite(table[:, 0]).sum())
    # The order statistic, not a mean of two: one of them may be infinite.
    low = np.quantile(table, 0.025, axis=0, method="lower")
    high = np.quantile(table, 0.975, axis=0, method="higher")
    battles, votes = table.mean(axis=0).tolist()
    complete = reached == len(found)
    return Needed(
        strategy,
        defence,
        ranks,
        goal,
        len(found),
        reached,
        battles if complete else None,
        _finite(low[0]),
        _finite(high[0]),
        votes if complete else None,
        _finite(low[1]),
        _finite(high[1]),
        price.accounts(votes) if complete else None,
        price.dollars(battles, votes) if complete else None,
        price.votes_per_account,
    )


def _effort(row: Needed) -> tuple[int, float, float]:
    """Order results as manipulators like them: sure ones first, then by dollars and battles."""
    return -row.reached, row.dollars or 0.0, row.battles or 0.0


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
