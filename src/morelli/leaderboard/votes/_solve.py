"""Maximum likelihood of the Bradley-Terry model on a matrix of wins, many matrices at a time, and whether it exists."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes.ballots import Tally

__all__ = ["check_rankable", "information", "is_separated", "ranks_of", "same_rating", "solve"]

Float = NDArray[np.float64]

_LONGEST: Final = 2.0  # natural units a model may move in one step: e**2 to one; farther away Newton overshoots
_TOLERANCE: Final = 1e-10
_MOST_STEPS: Final = 200
_SHOWN: Final = 8

same_rating: Final = 1e-8
"""Ratings (natural units) closer than this are equal: they differ by the order of sums."""


def solve(score: Float, ridge: float = 0.0, start: Float | None = None) -> Float:
    """Return strengths that maximise the penalised likelihood, by Newton's method with damped steps.

    The log-likelihood of Bradley & Terry (1952) is ``sum_ij s_ij log sigma(theta_i - theta_j) - ridge/2 |theta|^2``,
    concave, with the Laplacian of a weighted graph as its information (Hunter 2004).

    Parameters
    ----------
    score : ndarray, shape (..., M, M)
        Wins of the row over the column, ties as half a win each.
    ridge : float
        At least 0; 0 needs a maximum that exists, see `check_rankable`.
    start : ndarray, shape (..., M) or (M,), optional

    Returns
    -------
    ndarray, shape (..., M)
        Natural units, with mean 0.

    Raises
    ------
    MorelliError
        It does not converge, which happens where no maximum exists.
    """
    m = score.shape[-1]
    theta = np.zeros(score.shape[:-1]) if start is None else np.broadcast_to(start, score.shape[:-1]).copy()
    battles = score + np.swapaxes(score, -1, -2)
    eye = np.eye(m)
    value, best = _objective(score, theta, ridge), theta
    for _ in range(_MOST_STEPS):
        gap = best[..., :, None] - best[..., None, :]
        p = expit(gap)
        gradient = (score - battles * p).sum(axis=-1) - ridge * best
        hessian = _laplacian(battles * p * (1.0 - p)) + ridge * eye
        # Adding the same to all strengths changes nothing: a term in that direction makes the matrix regular.
        level = np.trace(hessian, axis1=-2, axis2=-1)[..., None, None] / m
        step = np.linalg.solve(hessian + (level + 1e-300) / m, gradient[..., None])[..., 0]
        longest = np.abs(step).max(axis=-1, keepdims=True, initial=0.0)
        step *= np.minimum(1.0, _LONGEST / np.maximum(longest, _LONGEST))
        size = np.ones(score.shape[:-2])
        for _ in range(40):
            trial = best + size[..., None] * step
            new = _objective(score, trial, ridge)
            worse = new < value - 1e-11 * np.abs(value) - 1e-300
            if not worse.any():
                break
            size = np.where(worse, size / 2.0, size)
        best, value = trial - trial.mean(axis=-1, keepdims=True), new
        if longest.max(initial=0.0) < _TOLERANCE * max(1.0, float(np.abs(best).max(initial=0.0))):
            return np.asarray(best)
    raise MorelliError(
        "The ratings do not converge: some models win or lose against others almost always. Rate with a small ridge."
    )


def information(battles: Float, theta: Float) -> Float:
    """Return the Fisher information of the strengths, shape (M, M): a Laplacian, singular along (1, ..., 1)."""
    p = expit(theta[:, None] - theta[None, :])
    return _laplacian(battles * p * (1.0 - p))


def ranks_of(theta: Float) -> NDArray[np.int64]:
    """Return ranks along the last axis: 1 is the best, and equals share the better one."""
    above = theta[..., None, :] > theta[..., :, None] + same_rating
    return np.asarray(1 + above.sum(axis=-1), dtype=np.int64)


def is_separated(score: Float) -> bool:
    """Return whether no finite maximum exists: some group of models never loses a point to the others (Ford 1957)."""
    return int(connected_components(csr_matrix(score > 0), directed=True, connection="strong")[0]) > 1


def check_rankable(tally: Tally, ridge: float = 0.0) -> None:
    """Refuse votes that cannot rank the models.

    Raises
    ------
    NotEnoughDataError
        Fewer than two models, no votes, models that no chain of battles connects, or, without a ridge, a group of
        models that never loses a point to the others (its strength would be infinite: Ford 1957).
    MorelliError
        The ridge is negative.
    """
    if not ridge >= 0.0 or not np.isfinite(ridge):
        raise MorelliError(f"The ridge is a number of at least 0, not {ridge}.")
    if len(tally.models) < 2:
        raise NotEnoughDataError(f"A ranking has two models or more, not {len(tally.models)}.")
    if tally.n <= 0.0:
        raise NotEnoughDataError("There are no votes, so that there is nothing to rank.")
    number, member = connected_components(csr_matrix(tally.battles > 0), directed=False)
    if number > 1:
        groups = sorted(([tally.models[i] for i in np.flatnonzero(member == g)] for g in range(number)), key=len)[::-1]
        listed = "; ".join(f"[{_names(group)}]" for group in groups[:_SHOWN])
        more = f"; and {number - _SHOWN} more" if number > _SHOWN else ""
        raise NotEnoughDataError(
            f"These {number} groups of models never met each other, so that no ranking goes across them: {listed}"
            f"{more}. Rate each group alone, or collect votes between them."
        )
    if ridge == 0.0:
        score = tally.score
        parts, part = connected_components(csr_matrix(score > 0), directed=True, connection="strong")
        if parts > 1:
            takes = np.zeros((parts, parts), dtype=np.bool_)
            rows, columns = np.nonzero(score)
            takes[part[rows], part[columns]] = True
            np.fill_diagonal(takes, False)
            best = [name for name, group in zip(tally.models, part, strict=True) if not takes[:, group].any()]
            worst = [name for name, group in zip(tally.models, part, strict=True) if not takes[group].any()]
            raise NotEnoughDataError(
                f"{_names(best)} never lost a point to the other models, and {_names(worst)} never won one from them, "
                "so that the distance between them has no bound. Rate with a small ridge, such as 0.1, or collect more "
                "votes."
            )


def _objective(score: Float, theta: Float, ridge: float) -> Float:
    gap = theta[..., :, None] - theta[..., None, :]
    return np.asarray(-(score * np.logaddexp(0.0, -gap)).sum(axis=(-2, -1)) - ridge / 2.0 * (theta**2).sum(axis=-1))


def _laplacian(weights: Float) -> Float:
    result = -weights
    index = np.arange(weights.shape[-1])
    result[..., index, index] += weights.sum(axis=-1)
    return result


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
