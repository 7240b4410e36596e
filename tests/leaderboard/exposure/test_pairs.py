from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure import Success, confused_pairs, prompt_success

from ._planted import planted


def family(lineages=("a", "a", "b", "b", "c", "c"), near: float = 1.0, seed: int = 0) -> Board:
    """Six models in three pairs: those of a pair share most of their means."""
    rng = np.random.default_rng(seed)
    P, k, dim = 40, 5, 10
    shared, own = rng.standard_normal((P, 3, dim)), rng.standard_normal((P, 6, dim))
    means = 2 * np.repeat(shared, 2, axis=1) * near + own * (0.4 if near else 1.0)
    X = means[:, :, None] + rng.standard_normal((P, 6, k, dim))
    return Board(
        X.reshape(-1, dim),
        np.tile(np.repeat(np.arange(6), k), P),
        np.repeat(np.arange(P), 6 * k),
        tuple("uvwxyz"),
        tuple(f"p{i}" for i in range(P)),
        lineages=lineages,
    )


def test_by_hand():
    """Two prompts; on the second, only b and c were judged."""
    board = planted(3, 2, 3)
    named = np.zeros((2, 3, 3), np.int64)
    named[0] = [[6, 4, 0], [1, 9, 0], [0, 5, 5]]
    named[1] = [[0, 0, 0], [0, 8, 2], [0, 0, 10]]
    success = Success(board.models, board.prompts, 1, 1, 0, named, named.sum(axis=2), np.ones((2, 3), np.int64))
    found = confused_pairs(board, success)
    by_name = {(pair.first[-1], pair.second[-1]): pair for pair in found.pairs}
    assert by_name["0", "1"].confusion == pytest.approx((0.4 + 0.1) / 2)
    assert (by_name["0", "1"].forth, by_name["0", "1"].back, by_name["0", "1"].prompts) == (0.4, 0.1, 1)
    assert by_name["1", "2"].confusion == pytest.approx(((0 + 0.5) / 2 + (0.2 + 0) / 2) / 2)
    assert by_name["0", "2"].confusion == 0.0
    assert [pair.confusion for pair in found.pairs] == sorted((p.confusion for p in found.pairs), reverse=True)
    assert found.even == pytest.approx((10 / 2 + 2 / 2) / 50)
    assert np.isnan(by_name["0", "1"].interval).all()


def test_kin_are_confused_and_the_test_says_so():
    board = family()
    found = confused_pairs(board, prompt_success(board, k=3, draws=5), n_permutations=999)
    assert {(pair.first, pair.second) for pair in found.pairs[:3]} == {("u", "v"), ("w", "x"), ("y", "z")}
    assert all(pair.same_lineage for pair in found.pairs[:3])
    assert not any(pair.same_lineage for pair in found.pairs[3:])
    kin = found.kinship
    assert kin is not None and kin.pairs == 3 and kin.expected == pytest.approx(3 / 15)
    assert kin.same > 2 * kin.other and kin.share > 0.5 and kin.explained > 0.8
    # Of the 15 ways to pair six models off, one is as confused: p is 1/15.
    assert kin.p == pytest.approx(1 / 15, abs=0.03)
    assert found.pairs[0].interval[0] <= found.pairs[0].confusion <= found.pairs[0].interval[1]


def test_lineages_that_mean_nothing():
    p = []
    for seed in range(12):
        board = family(near=0.0, seed=seed)
        kin = confused_pairs(board, prompt_success(board, k=3, draws=3), n_permutations=199, n_boot=10).kinship
        assert kin is not None
        p.append(kin.p)
    assert np.mean(p) == pytest.approx(0.5, abs=0.25) and min(p) > 0.01


@pytest.mark.parametrize("lineages", [(None,) * 6, ("a",) * 6, tuple("abcdef"), ("a", "a", None, None, None, None)])
def test_lineages_that_cannot_be_compared(lineages):
    board = family(lineages)
    assert confused_pairs(board, prompt_success(board, k=1, draws=1), n_permutations=9, n_boot=10).kinship is None


def test_some_lineages_unknown():
    board = family(("a", "a", "b", None, "c", "c"))
    found = confused_pairs(board, prompt_success(board, k=3, draws=2), n_permutations=99)
    assert found.kinship is not None and found.kinship.pairs == 2
    assert {pair.same_lineage for pair in found.pairs} == {True, False, None}


def test_offsets_are_measured_without_noise():
    """One model is 3 away from two others that have one mean: distances 3, 3 and 0, whatever noise there is."""
    rng = np.random.default_rng(0)
    P, k, dim = 400, 2, 20
    X = rng.standard_normal((P, 3, k, dim)) * 2.0
    X[:, 0, :, 0] += 3.0
    board = Board(
        X.reshape(-1, dim), np.tile(np.repeat(np.arange(3), k), P), np.repeat(np.arange(P), 3 * k), tuple("abc"),
        tuple(map(str, range(P))),
    )  # fmt: skip
    found = confused_pairs(board, prompt_success(board, k=1, draws=2), n_permutations=99)
    distance = {(pair.first, pair.second): pair.distance for pair in found.pairs}
    assert distance["a", "b"] == pytest.approx(3.0, abs=0.25)
    assert distance["b", "c"] < 0.3, "the mean difference itself is 0.45 long by noise alone"
    assert (found.pairs[0].first, found.pairs[0].second) == ("b", "c")
    assert found.nearness is not None and found.nearness.r is not None and found.nearness.r > 0


def test_pairs_that_never_meet():
    board = planted(3, 4, 4)
    board = board.take(~((board.prompt < 2) & (board.model == 0)) & ~((board.prompt >= 2) & (board.model == 1)))
    found = confused_pairs(board, prompt_success(board, k=1))
    assert {(p.first, p.second) for p in found.pairs} == {("model-1", "model-2"), ("model-0", "model-2")}
    assert found.nearness is None


def test_nothing_judged_together():
    board = planted(2, 3, (1, 4))
    with pytest.raises(NotEnoughDataError, match="same prompt"):
        confused_pairs(board, prompt_success(board))


def test_names_of_models_do_not_matter():
    board = family()
    other = replace(board, models=("a-1", "a-2", "Ωμέγα", "x", "y", "z"))
    a, b = (confused_pairs(x, prompt_success(x, k=2, draws=2), n_permutations=49) for x in (board, other))
    assert a.kinship == b.kinship and [p.confusion for p in a.pairs] == [p.confusion for p in b.pairs]
