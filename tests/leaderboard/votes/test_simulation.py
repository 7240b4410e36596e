from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.votes import (
    fit_ratings,
    model_names,
    pair_probabilities,
    simulate_board,
    simulate_votes,
    spread_strengths,
)
from morelli.leaderboard.votes.ratings import ELO
from morelli.leaderboard.votes.simulation import HONEST_GAP, draw_cells, honest_law, session_times


def test_strengths_have_the_spread_that_was_asked_for():
    theta = spread_strengths(30, 90)
    assert theta.std() * ELO == pytest.approx(90)
    assert theta.mean() == pytest.approx(0, abs=1e-12)
    assert (np.diff(theta) < 0).all()
    assert sorted(spread_strengths(30, 90, seed=1)) == pytest.approx(sorted(theta))
    assert spread_strengths(1).tolist() == [0.0]
    assert not spread_strengths(5, 0.0).any()


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=6), st.floats(0, 0.5))
def test_honest_law_is_one_and_keeps_the_expected_score(theta, tie):
    strengths = np.array(theta)
    law = honest_law(strengths, tie)
    p = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    assert (law >= -1e-15).all()
    assert np.allclose(law.sum(axis=2), 1)
    assert np.allclose(law[:, :, 0] + law[:, :, 2] / 2, p)
    assert np.allclose(law[:, :, 0], law[:, :, 1].T)
    assert np.allclose(np.diagonal(law[:, :, 2]), tie)


def test_pairs_follow_weights():
    pairs = pair_probabilities(3, [1, 2, 0])
    assert pairs.tolist() == [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    assert np.allclose(pair_probabilities(4), (1 - np.eye(4)) / 12)
    lopsided = np.array([[0, 3, 0], [1, 0, 0], [0, 0, 5]])
    assert pair_probabilities(3, lopsided).tolist() == pairs.tolist()
    for wrong in ([1, 1], [1, -1, 1], [0, 0, 1], [1, np.nan, 1]):
        with pytest.raises(MorelliError):
            pair_probabilities(3, wrong)
    with pytest.raises(MorelliError, match="two models"):
        pair_probabilities(1)


def test_votes_follow_the_law_and_estimate_the_strengths():
    theta = spread_strengths(5, 100)
    votes = simulate_votes(theta, 200_000, tie=0.2, seed=5)
    assert votes.models == model_names(5)
    law, pairs = honest_law(theta, 0.2), pair_probabilities(5)
    expected = float((pairs[..., None] * law).sum(axis=(0, 1))[2])
    assert (votes.outcome == 2).mean() == pytest.approx(expected, abs=0.004)
    assert np.allclose(fit_ratings(votes).theta, theta, atol=0.03)


def test_same_seed_same_votes():
    first, second, third = (simulate_votes([0.5, 0, -0.5], 100, voters=7, taste=50, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.cell, second.cell)
    assert np.array_equal(first.time, second.time)
    assert not np.array_equal(first.cell, third.cell)


def test_tastes_are_those_of_voters():
    votes = simulate_votes(np.zeros(2), 40_000, tie=0.0, voters=100, taste=400, seed=0)
    won = np.bincount(votes.voter, (votes.outcome == 0) == (votes.left == 0), 100) / np.maximum(
        1, np.bincount(votes.voter)
    )
    same = simulate_votes(np.zeros(2), 40_000, tie=0.0, voters=100, seed=0)
    even = np.bincount(same.voter, (same.outcome == 0) == (same.left == 0), 100) / np.maximum(
        1, np.bincount(same.voter)
    )
    many = (np.bincount(votes.voter) > 100) & (np.bincount(same.voter) > 100)
    assert won[many].std() > 0.25 > 0.08 > even[many].std()


def test_sessions():
    votes = simulate_votes(np.zeros(3), 20_000, voters=50, hours=100, seed=2)
    assert (np.diff(votes.time) >= 0).all()
    gaps = [np.diff(votes.time[votes.voter == who]) for who in range(50)]
    assert np.concatenate(gaps).mean() == pytest.approx(HONEST_GAP, rel=0.05)
    time = session_times(np.array([0, 0, 1]), np.array([100.0, 500.0]), 10.0, np.random.default_rng(0))
    assert time[0] == pytest.approx(100)
    assert time[2] == pytest.approx(500)
    assert session_times(np.zeros(0, dtype=int), np.zeros(0), 1.0, np.random.default_rng(0)).tolist() == []


def test_boards_have_the_target_where_it_was_asked_for():
    names = tuple("abcdefg")
    for rank in (1, 4, 7):
        board = simulate_board(names, 400_000, "c", rank=rank, spread=150, seed=3)
        assert board.models == names
        assert fit_ratings(board).rank[2] == rank
    assert simulate_board(names, 1000, "c").n == 1000
    with pytest.raises(MorelliError, match="called z"):
        simulate_board(names, 10, "z")
    with pytest.raises(MorelliError, match="1 to 7, not 8"):
        simulate_board(names, 10, "c", rank=8)


def test_cells_without_probability_are_never_drawn():
    table = np.array([[0.0, 1e-3], [2.0, 0.0]])
    drawn = draw_cells(table, 10_000, np.random.default_rng(0))
    assert set(drawn.tolist()) <= {1, 2}
    assert draw_cells(table, 0, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize(
    "wrong", [{"n": -1}, {"voters": -1}, {"taste": -1.0}, {"hours": 0.0}, {"taste": 5.0}, {"tie": 0.6}]
)
def test_what_makes_no_sense(wrong):
    with pytest.raises(MorelliError):
        simulate_votes([0.0, 1.0], **{"n": 10, **wrong})


def test_no_votes_are_no_votes():
    assert len(simulate_votes([0.0, 1.0], 0)) == 0
    assert len(simulate_votes([0.0, 1.0], 0, voters=3)) == 0
