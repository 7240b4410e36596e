"""All that is asked about the exposure of a board, measured by one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from morelli.attributors.prompts.distances import Metric
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import Attacker, NearestCentroid
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure.advisor import (
    Choice,
    Frontier,
    attackers_choice,
    exposure_frontier,
    largest_subset,
)
from morelli.leaderboard.exposure.comparable import comparable
from morelli.leaderboard.exposure.features import features_of
from morelli.leaderboard.exposure.pairs import Confusion, confused_pairs
from morelli.leaderboard.exposure.ranking import Agreements, Ranking, agreement, rank_prompts
from morelli.leaderboard.exposure.rates import Shrunk, shrink
from morelli.leaderboard.exposure.regression import Explanation, explain_exposure
from morelli.leaderboard.exposure.separability import Exposure, separability
from morelli.leaderboard.exposure.success import Success, prompt_success, success_halves
from morelli.leaderboard.exposure.variation import Variation, variation

__all__ = ["Assessment", "assess"]


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """The exposure of a board, and of its prompts.

    Attributes
    ----------
    board : Board
    exposure : Exposure
    ranking : Ranking
    variation : Variation
    success : Success
        On all images.
    success_interval : tuple of float
    compared : Board
        What compares prompts with one another: those that have the same models, see `comparable`.
    compared_success : Success
        On these.
    agreements : Agreements
    confusion : Confusion or None
        None where no two models were judged on one prompt.
    shrunk : Shrunk or None
        Prompts' shares of images recognised, with noise taken off; None with fewer than two prompts, as are `shown`,
        `submitted` and `frontier`.
    bound : float
    choose : int
    shown : Choice or None
        The largest set of prompts whose exposure is at most `bound`.
    submitted : Choice or None
        What an attacker would choose: so many as `choose`.
    frontier : tuple of Frontier
    explanation : Explanation or None
        None where too few prompts have a text; `why_not` says so.
    why_not : str
    seed : int
    """

    board: Board
    exposure: Exposure
    ranking: Ranking
    variation: Variation
    success: Success
    success_interval: tuple[float, float]
    compared: Board
    compared_success: Success
    agreements: Agreements
    confusion: Confusion | None
    shrunk: Shrunk | None
    bound: float
    choose: int
    shown: Choice | None
    submitted: Choice | None
    frontier: tuple[Frontier, ...]
    explanation: Explanation | None
    why_not: str
    seed: int


def assess(
    board: Board,
    *,
    tau: float = 0.9,
    bound: float = 0.5,
    choose: int = 20,
    k: int = 5,
    draws: int = 20,
    splits: int = 10,
    metric: Metric = "euclidean",
    attacker: Attacker | None = None,
    seed: int = 0,
    n_boot: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> Assessment:
    """Measure separability, variation, success of an attack and confusion, and advise on prompts.

    What compares prompts (agreement of scores with success, advice, regression) is confined to prompts with the same
    models, see :func:`~morelli.leaderboard.exposure.comparable`.

    Parameters
    ----------
    board : Board
    tau : float, default 0.9
        Threshold of separability, in [0, 1).
    bound : float, default 0.5
        Of the share of images recognised, for the set of prompts that may be shown.
    choose : int, default 20
        Prompts that an attacker submits.
    k, draws : int
        References of each model for a prompt, and how often they are drawn.
    splits : int
        Random halves of the images, for figures that are held out.
    metric : {"euclidean", "cosine"}
    attacker : Attacker, optional
        By default `NearestCentroid` with `metric`.
    seed, n_boot : int
    progress : callable, optional
        Called with steps done and steps in all.

    Raises
    ------
    MorelliError
        An argument is out of range.
    NotEnoughDataError
        No model has two images for a prompt of another.
    """
    if not 0.0 <= bound <= 1.0 or choose < 1:
        raise MorelliError(
            f"A bound on exposure lies between 0 and 1, and an attacker submits one prompt or more, not {bound:g} and "
            f"{choose}."
        )
    with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
        return _assess(board, tau, bound, choose, k, draws, splits, metric, attacker, seed, n_boot, progress)


def _assess(
    board: Board,
    tau: float,
    bound: float,
    choose: int,
    k: int,
    draws: int,
    splits: int,
    metric: Metric,
    attacker: Attacker | None,
    seed: int,
    n_boot: int,
    progress: Callable[[int, int], None] | None,
) -> Assessment:
    attacker = attacker or NearestCentroid(metric)
    tell = progress or (lambda done, total: None)
    exposure = separability(board, tau, metric, n_boot=n_boot, seed=seed)
    tell(1, 5)
    spread = variation(board, metric, n_boot=n_boot, seed=seed)
    success = prompt_success(board, attacker, k, draws, seed)
    tell(2, 5)
    compared = comparable(board)
    compared_success = success if compared is board else prompt_success(compared, attacker, k, draws, seed)
    measured = success_halves(compared, attacker, k, draws, splits, seed)
    agreements = agreement(compared, attacker, tau, metric, k, draws, splits, seed, halves=measured, n_boot=n_boot)
    tell(3, 5)
    confusion = None
    if ((success.judgements > 0).sum(axis=1) >= 2).any():
        confusion = confused_pairs(board, success, metric, n_boot=n_boot, seed=seed)
    rates = compared_success.rates
    shrunk, shown, submitted = None, None, None
    frontier: tuple[Frontier, ...] = ()
    if (rates.n > 0).sum() >= 2:
        halves = [(first.rates, second.rates) for first, second in measured]
        shrunk = shrink(rates)
        shown, submitted = largest_subset(rates, bound, halves), attackers_choice(rates, choose, halves)
        frontier = exposure_frontier(rates, halves)
    tell(4, 5)
    explanation, why_not = None, ""
    try:
        explanation = explain_exposure(features_of(compared), compared_success.prompt_rate, n_boot=n_boot, seed=seed)
    except NotEnoughDataError as error:
        why_not = str(error)
    tell(5, 5)
    return Assessment(
        board=board,
        exposure=exposure,
        ranking=rank_prompts(exposure, n_boot=n_boot, seed=seed),
        variation=spread,
        success=success,
        success_interval=success.interval(n_boot, seed),
        compared=compared,
        compared_success=compared_success,
        agreements=agreements,
        confusion=confusion,
        shrunk=shrunk,
        bound=bound,
        choose=choose,
        shown=shown,
        submitted=submitted,
        frontier=frontier,
        explanation=explanation,
        why_not=why_not,
        seed=seed,
    )
