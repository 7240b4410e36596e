from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.votes import LEFT, RIGHT, TIE, Tally, Votes


def test_votes_are_counted_by_pair():
    votes = Votes.of(["b", "a", "a", "c"], ["a", "b", "c", "a"], [LEFT, RIGHT, TIE, TIE], voter=["x", "y", "y", "x"])
    tally = votes.tally()
    assert tally.models == ("a", "b", "c")
    assert tally.wins.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 0]]
    assert tally.ties.tolist() == [[0, 0, 2], [0, 0, 0], [2, 0, 0]]
    assert tally.n == 4
    assert tally.score.sum() == 4
    assert np.array_equal(tally.battles, tally.score + tally.score.T)
    assert votes.voters == ("x", "y")


def test_weights_make_fractions():
    votes = Votes.of(["a", "a"], ["b", "b"], [LEFT, TIE])
    tally = votes.tally([0.25, 0.5])
    assert tally.wins[0, 1] == 0.25
    assert tally.ties[0, 1] == tally.ties[1, 0] == 0.5
    assert tally.n == 0.75


def test_taking_keeps_names_and_adding_adds():
    votes = Votes.of(["a", "a", "b"], ["b", "c", "c"], [LEFT, TIE, RIGHT], time=[3.0, 2.0, 1.0])
    parts = votes.take([0]), votes.take(np.array([False, True, True]))
    assert parts[1].models == votes.models
    assert parts[1].time.tolist() == [2.0, 1.0]
    total = parts[0].tally() + parts[1].tally()
    assert np.array_equal(total.score, votes.tally().score)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"right": [0]}, "two different models"),
        ({"right": [1, 0]}, "one value of right for each of 1"),
        ({"left": [2]}, "Codes of left are 0 to 1, not 2"),
        ({"outcome": [3]}, "Codes of outcome are 0 to 2"),
        ({"voter": [0]}, "Codes of voter"),
        ({"time": [np.nan]}, "not finite"),
    ],
)
def test_votes_that_are_none(change, words):
    whole = {"models": ("a", "b"), "left": [0], "right": [1], "outcome": [LEFT]}
    Votes(**whole)
    with pytest.raises(MorelliError, match=words):
        Votes(**{**whole, **change})


@pytest.mark.parametrize(
    ("wins", "ties", "words"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2)), "shape"),
        ([[0, -1], [0, 0]], np.zeros((2, 2)), "none of them negative"),
        ([[0, np.nan], [0, 0]], np.zeros((2, 2)), "undefined"),
        (np.eye(2), np.zeros((2, 2)), "fights itself"),
        (np.zeros((2, 2)), [[0, 1], [0, 0]], "symmetric"),
    ],
)
def test_tallies_that_are_none(wins, ties, words):
    with pytest.raises(MorelliError, match=words):
        Tally(("a", "b"), wins, ties)


def test_tallies_of_other_models_are_not_added():
    with pytest.raises(MorelliError, match="same models"):
        Votes.of(["a"], ["b"], [LEFT]).tally() + Votes.of(["a"], ["c"], [LEFT]).tally()
    with pytest.raises(MorelliError, match="same name"):
        Tally(("a", "a"), np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(MorelliError, match="has two models"):
        Votes.of(["a"], [], [LEFT])
