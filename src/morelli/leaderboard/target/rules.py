"""The registry of one-class rules: what accepts an image as the target's, given the target's references only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.leaderboard.board import Board
from morelli.leaderboard.target.conformal import ConformalTarget
from morelli.leaderboard.target.spread import Spread, distances_to_all, measure_spread
from morelli.leaderboard.target.thresholds import quantile_thresholds

__all__ = ["RULES", "Judged", "Rule"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Images that are judged, and what the attacker has.

    Attributes
    ----------
    spread : Spread
    prompt : ndarray of int64, shape (n,)
    distances : ndarray, shape (n, M)
        To each model's centroid for the prompt; infinite where it has none.
    p_values, exact : ndarray, shape (n, M)
        Of :class:`ConformalTarget` with each model as the target: with all references, and with one put aside.
    """

    spread: Spread
    prompt: NDArray[np.int64]
    distances: Float
    p_values: Float
    exact: Float

    @classmethod
    def of(cls, board: Board, judged: Codes, references: Codes) -> Judged:
        """Measure judged images against references, both as rows of a board."""
        prompt = board.prompt[judged]
        spread = measure_spread(board, references)
        # The last reference of each cell is put aside; references are in no order that means anything.
        rows = references[np.argsort(board.cell[references], kind="stable")]
        fewer = measure_spread(board, rows[:-1][board.cell[rows][1:] == board.cell[rows][:-1]])
        distances, p = [], []
        for tested in (spread, fewer):
            distances.append(distances_to_all(board.X[judged], prompt, tested.centroids))
            targets = [ConformalTarget(spread, m, tested=tested) for m in range(len(board.models))]
            p.append(np.stack([one.p_values(distances[-1][:, m], prompt) for m, one in enumerate(targets)], axis=1))
        return cls(spread, prompt, distances[0], *p)


@dataclass(frozen=True, slots=True)
class Rule:
    """A one-class rule.

    Attributes
    ----------
    name : str
    title : str
        A few words for tables.
    decide : callable
        ``decide(judged, alphas)`` gives 1.0 for accepted, 0.0 for refused and NaN for undecided, shape (A, n, M).
    """

    name: str
    title: str
    decide: Callable[[Judged, tuple[float, ...]], Float]


def _by_quantile(judged: Judged, alphas: tuple[float, ...], distances: Float) -> Float:
    spread = judged.spread
    n_prompts, n_models = spread.counts.shape
    limits = quantile_thresholds(distances, spread.cell, n_prompts * n_models, alphas)
    at = limits.reshape(n_prompts, n_models, -1)[judged.prompt].transpose(2, 0, 1)
    return np.where(np.isnan(at), np.nan, judged.distances[None] <= at)


def _own(judged: Judged, alphas: tuple[float, ...]) -> Float:
    return _by_quantile(judged, alphas, judged.spread.distances)


def _left_out(judged: Judged, alphas: tuple[float, ...]) -> Float:
    return _by_quantile(judged, alphas, judged.spread.left_out)


def _conformal(judged: Judged, alphas: tuple[float, ...]) -> Float:
    return _above(judged.p_values, alphas)


def _exact(judged: Judged, alphas: tuple[float, ...]) -> Float:
    return _above(judged.exact, alphas)


def _above(values: Float, alphas: tuple[float, ...]) -> Float:
    p = values[None]
    # p <= a refuses a share a of the target's images; a hair for what sums of shares are rounded by.
    accepted = p > 1.0 - np.asarray(alphas)[:, None, None] + 1e-12
    return np.where(np.isnan(p), np.nan, accepted)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("own", "the paper's: quantile of distances to the centroid that references are part of", _own),
        Rule("left-out", "quantile of distances to the centroid of the other references", _left_out),
        Rule("conformal", "conformal p-value above 1 - alpha, pooled over prompts", _conformal),
        Rule("conformal-exact", "the same with one reference put aside, exact at every alpha", _exact),
    )
}
"""One-class rules by name."""
