from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.attributors.prompts.distances import cell_means
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard._drawing import clip_references, draw_references
from morelli.leaderboard.board import Board

from ._planted_boards import planted


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=8, max_size=40), st.integers(0, 9))
def test_one_image_of_each_cell_is_judged_and_is_no_reference(cells, seed):
    prompt, model = np.array(cells).T
    board = Board(np.zeros((len(cells), 1)), model, prompt, tuple("abcd"), tuple("pqrs"))
    several = (board.counts >= 2) & board.contested[:, None]
    if not several.any():
        with pytest.raises(NotEnoughDataError):
            list(draw_references(board, 1, seed))
        return
    for draw in draw_references(board, 2, seed):
        np.testing.assert_array_equal(np.sort(board.cell[draw.judged]), np.flatnonzero(several.ravel()))
        everything = draw.references(10**6)
        assert not set(everything) & set(draw.judged.tolist())
        left = np.bincount(board.cell[everything], minlength=16).reshape(4, 4)
        np.testing.assert_array_equal(left, np.where(board.counts >= 2, board.counts - 1, board.counts))
        two = draw.references(2)
        np.testing.assert_array_equal(np.bincount(board.cell[two], minlength=16), np.minimum(left, 2).ravel())
        assert set(draw.references(1).tolist()) <= set(two.tolist())


def test_more_draws_do_not_change_the_first_and_draws_differ():
    board = planted()
    few, many = list(draw_references(board, 2, 5)), list(draw_references(board, 4, 5))
    np.testing.assert_array_equal(few[1].place, many[1].place)
    assert (many[0].place != many[1].place).any()
    assert (few[0].place != next(draw_references(board, 1, 6)).place).any()


def test_numbers_are_clipped_once_and_told():
    board = planted(images=6)
    assert clip_references(board, (30, 2, 1, 10, 2)) == (
        (1, 2, 5),
        ("No model has more than 5 references for a prompt beside the image that is judged: 5 stand for 10, 30.",),
    )
    assert clip_references(board, (1, 5)) == ((1, 5), ())


@pytest.mark.parametrize("asked", [(), (0, 1), (-2,)])
def test_numbers_below_one_are_refused(asked):
    with pytest.raises(MorelliError, match="1 or more"):
        clip_references(planted(), asked)


def test_one_image_of_each_model_cannot_be_judged():
    with pytest.raises(NotEnoughDataError, match="at least two images"):
        next(draw_references(planted(images=1), 1, 0))
    with pytest.raises(MorelliError, match="At least one draw"):
        next(draw_references(planted(), 0, 0))


def test_centroids_are_those_of_the_references():
    board = planted(prompts=4, models=3, images=6)
    board = board.take(~((board.prompt == 2) & (board.model == 1)))
    draw = next(draw_references(board, 1, 0))
    ks = (1, 2, 5)
    for k, (centroids, counts) in zip(ks, draw.centroids(board, ks), strict=True):
        rows = draw.references(k)
        means, numbers = cell_means(board.X[rows], board.cell[rows], 12)
        np.testing.assert_allclose(centroids.reshape(12, -1), means, atol=1e-9)
        np.testing.assert_array_equal(counts.ravel(), numbers)
        assert np.isnan(centroids[2, 1]).all()
