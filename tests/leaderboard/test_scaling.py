from __future__ import annotations

from dataclasses import replace

import numpy as np

from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure import separability
from morelli.leaderboard.scaling import standardised

from .exposure._planted import planted, shuffled


def test_columns_vary_alike_within_prompts():
    board = shuffled(planted(3, 6, (2, 4, 5), pair=2.0))
    scales = 10.0 ** np.arange(-3, 5)
    found = standardised(replace(board, X=board.X * scales + 7 * scales * board.prompt[:, None]))
    X = found.X.astype(float)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-3)
    for p in range(6):
        X[found.prompt == p] -= X[found.prompt == p].mean(axis=0)
    np.testing.assert_allclose((X**2).mean(axis=0), 1.0, rtol=1e-3)
    assert "standard deviation" in found.notes[-1]


def test_a_large_column_of_noise_no_longer_decides():
    board = planted(3, 20, 6, pair=2.0)
    noise = 1e3 * np.random.default_rng(0).standard_normal((len(board), 1))
    mixed = replace(board, X=np.hstack([board.X, noise]), blocks={})
    assert separability(mixed).mean_frac < 0.5 < separability(standardised(mixed)).mean_frac - 0.2


def test_columns_that_do_not_vary_are_zero():
    board = planted(2, 3, 3)
    X = board.X.copy()
    X[:, 0] = 0.1
    X[:, 1] = 1e6 * (1 + board.prompt)
    found = standardised(replace(board, X=X))
    assert (found.X[:, :2] == 0.0).all() and (found.X[:, 2:] != 0.0).any()


def test_an_empty_board_stays_one():
    empty = Board(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int), ("a", "b"), ("p",))
    assert len(standardised(empty)) == 0
