from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from morelli.leaderboard.target import measure_spread
from morelli.leaderboard.target.spread import distances_to_all

from .._planted_boards import planted


def test_distances_to_the_own_and_to_the_left_out_centroid():
    board = planted(prompts=3, models=2, images=5)
    rows = np.random.default_rng(0).permutation(len(board))[:17]
    spread = measure_spread(board, rows)
    rows = rows[np.argsort(board.cell[rows], kind="stable")]
    X = board.X.astype(float)
    for at, row in enumerate(rows):
        mates = rows[board.cell[rows] == board.cell[row]]
        others = mates[mates != row]
        np.testing.assert_allclose(spread.distances[at], np.linalg.norm(X[row] - X[mates].mean(axis=0)), atol=1e-9)
        if len(others):
            expected = np.linalg.norm(X[row] - X[others].mean(axis=0))
            np.testing.assert_allclose(spread.left_out[at], expected, atol=1e-9)
        else:
            assert np.isnan(spread.left_out[at])
    np.testing.assert_allclose(spread.squares.sum(), (spread.distances**2).sum())
    assert spread.counts.sum() == 17


def test_distances_to_all_are_scipys_and_infinite_without_references():
    board = planted(prompts=3, models=3, images=4)
    spread = measure_spread(board, np.flatnonzero(board.cell != 4))
    found = distances_to_all(board.X, board.prompt, spread.centroids)
    for p in range(3):
        here = board.prompt == p
        expected = cdist(board.X[here].astype(float), spread.centroids[p])
        expected[np.isnan(expected)] = np.inf
        np.testing.assert_allclose(found[here], expected, atol=1e-9)
    assert np.isinf(found[board.prompt == 1, 1]).all()


def test_an_image_that_equals_all_references_is_at_their_centroid():
    board = planted(prompts=1, models=2, images=3)
    same = np.repeat(board.X[:1], 3, axis=0)
    spread = measure_spread(board.take(np.arange(6)), np.arange(6))
    equal = planted(prompts=1, models=2, images=3)
    X = equal.X.copy()
    X[:3] = same
    from dataclasses import replace

    board = replace(equal, X=X)
    spread = measure_spread(board, np.arange(6))
    assert (spread.distances[:3] == 0).all()
    assert distances_to_all(same[:1], np.zeros(1, int), spread.centroids)[0, 0] == 0
