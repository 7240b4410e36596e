from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import NearestCentroid
from morelli.leaderboard.exposure import attack_curve, halves_of, prompt_success, success_halves

from ._planted import planted, shuffled


class Slow:
    """The nearest centroid, not known to be one: called once a draw."""

    def __init__(self, metric="euclidean"):
        self.inner, self.calls = NearestCentroid(metric), 0

    def __call__(self, references, X, prompt):
        self.calls += 1
        return self.inner(references, X, prompt)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("images", [5, (1, 2, 6, 4)])
def test_all_draws_at_once_are_those_of_an_attacker_called_for_each(metric, images):
    board = shuffled(planted(4, 6, images))
    slow = Slow(metric)
    found, other = prompt_success(board, NearestCentroid(metric), 2, 7), prompt_success(board, slow, 2, 7)
    assert slow.calls == 7
    np.testing.assert_array_equal(found.named, other.named)
    np.testing.assert_array_equal(found.images, other.images)
    np.testing.assert_array_equal(found.references, other.references)


def test_agrees_with_the_curve():
    board = planted(4, 8, 6)
    found, curve = prompt_success(board, k=3, draws=5), attack_curve(board, (3,), draws=5, queries="rest")
    point = curve.at(3)
    assert (found.accuracy, found.n, found.chance) == (pytest.approx(point.accuracy), point.n, point.chance)
    assert found.interval() == pytest.approx((point.low, point.high))
    np.testing.assert_allclose(found.prompt_rate, curve.hits[:, 0])


def test_counts():
    board = planted(3, 2, (1, 2, 9))
    found = prompt_success(board, k=4, draws=30)
    assert found.references.tolist() == [[1, 1, 4]] * 2
    assert found.judgements.tolist() == [[0, 30, 150]] * 2
    assert found.images.tolist() == [[0, 2, 9]] * 2
    assert np.isnan(found.rate[:, 0]).all()
    np.testing.assert_allclose(found.rates.n, 4 / (1 / 2 + 1 / 9))
    np.testing.assert_allclose(found.rates.value, found.prompt_rate)
    # An attacker may still say that an image is of the model with a single one.
    assert found.named.sum(axis=(0, 1))[0] >= 0 and found.named[:, 0].sum() == 0


def test_an_attacker_who_always_says_one_model():
    def stubborn(references, X, prompt):
        return np.tile([0.0, 1.0, 0.0], (len(X), 1))

    found = prompt_success(planted(3, 4, 3), stubborn, 1, 2)
    assert found.rate.tolist() == [[0.0, 1.0, 0.0]] * 4
    assert found.accuracy == pytest.approx(1 / 3) == found.chance
    assert found.named.sum(axis=(0, 1)).tolist() == [0, found.n, 0]


def test_halves_share_nothing_and_leave_nothing():
    board = shuffled(planted(3, 5, (1, 4, 5)))
    first, second = halves_of(board, 3)
    assert sorted([*first.rows, *second.rows]) == sorted(board.rows)
    assert (first.counts == [1, 2, 3]).all() and (second.counts == [0, 2, 2]).all()
    assert first.prompts == second.prompts == board.prompts
    assert sorted(halves_of(board, 4)[0].rows) != sorted(first.rows)
    assert sorted(halves_of(board, 3)[0].rows) == sorted(first.rows)


def test_halves_with_too_few_images_are_none():
    assert success_halves(planted(3, 4, 2), None, 1, 2, 3, 0) == []
    assert len(success_halves(planted(3, 4, 4), None, 1, 2, 3, 0)) == 3


def test_nothing_to_name():
    for attacker in (None, Slow()):
        with pytest.raises(NotEnoughDataError, match="two images"):
            prompt_success(planted(3, 3, 1), attacker)
    with pytest.raises(MorelliError, match="counted from 1"):
        prompt_success(planted(3, 3, 3), k=0)
