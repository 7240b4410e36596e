from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.defence import least_exposed, nearest_to_the_middle, prompt_exposure


def board_of(cells: dict[tuple[str, str], list[float]]) -> Board:
    rows = [(p, m, x) for (p, m), values in cells.items() for x in values]
    return Board.of([[x] for _, _, x in rows], [m for _, m, _ in rows], [p for p, _, _ in rows])


def test_the_image_nearest_to_the_middle_is_chosen():
    board = board_of({("p", "a"): [0.0, 2.0, 9.0], ("p", "b"): [4.0, 8.0]})
    # Means 11/3 and 6: the middle is 29/6.
    assert nearest_to_the_middle(board).tolist() == [1, 3]
    assert nearest_to_the_middle(board, keep=2).tolist() == [1, 2, 3, 4]


def test_numbers_give_nobody_away():
    board = board_of({("p", "a"): [0.0, 1.0, 2.0], ("p", "b"): [5.0], ("q", "a"): [1.0, 2.0], ("q", "b"): [2.0, 3.0]})
    chosen = board.take(nearest_to_the_middle(board, keep=2))
    assert chosen.counts.tolist() == [[1, 1], [2, 2]]
    with pytest.raises(MorelliError, match="At least one"):
        nearest_to_the_middle(board, keep=0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), keep=st.integers(1, 3))
def test_what_is_not_chosen_is_no_nearer(seed, keep):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    board = Board.of(rng.normal(size=(n, 2)), rng.choice(list("abc"), n), rng.choice(list("pq"), n))
    chosen = nearest_to_the_middle(board, keep)
    assert len(set(chosen.tolist())) == len(chosen)
    for p in range(len(board.prompts)):
        there = board.counts[p] > 0
        least = min(keep, board.counts[p][there].min()) if there.any() else 0
        means = [board.X[(board.prompt == p) & (board.model == m)].mean(axis=0) for m in np.flatnonzero(there)]
        for m in np.flatnonzero(there):
            cell = np.flatnonzero((board.prompt == p) & (board.model == m))
            distance = np.linalg.norm(board.X[cell] - np.mean(means, axis=0), axis=1)
            picked = np.isin(cell, chosen)
            assert picked.sum() == least
            assert picked.all() or distance[picked].max() <= distance[~picked].min() + 1e-5


def test_prompts_are_as_exposed_as_their_models_are_separable():
    apart = {("p", "a"): [0.0, 0.1], ("p", "b"): [5.0, 5.1]}
    mixed = {("q", "a"): [0.0, 2.0], ("q", "b"): [0.1, 2.1]}
    part = {("r", "a"): [0.0, 0.1], ("r", "b"): [0.25, 9.0]}
    alone = {("s", "a"): [0.0], ("s", "b"): [5.0]}
    np.testing.assert_allclose(prompt_exposure(board_of(apart | mixed | part | alone)), [1.0, 0.0, 0.75, np.nan])
    np.testing.assert_array_equal(prompt_exposure(board_of(alone)), [np.nan])


def test_the_least_exposed_are_shown():
    scores = np.array([0.9, np.nan, 0.1, 0.5, 0.5])
    assert least_exposed(scores, 0.5).tolist() == [2, 3]
    assert least_exposed(scores, 1.0).tolist() == [0, 2, 3, 4]
    assert least_exposed(scores, 0.01).tolist() == [2]
    with pytest.raises(NotEnoughDataError, match="two images each"):
        least_exposed(np.array([np.nan]))
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(MorelliError, match="share"):
            least_exposed(scores, share)
