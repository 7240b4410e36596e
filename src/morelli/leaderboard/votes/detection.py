"""Whether an operator finds manipulators among honest voters, and how many honest voters are accused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli.errors import MorelliError
from morelli.leaderboard._resampled import area
from morelli.leaderboard.votes._solve import check_rankable, solve
from morelli.leaderboard.votes._world import World, evidence_of
from morelli.leaderboard.votes.ballots import Tally, Votes
from morelli.leaderboard.votes.defences import parse_defence
from morelli.leaderboard.votes.ratings import tie_share
from morelli.leaderboard.votes.recognition import Recognition
from morelli.leaderboard.votes.rigging import Direction
from morelli.leaderboard.votes.simulation import HONEST_GAP, pair_probabilities, session_times
from morelli.leaderboard.votes.strategies import parse_strategy
from morelli.leaderboard.votes.suspicion import binomial_interval, busiest_hour, get_detector, list_detectors
from morelli.trials.metrics import benjamini_hochberg

__all__ = ["Detected", "DetectionStudy", "HonestKept", "Paced", "RocPoint", "detection_study", "judge_voters"]

Float = NDArray[np.float64]

THRESHOLDS: Final = (1e-6, 1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Detected:
    """What a detector finds, after Benjamini-Hochberg at `level` over all voters.

    Attributes
    ----------
    detector, strategy : str
    taste : float
        Spread of honest tastes, points of Elo.
    votes_per_account : int
    level : float
        False discovery rate aimed at.
    power, power_low, power_high : float
        Share of manipulators' accounts that are found, in [0, 1], with its exact 95% interval.
    false_alarms, false_low, false_high : float
        Share of honest voters who are accused.
    false_discoveries : float or None
        Share of the accused who are honest; None if nobody is accused.
    auc : float
        Probability that a manipulator looks more suspicious than an honest voter.
    n_accounts, n_honest : int
        Over all repeats; voters without a vote are not counted.
    """

    detector: str
    strategy: str
    taste: float
    votes_per_account: int
    level: float
    power: float
    power_low: float
    power_high: float
    false_alarms: float
    false_low: float
    false_high: float
    false_discoveries: float | None
    auc: float
    n_accounts: int
    n_honest: int


@dataclass(frozen=True, slots=True)
class RocPoint:
    """Shares of manipulators and of honest voters with a p-value up to `threshold`, without correction."""

    detector: str
    strategy: str
    taste: float
    votes_per_account: int
    threshold: float
    power: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class Paced:
    """Shares of accounts and of honest voters with more than `cap` votes in some hour."""

    cap: int
    votes_per_account: int
    accounts: float
    honest: float


@dataclass(frozen=True, slots=True)
class HonestKept:
    """Share of honest votes that a defence counts, in [0, 1]."""

    defence: str
    taste: float
    kept: float


@dataclass(frozen=True, slots=True, eq=False)
class DetectionStudy:
    """Detection on simulated voters.

    Attributes
    ----------
    target : str
    direction : {"up", "down"}
    voters : int
        Honest voters of a repeat.
    votes_per_voter : float
        Their mean.
    accounts : int
        Manipulators' accounts of a repeat.
    repeats : int
    gap, honest_gap : float
        Assumed mean seconds between two votes of a manipulator's account, and of an honest voter in a session.
    detected : tuple of Detected
    roc : tuple of RocPoint
    paced : tuple of Paced
    kept : tuple of HonestKept
    """

    target: str
    direction: Direction
    voters: int
    votes_per_voter: float
    accounts: int
    repeats: int
    gap: float
    honest_gap: float
    detected: tuple[Detected, ...]
    roc: tuple[RocPoint, ...]
    paced: tuple[Paced, ...]
    kept: tuple[HonestKept, ...]


def judge_voters(
    votes: Votes, detector: str = "combined", *, pairs: Float | None = None, ridge: float = 0.0
) -> tuple[Float, Float]:
    """Test every voter of a table of votes against the ratings that all votes give.

    Parameters
    ----------
    votes : Votes
        With voters.
    detector : str
        See `list_detectors`.
    pairs : ndarray, shape (M, M), optional
        How often pairs are shown; all alike by default.
    ridge : float
        See `fit_ratings`.

    Returns
    -------
    p, adjusted : ndarray, shape (voters,)
        P-values, and adjusted for the number of voters by Benjamini & Hochberg.

    Raises
    ------
    MorelliError
        Voters are not known.
    NotEnoughDataError
        The votes cannot be ranked.
    """
    if votes.voter is None:
        raise MorelliError('Voters are tested where it is known who voted: votes need a column "voter".')
    tally = votes.tally()
    check_rankable(tally, ridge)
    theta = solve(tally.score, ridge)
    m = len(votes.models)
    shown = pair_probabilities(m) if pairs is None else pair_probabilities(m, pairs)
    p = get_detector(detector).p_values(evidence_of(votes, theta, tie_share(tally, theta), shown))
    return p, benjamini_hochberg(p)


def detection_study(
    board: Tally | Votes,
    recognition: Recognition,
    target: str,
    *,
    strategies: Sequence[str] = ("target-only", "omnipresent"),
    defences: Sequence[str] = (),
    direction: Direction = "up",
    tastes: Sequence[float] = (0.0, 60.0),
    votes_per_account: Sequence[int] = (10, 30, 100),
    accounts: int = 50,
    voters: int = 1000,
    votes_per_voter: float = 30.0,
    caps: Sequence[int] = (20, 60, 100),
    gap: float = 30.0,
    level: float = 0.05,
    repeats: int = 5,
    pairs: Float | None = None,
    ridge: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DetectionStudy:
    """Simulate honest voters and manipulators on top of a board, and let all detectors judge them.

    The operator's ratings are fitted to everything, the manipulated votes included. Manipulators push the target past
    the next model, by the ratings of the board.

    Parameters
    ----------
    board : Tally or Votes
    recognition : Recognition
    target : str
    strategies, defences : sequence of str
        Of the defences it is measured which share of honest votes they count.
    direction : {"up", "down"}
    tastes : sequence of float
        Spread of honest tastes, points of Elo.
    votes_per_account : sequence of int
    accounts, voters : int
        Of manipulators and of honest people, in each repeat.
    votes_per_voter : float
        Mean; how much honest people vote varies widely, see `simulate_votes`.
    caps : sequence of int
        Limits of votes in an hour.
    gap : float
        Assumed mean seconds between two votes of a manipulator's account.
    level : float
        False discovery rate.
    repeats : int
    pairs, ridge, seed, progress
        As for `votes_needed`.

    Raises
    ------
    MorelliError
        An argument is out of range, or a name unknown.
    NotEnoughDataError
        The board cannot be ranked.
    """
    tally = board if isinstance(board, Tally) else board.tally()
    if target not in tally.models:
        raise MorelliError(f"No model of the board is called {target}; there are: {', '.join(tally.models)}.")
    numbers = (accounts, voters, repeats, *votes_per_account, *caps)
    if not all(number >= 1 for number in numbers) or not votes_per_voter > 0.0 or not 0.0 < level < 1.0:
        raise MorelliError("A study of detection needs voters, accounts, votes and repeats, and 0 < level < 1.")
    check_rankable(tally, ridge)
    plans = [parse_strategy(name) for name in strategies]
    world = World.of(tally, recognition.for_models(tally.models), target, direction, pairs, ridge)
    conditions = [(taste, plan, number) for taste in tastes for plan in plans for number in votes_per_account]
    detectors = list_detectors()
    detected: list[Detected] = []
    roc: list[RocPoint] = []
    with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
        for index, (taste, plan, number) in enumerate(conditions):
            p: dict[str, list[Float]] = {detector.name: [] for detector in detectors}
            for evidence in world.repeats(plan, taste, number, accounts, voters, votes_per_voter, repeats, seed):
                counted = evidence.by_voter() > 0
                for detector in detectors:
                    p[detector.name].append(np.where(counted, detector.p_values(evidence), np.nan))
            for detector in detectors:
                place = (detector.name, plan.name, float(taste), int(number))
                detected.append(_detected(place, p[detector.name], voters, level))
                roc += _roc(place, p[detector.name], voters)
            if progress is not None:
                progress(index + 1, len(conditions))
    return DetectionStudy(
        target,
        direction,
        voters,
        float(votes_per_voter),
        accounts,
        repeats,
        float(gap),
        HONEST_GAP,
        tuple(detected),
        tuple(roc),
        tuple(_paced(world, caps, votes_per_account, accounts, voters, votes_per_voter, gap, seed)),
        tuple(_kept(world, defences, tastes, voters, votes_per_voter, seed)),
    )


def _detected(place: tuple[str, str, float, int], found: list[Float], voters: int, level: float) -> Detected:
    bad_hits: list[NDArray[np.bool_]] = []
    good_hits: list[NDArray[np.bool_]] = []
    areas = []
    for p in found:
        counted = ~np.isnan(p)
        called = np.zeros(len(p), dtype=np.bool_)
        called[counted] = benjamini_hochberg(p[counted]) <= level
        bad_hits.append(called[voters:][counted[voters:]])
        good_hits.append(called[:voters][counted[:voters]])
        areas.append(area(p[:voters][counted[:voters]], p[voters:][counted[voters:]]))
    bad, good = np.concatenate(bad_hits), np.concatenate(good_hits)
    called_all = int(bad.sum() + good.sum())
    return Detected(
        *place,
        level,
        float(bad.mean()) if len(bad) else float("nan"),
        *binomial_interval(int(bad.sum()), len(bad)),
        float(good.mean()),
        *binomial_interval(int(good.sum()), len(good)),
        float(good.sum()) / called_all if called_all else None,
        float(np.mean(areas)),
        len(bad),
        len(good),
    )


def _roc(place: tuple[str, str, float, int], found: list[Float], voters: int) -> list[RocPoint]:
    bad, good = np.concatenate([p[voters:] for p in found]), np.concatenate([p[:voters] for p in found])
    bad, good = bad[~np.isnan(bad)], good[~np.isnan(good)]
    if not len(bad):
        return []
    return [RocPoint(*place, t, float((bad <= t).mean()), float((good <= t).mean())) for t in THRESHOLDS]


def _paced(
    world: World,
    caps: Sequence[int],
    votes_per_account: Sequence[int],
    accounts: int,
    voters: int,
    votes_per_voter: float,
    gap: float,
    seed: int,
) -> Iterator[Paced]:
    people = world.honest(0.0, voters, votes_per_voter, seed)
    assert people.voter is not None and people.time is not None
    honest = busiest_hour(people.voter, voters, people.time)
    rng = np.random.default_rng(seed)
    for number in votes_per_account:
        voter = np.repeat(np.arange(accounts), number)
        busy = busiest_hour(voter, accounts, session_times(voter, np.zeros(accounts), gap, rng))
        for cap in caps:
            yield Paced(cap, number, float((busy > cap).mean()), float((honest[honest > 0] > cap).mean()))


def _kept(
    world: World, defences: Sequence[str], tastes: Sequence[float], voters: int, votes_per_voter: float, seed: int
) -> Iterator[HonestKept]:
    guards = [parse_defence(name) for name in defences]
    for taste in tastes:
        evidence = world.evidence(world.honest(taste, voters, votes_per_voter, seed))
        for guard in guards:
            kept = 1.0 if guard.weigh is None else float(guard.weigh(evidence).mean())
            yield HonestKept(guard.name, float(taste), kept)
