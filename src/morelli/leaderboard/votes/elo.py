"""Online Elo, and how much of it is the order of the votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes._solve import ranks_of
from morelli.leaderboard.votes.ballots import Votes

__all__ = ["OnlineElo", "online_elo"]

Float = NDArray[np.float64]

_CHUNK: Final = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class OnlineElo:
    """Ratings after the last vote.

    Attributes
    ----------
    models : tuple of str
    given : ndarray, shape (M,)
        Votes taken in their own order: by time where it is known, else as they stand.
    mean, low, high : ndarray, shape (M,)
        Mean and central quantiles over random orders of the same votes.
    rank : ndarray of int64, shape (M,)
        By `given`.
    rank_low, rank_high : ndarray of int64, shape (M,)
        The best and the worst rank in any of the random orders.
    orders : int
    k : float
    """

    models: tuple[str, ...]
    given: Float
    mean: Float
    low: Float
    high: Float
    rank: NDArray[np.int64]
    rank_low: NDArray[np.int64]
    rank_high: NDArray[np.int64]
    orders: int
    k: float


def online_elo(
    votes: Votes, *, k: float = 4.0, orders: int = 20, start: float = 1000.0, level: float = 0.95, seed: int = 0
) -> OnlineElo:
    """Rate models by Elo's update, vote after vote: ``r += k (y - 1 / (1 + 10 ** ((r' - r) / 400)))``.

    The result hangs on the order of the votes, the more the greater `k`. Random orders of the same votes show how
    much; that is no interval for the strength of a model, which `fit_ratings` has.

    Parameters
    ----------
    votes : Votes
    k : float
        Points that a vote moves at most.
    orders : int
        Random orders; all go through one pass.
    start : float
        Rating before the first vote.
    level : float
    seed : int

    Raises
    ------
    NotEnoughDataError
        No votes.
    MorelliError
        An argument is out of range.
    """
    if not len(votes):
        raise NotEnoughDataError("There are no votes, so that there is nothing to rank.")
    if not k > 0.0 or orders < 1 or not 0.0 < level < 1.0:
        raise MorelliError(f"Elo needs k > 0, orders >= 1 and 0 < level < 1, got {k}, {orders} and {level}.")
    n, m = len(votes), len(votes.models)
    own = np.arange(n) if votes.time is None else np.argsort(votes.time, kind="stable")
    rng = np.random.default_rng(seed)
    places = np.empty((orders + 1, n), dtype=np.int32)
    places[0] = own
    for row in range(1, orders + 1):
        places[row] = rng.permutation(n)
    points = np.array([1.0, 0.0, 0.5])[votes.outcome]
    ratings = np.full((orders + 1) * m, start)
    offset = np.arange(orders + 1) * m
    rows = max(1, _CHUNK // (orders + 1))
    for begin in range(0, n, rows):
        part = places[:, begin : begin + rows].T
        for a, b, y in zip(votes.left[part] + offset, votes.right[part] + offset, points[part], strict=True):
            first, second = ratings[a], ratings[b]
            change = k * (y - 1.0 / (1.0 + 10.0 ** ((second - first) / 400.0)))
            ratings[a] = first + change
            ratings[b] = second - change
    table = ratings.reshape(orders + 1, m)
    low, high = np.quantile(table[1:], [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    ranks = ranks_of(table)
    best, worst = ranks[1:].min(axis=0), ranks[1:].max(axis=0)
    return OnlineElo(votes.models, table[0], table[1:].mean(axis=0), low, high, ranks[0], best, worst, orders, float(k))
