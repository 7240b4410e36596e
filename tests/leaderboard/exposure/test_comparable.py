from __future__ import annotations

import numpy as np

from morelli.leaderboard.exposure import assess, comparable, exposure_section, prompts_section

from ._planted import planted


def without(board, pairs):
    """Leave out all images of some pairs of prompt and model."""
    gone = np.zeros(len(board), dtype=bool)
    for prompt, model in pairs:
        gone |= (board.prompt == prompt) & (board.model == model)
    return board.take(~gone)


def shape(board):
    there = board.counts > 0
    return np.flatnonzero(there.any(axis=1)).tolist(), np.flatnonzero(there.any(axis=0)).tolist()


def test_a_whole_board_is_left_as_it_is():
    board = planted(3, 4, (2, 5, 3))
    assert comparable(board) is board


def test_prompts_that_lack_a_model_are_left_out():
    board = without(planted(4, 6, 3), [(0, 1), (4, 2)])
    assert shape(comparable(board)) == ([1, 2, 3, 5], [0, 1, 2, 3])


def test_a_model_that_most_prompts_lack_is_left_out():
    board = without(planted(4, 6, 3), [(p, 3) for p in range(1, 6)])
    assert shape(comparable(board)) == ([0, 1, 2, 3, 4, 5], [0, 1, 2])


def test_single_images_are_not_judged_and_do_not_count():
    board = planted(3, 5, (1, 4, 4))
    assert shape(comparable(board)) == ([0, 1, 2, 3, 4], [1, 2])


def test_nothing_to_compare_is_left_to_those_who_need_it():
    board = planted(3, 3, 1)
    assert comparable(board) is board


def test_prompts_with_an_easy_pair_do_not_top_the_list():
    """Models 2 and 3 are alike; prompts that lack them are easy, and say nothing about prompts."""
    board = planted(4, 20, 6, pair=1.0, own=3.0, seed=1)
    X = board.X.copy()
    X[board.model == 3] = X[board.model == 2] + 0.3 * np.random.default_rng(0).standard_normal((120, 8))
    alike = type(board)(X, board.model, board.prompt, board.models, board.prompts)
    board = without(alike, [(p, m) for p in range(6) for m in (2, 3)])
    found = assess(board, n_boot=50, draws=4, splits=2, choose=3)
    assert (found.exposure.D[:6] == 1.0).all() and found.exposure.D[6:].max() < 1.0
    assert found.agreements.prompts == 14
    assert found.submitted is not None and found.submitted.chosen.min() >= 6
    assert any("among the 14 that all have" in note for note in exposure_section(found).findings.notes)
    assert any(note.startswith("6 prompts have not the same") for note in prompts_section(found).findings.notes)
    rows = next(table for table in exposure_section(found).findings.tables if table.name == "prompts").rows
    assert len(rows) == 20, "D itself is that of all prompts"
