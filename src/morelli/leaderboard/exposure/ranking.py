"""Which prompts expose most, how sure that order is, and whether it foretells how well an attack does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from morelli.attributors.prompts.distances import Metric
from morelli.errors import MorelliError
from morelli.leaderboard.attackers import Attacker
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._resampling import (
    Interval,
    mean_defined,
    paired_interval,
    rank_correlations,
    spearman,
)
from morelli.leaderboard.exposure.separability import Exposure, separability
from morelli.leaderboard.exposure.success import Success, halves_of, prompt_success, success_halves

__all__ = ["Agreement", "Agreements", "Ranking", "agreement", "rank_prompts"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Prompts by D(i), the most exposing first; equal ones by their mean frac.

    Attributes
    ----------
    order : ndarray of int64, shape (p,)
        Codes of the prompts that have a defined D.
    low, high : ndarray of float64, shape (p,)
        95% interval of the rank of each, 1 for the first, in the same order.
    """

    order: NDArray[np.int64]
    low: Float
    high: Float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one score foretells the success of an attack.

    Attributes
    ----------
    score : str
    rho : float
        Spearman's rank correlation over prompts, the mean over splits; NaN where the score is constant.
    interval : tuple of float
        95%, by resampling prompts.
    """

    score: str
    rho: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Agreements:
    """Scores of prompts beside success on them.

    Attributes
    ----------
    rows : tuple of Agreement
        D(i) first; the last is success on the half that scores were taken from, if halves were: no score of so few
        images can be expected to agree much better with success than success itself does.
    prompts : int
        That have both.
    disjoint : bool
        Scores and success are of different images.
    splits : int
    k : int
        References asked for; on a half there are fewer images.
    """

    rows: tuple[Agreement, ...]
    prompts: int
    disjoint: bool
    splits: int
    k: int


def rank_prompts(exposure: Exposure, *, n_boot: int = 1000, seed: int = 0) -> Ranking:
    """Rank prompts by D(i), and bootstrap the ranks.

    Parameters
    ----------
    exposure : Exposure
    n_boot, seed : int
        Of the bootstrap of models, and of images within models, see `Exposure.replicates`.
    """
    known = np.flatnonzero(np.isfinite(exposure.D))
    order = known[np.lexsort((-exposure.prompt_frac[known], -exposure.D[known]))]
    shares, fracs = exposure.replicates(n_boot, seed)
    # D has few values: the mean frac, which is at most 1, decides between equal ones.
    steps = 1 + max(1, len(exposure.models)) ** 2
    ranks = rankdata(-(shares[:, order] * steps + fracs[:, order]), axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0)
    return Ranking(order.astype(np.int64), low, high)


def agreement(
    board: Board,
    attacker: Attacker | None = None,
    tau: float = 0.9,
    metric: Metric = "euclidean",
    k: int = 5,
    draws: int = 20,
    splits: int = 5,
    seed: int = 0,
    *,
    halves: Sequence[tuple[Success, Success]] | None = None,
    n_boot: int = 1000,
) -> Agreements:
    """Correlate scores of prompts with the success of an attack on other images of the same prompts.

    The images of each prompt and model are dealt to two halves: one gives the scores, the other references and images
    to be named. Where too few images are left for that (fewer than five prompts with both), all images serve for both,
    and the result says so: a lucky image then makes a prompt look exposed in both.

    Parameters
    ----------
    board : Board
    attacker, k, draws
        See `prompt_success`.
    tau, metric
        See `separability`.
    splits : int
        Random halves, over which correlations are averaged.
    seed, n_boot : int
        Of draws, halves and the bootstrap over prompts.
    halves : sequence of (Success, Success), optional
        What `success_halves` found with the same settings, if it was called before.

    Raises
    ------
    MorelliError
        An argument is out of range.
    NotEnoughDataError
        Nothing is defined even when all images serve for both.
    """
    if splits < 1:
        raise MorelliError(f"Halves are split once or more, not {splits} times.")
    scores: list[dict[str, Float]] = []
    success: list[Float] = []
    if halves is None:
        halves = success_halves(board, attacker, k, draws, splits, seed)
    for split, (mine, other) in enumerate(halves):
        exposure = separability(halves_of(board, seed + split)[0], tau, metric, n_boot=1)
        scores.append(_scores(exposure) | {"success on the same half": mine.prompt_rate})
        success.append(other.prompt_rate)
    common = _common(scores, success) if scores else np.zeros(0, dtype=np.int64)
    disjoint = len(common) >= 5
    if not disjoint:
        scores = [_scores(separability(board, tau, metric, n_boot=1))]
        success = [prompt_success(board, attacker, k, draws, seed).prompt_rate]
        common = _common(scores, success)
    rows = []
    for name in scores[0]:
        pairs = [(one[name][common], hit[common]) for one, hit in zip(scores, success, strict=True)]
        rhos = mean_defined([spearman(a, b) for a, b in pairs])

        def statistic(at: NDArray[np.int64], pairs: list[tuple[Float, Float]] = pairs) -> Float:
            return mean_defined(np.stack([rank_correlations(a[at], b[at]) for a, b in pairs]), axis=0)

        rows.append(Agreement(name, float(rhos), paired_interval(statistic, len(common), n_boot, seed)))
    return Agreements(tuple(rows), len(common), disjoint, len(scores), k)


def _scores(exposure: Exposure) -> dict[str, Float]:
    return {
        f"D at {exposure.tau:g}": exposure.D,
        f"D at {exposure.tau:g}, balanced": exposure.D_balanced,
        "mean frac": exposure.prompt_frac,
        "mean frac, balanced": mean_defined(exposure.balanced, axis=1),
        "silhouette": exposure.silhouette,
        "margin": exposure.margin,
    }


def _common(scores: list[dict[str, Float]], success: list[Float]) -> NDArray[np.int64]:
    """Return the prompts for which everything is defined in all splits."""
    known = np.isfinite(np.stack([*success, *(values for one in scores for values in one.values())])).all(axis=0)
    return np.flatnonzero(known).astype(np.int64)
