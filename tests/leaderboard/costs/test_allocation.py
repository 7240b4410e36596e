from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.costs import Prices, allocate_references

from .._planted_boards import planted


def lopsided(seed=0):
    """Model 0 is far from all; models 1 and 2 are near each other, so that references pay for them."""
    rng = np.random.default_rng(seed)
    prompts, images = 40, 9
    means = np.zeros((prompts, 3, 8))
    means[:, 0] = 30
    means[:, 1:] = 0.6 * rng.normal(size=(prompts, 2, 8))
    X = means[:, :, None] + rng.normal(size=(prompts, 3, images, 8))
    p, m, _ = np.meshgrid(range(prompts), range(3), range(images), indexing="ij")
    return Board(X.reshape(-1, 8), m.ravel(), p.ravel(), ("far", "one", "two"), tuple(map(str, range(prompts))))


def test_money_goes_where_it_tells_models_apart():
    board, prices = lopsided(), Prices({"far": 0.1, "one": 0.01, "two": 0.01})
    found = allocate_references(board, prices, 0.86, references=(1, 2, 4, 8), draws=4)
    assert found.reached
    assert found.of["far"] == 1
    assert found.of["one"] > 1
    assert found.of["two"] > 1
    assert found.steps[-1].cost == pytest.approx(prices.cost(found.of))
    assert found.steps[-1].cost < found.uniform.cost / 2
    assert found.uniform.accuracy >= 0.86
    value, low, high = found.honest
    assert low < value < high
    assert abs(value - 0.85) < 0.08
    assert found.n == 4 * 40 * 3


def test_steps_grow_one_number_at_a_time_until_what_is_wanted():
    found = allocate_references(lopsided(), Prices({}, default=1.0), 0.85, references=(1, 2, 4, 8), draws=2)
    ladder = [1, 2, 4, 8]
    for before, after in zip(found.steps, found.steps[1:], strict=False):
        moves = [ladder.index(b) - ladder.index(a) for a, b in zip(before.references, after.references, strict=True)]
        assert sorted(moves) == [0, 0, 1]
        assert after.cost > before.cost
    assert all(step.accuracy < 0.85 for step in found.steps[:-1])


def test_what_cannot_be_reached_is_said_with_the_best():
    found = allocate_references(planted(apart=0.2), Prices({}, default=1.0), 0.99, references=(1, 2), draws=2)
    assert not found.reached
    assert found.uniform is None
    assert found.steps[-1].accuracy == max(step.accuracy for step in found.steps)


def test_models_that_cost_nothing_have_all_references_at_once():
    prices = Prices({"far": 1.0, "one": 0.0, "two": 0.0})
    found = allocate_references(lopsided(), prices, 0.5, references=(1, 8), draws=2)
    assert found.steps[0].references == (1, 8, 8)
    assert found.steps[0].cost == 1.0


def test_numbers_that_a_model_does_not_have_are_not_bought():
    board = planted(prompts=8, models=3, images=6, apart=0.1)
    few = ~((board.model == 1) & (np.arange(len(board)) % 6 >= 3))
    found = allocate_references(board.take(few), Prices({}, default=1.0), 1.0, references=(1, 2, 5), draws=2)
    assert max(step.references[1] for step in found.steps) <= 2


def test_costs_are_shared_by_judged_images():
    board, prices = lopsided(), Prices({}, default=1.0)
    one, two = (allocate_references(board, prices, 0.8, references=(1, 2), draws=1, judged=j) for j in (1, 2))
    assert two.steps[0].cost == one.steps[0].cost / 2


def test_what_makes_no_sense_is_refused():
    board = planted()
    for wanted in (0, 1.5, float("nan")):
        with pytest.raises(MorelliError, match="between 0 and 1"):
            allocate_references(board, Prices({}, default=1.0), wanted)
    for judged in (0.0, -1.0, float("nan")):
        with pytest.raises(MorelliError, match="images judged for each prompt is above 0"):
            allocate_references(board, Prices({}, default=0.01), 0.5, judged=judged)
    with pytest.raises(MorelliError, match="no price for the model"):
        allocate_references(board, Prices({"other": 1.0}), 0.9)
    with pytest.raises(NotEnoughDataError):
        allocate_references(planted(images=1), Prices({}, default=1.0), 0.9)
