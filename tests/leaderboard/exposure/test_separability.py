from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure import separability
from morelli.leaderboard.exposure.separability import TAUS

from ._planted import brute_frac, planted, shuffled


def line(values: dict[str, list[float]]) -> Board:
    """Images of one prompt on a line."""
    X = [[value] for some in values.values() for value in some]
    names = [name for name, some in values.items() for _ in some]
    return Board.of(np.array(X), names, ["p"] * len(names))


def test_by_hand():
    # a: 0 is nearest to 1, 1 to 0, 10 to 11 of b. b: 11 to 10 of a, 30 to 31, 31 to 30.
    found = separability(line({"a": [0, 1, 10], "b": [11, 30, 31]}), tau=0.6)
    assert found.frac.tolist() == [[2 / 3, 2 / 3]]
    assert found.D.tolist() == [1.0]
    assert separability(line({"a": [0, 1, 10], "b": [11, 30, 31]}), tau=2 / 3).D.tolist() == [0.0], "more than tau"
    assert found.chance.tolist() == [[2 / 5, 2 / 5]]


def test_one_of_another_at_the_same_distance_counts_against():
    assert separability(line({"a": [0, 1], "b": [-1, 50]})).frac.tolist() == [[0.5, 0.0]]


def test_identical_images_separate_nothing():
    board = planted(3, 4, 5)
    same = replace(board, X=np.full_like(board.X, 0.1))
    for metric in ("euclidean", "cosine"):
        found = separability(same, metric=metric)
        assert (found.frac == 0.0).all() and (found.D == 0.0).all()
        assert found.silhouette.tolist() == found.margin.tolist() == [0.0] * 4
    zero = separability(replace(board, X=np.zeros_like(board.X)), metric="cosine")
    assert (zero.frac == 0.0).all()


def test_copies_of_one_image_for_two_models_are_no_evidence():
    board = planted(2, 1, 3, pair=30.0)
    X = board.X.copy()
    X[3] = X[0]
    X[4] = X[0]  # an image of model 0 twice among those of model 1
    found = separability(replace(board, X=X))
    assert found.frac.tolist() == [[2 / 3, 0.0]], "two copies have each other, and the original as near"


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("images", [4, (1, 2, 5, 3)])
def test_agrees_with_loops(metric, images):
    board = shuffled(planted(4, 5, images, pair=0.7))
    found = separability(board, metric=metric)
    np.testing.assert_array_equal(found.frac, brute_frac(board, metric))


def test_single_images_are_undefined_and_rivals():
    board = planted(3, 6, (1, 4, 4), pair=5.0)
    found = separability(board)
    assert np.isnan(found.frac[:, 0]).all() and np.isnan(found.balanced[:, 0]).all()
    assert found.rates.n.tolist() == [2.0] * 6
    assert (found.frac[:, 1:] == 1.0).mean() > 0.8
    # The only image of model 0 on one of model 1: that one has a neighbour of another model at distance 0.
    X = board.X.copy()
    X[0] = X[1]
    assert separability(replace(board, X=X)).frac[0, 1] < 1.0


def test_what_is_not_contested_is_left_out():
    board = planted(2, 3, 4, pair=5.0)
    kept = board.take(~((board.prompt == 1) & (board.model == 0)))
    found = separability(kept)
    assert np.isnan(found.D[1]) and np.isfinite(found.D[[0, 2]]).all()
    assert np.isfinite(found.mean_D)


def test_nothing_to_measure():
    with pytest.raises(NotEnoughDataError, match="two images"):
        separability(planted(3, 4, 1))
    empty = Board(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), ("a", "b"), ("p",))
    with pytest.raises(NotEnoughDataError):
        separability(empty)


def test_arguments():
    board = planted(2, 2, 2)
    for tau in (-0.1, 1.0, float("nan")):
        with pytest.raises(MorelliError, match="threshold"):
            separability(board, tau)
    with pytest.raises(MorelliError, match="distance"):
        separability(board, metric="manhattan")  # type: ignore[arg-type]


def drawn_frac(board: Board, sizes: tuple[int, ...]) -> np.ndarray:
    """Mean of frac over all draws of so many images of each model for one prompt."""
    choices = [combinations(np.flatnonzero(board.model == m).tolist(), size) for m, size in enumerate(sizes)]
    draws = [separability(board.take(sum(rows, ())), n_boot=1).frac[0] for rows in product(*choices)]
    return np.mean(draws, axis=0)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_balanced_is_the_mean_over_all_draws(metric):
    board = planted(3, 1, (2, 3, 4), pair=0.8, seed=3)
    unit = board if metric == "euclidean" else replace(board, X=board.X / np.linalg.norm(board.X, axis=1)[:, None])
    found = separability(board, metric=metric)
    np.testing.assert_allclose(found.balanced[0], drawn_frac(unit, (2, 2, 2)), atol=1e-9)
    assert (found.chance_balanced == 1 / 5).all()
    assert (found.balanced != found.frac).any()


