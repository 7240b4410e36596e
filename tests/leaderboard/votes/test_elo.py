from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes import LEFT, TIE, Votes, online_elo, simulate_votes, spread_strengths


def by_hand(votes, order, k):
    ratings = dict.fromkeys(range(len(votes.models)), 1000.0)
    for t in order:
        a, b, y = votes.left[t], votes.right[t], (1.0, 0.0, 0.5)[votes.outcome[t]]
        gain = k * (y - 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400)))
        ratings[a] += gain
        ratings[b] -= gain
    return [ratings[i] for i in range(len(votes.models))]


@pytest.fixture(scope="module")
def votes():
    return simulate_votes(spread_strengths(5, 100), 800, voters=20, seed=1)


def test_agrees_with_a_plain_loop(votes):
    found = online_elo(votes, k=16, orders=3)
    assert np.allclose(found.given, by_hand(votes, np.argsort(votes.time, kind="stable"), 16))
    assert found.given.sum() == pytest.approx(5000)
    assert np.allclose(online_elo(votes, k=16, orders=40).given, found.given)


def test_time_decides_the_order_that_is_given(votes):
    turned = votes.take(np.random.default_rng(0).permutation(len(votes)))
    assert np.allclose(online_elo(turned, orders=1).given, online_elo(votes, orders=1).given)
    untimed = Votes(turned.models, turned.left, turned.right, turned.outcome)
    assert np.allclose(online_elo(untimed, k=4, orders=1).given, by_hand(untimed, range(len(untimed)), 4))


def test_a_greater_k_hangs_more_on_the_order(votes):
    calm, wild = online_elo(votes, k=2, orders=30), online_elo(votes, k=32, orders=30)
    assert (wild.high - wild.low).min() > (calm.high - calm.low).max()
    assert (wild.rank_high >= wild.rank_low).all()
    assert (calm.low <= calm.mean).all()
    assert (calm.mean <= calm.high).all()


def test_one_vote_has_no_other_order():
    found = online_elo(Votes.of(["a"], ["b"], [LEFT]), k=10, orders=5)
    assert found.given.tolist() == [1005.0, 995.0] == found.low.tolist() == found.high.tolist()
    assert online_elo(Votes.of(["a"], ["b"], [TIE]), orders=1).rank.tolist() == [1, 1]


def test_same_seed_same_result(votes):
    assert np.array_equal(online_elo(votes, seed=3).mean, online_elo(votes, seed=3).mean)
    assert not np.array_equal(online_elo(votes, seed=3).mean, online_elo(votes, seed=4).mean)


def test_what_makes_no_sense(votes):
    with pytest.raises(NotEnoughDataError, match="no votes"):
        online_elo(votes.take([]))
    for wrong in ({"k": 0.0}, {"orders": 0}, {"level": 1.0}):
        with pytest.raises(MorelliError, match="Elo needs"):
            online_elo(votes, **wrong)