def test_balanced_takes_single_images_as_they_are():
    board = planted(3, 1, (1, 3, 5), pair=0.8, seed=4)
    found = separability(board)
    np.testing.assert_allclose(found.balanced[0, 1:], drawn_frac(board, (1, 3, 3))[1:], atol=1e-9)
    np.testing.assert_allclose(found.chance_balanced[0, 1:], 2 / 6)


def test_balanced_is_frac_where_counts_are_equal():
    found = separability(planted(4, 6, 5))
    np.testing.assert_array_equal(found.balanced, found.frac)


def test_many_images_attract_neighbours_and_balancing_undoes_it():
    board = planted(2, 200, (3, 24), pair=0.0)
    found = separability(board)
    assert np.nanmean(found.frac[:, 1]) == pytest.approx(23 / 26, abs=0.03)
    assert np.nanmean(found.frac[:, 0]) == pytest.approx(2 / 26, abs=0.03)
    np.testing.assert_allclose(found.chance[0], [2 / 26, 23 / 26])
    np.testing.assert_allclose(found.balanced.mean(axis=0), [2 / 5, 2 / 5], atol=0.04)


def test_curve_falls_and_holds_D():
    found = separability(planted(4, 20, 8, pair=1.2), tau=0.75)
    values = [value for _, value, _, _ in found.curve]
    assert [tau for tau, *_ in found.curve] == list(TAUS)
    assert values == sorted(values, reverse=True) and values[0] > values[-1]
    assert {tau: value for tau, value, _, _ in found.curve}[0.75] == found.mean_D
    assert all(low <= value <= high for _, value, low, high in found.curve)


def test_interval_of_D_holds_it_and_is_cautious_at_the_ends():
    found = separability(planted(5, 30, 10, pair=np.linspace(0, 12, 30)))
    assert ((found.low <= found.D) & (found.high >= found.D)).all()
    sure = found.D == 1.0
    assert sure.any() and found.low[sure] == pytest.approx(0.025 ** (1 / 5))
    assert (found.D == 0.0).any()


def test_interval_covers_D_of_the_models_at_large():
    """Models are drawn: with many of them in all, half of them separable, intervals hold one half 9 times of 10."""
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(40):
        strong = rng.random(10) < 0.5
        X, names = [], []
        for m, far in enumerate(strong):
            centre = np.zeros(12)
            centre[m] = 100.0 if far else 0.0
            X.append(centre + rng.standard_normal((8, 12)))
            names += [f"m{m}"] * 8
        found = separability(Board.of(np.concatenate(X), names, ["p"] * 80), tau=0.9, seed=trial, n_boot=400)
        held += found.low[0] <= 0.5 <= found.high[0]
    assert held >= 34


@given(st.integers(0, 10_000), st.floats(0.1, 20.0))
@settings(max_examples=25, deadline=None)
def test_laws(seed, scale):
    """Order, shift, turn and scale of embeddings change nothing."""
    board = planted(3, 3, (2, 3, 4), dim=4, seed=seed)
    found = separability(board, n_boot=5)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((4, 4)))
    moved = shuffled(replace(board, X=(board.X.astype(float) @ turn) * scale + 3.0))
    again = separability(moved, n_boot=5)
    np.testing.assert_array_equal(found.frac, again.frac)
    np.testing.assert_allclose(found.balanced, again.balanced, atol=1e-12)
    np.testing.assert_allclose(found.silhouette, again.silhouette, atol=1e-4)
    assert ((found.balanced >= 0) & (found.balanced <= 1)).all()


def test_silhouette_is_that_of_scikit_learn():
    from sklearn.metrics import silhouette_samples

    board = planted(3, 2, (3, 4, 5))
    found = separability(board)
    for p in range(2):
        rows = board.prompt == p
        values = silhouette_samples(board.X[rows].astype(float), board.model[rows])
        by_model = [values[board.model[rows] == m].mean() for m in range(3)]
        assert found.silhouette[p] == pytest.approx(np.mean(by_model), abs=1e-9)


def test_same_seed_same_result_other_seed_other_interval():
    board = planted(4, 10, 6)
    a, b, c = (separability(board, seed=seed) for seed in (0, 0, 1))
    assert a.low.tobytes() == b.low.tobytes() and a.interval == b.interval
    assert a.interval_frac != c.interval_frac and a.frac.tobytes() == c.frac.tobytes()
