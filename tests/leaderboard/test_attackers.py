from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestCentroid as Reference

from morelli.errors import MorelliError
from morelli.leaderboard.attackers import NearestCentroid, ranks_of_truth
from morelli.leaderboard.board import Board

INF = np.inf


@pytest.mark.parametrize(
    ("scores", "truth", "rank"),
    [
        ([3, 2, 1], 0, 0),
        ([3, 2, 1], 2, 2),
        ([2, 2, 1], 0, 1),  # ties count against the attacker
        ([2, 2, 2], 1, 2),
        ([-INF, -5, -INF], 1, 0),
        ([-INF, -5, -INF], 0, 3),  # it cannot be named: last
        ([-INF, -INF, -INF], 2, 3),
        ([0.0], 0, 0),
    ],
)
def test_ranks(scores, truth, rank):
    result = ranks_of_truth(np.array([scores], dtype=float), np.array([truth]))
    assert result.tolist() == [rank] and result.dtype == np.int64


def test_ranks_of_nothing():
    assert ranks_of_truth(np.zeros((0, 3)), np.zeros(0, dtype=int)).shape == (0,)


score = st.sampled_from([-INF, -2.0, -1.0, 0.0, 1.0])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(score, min_size=4, max_size=4), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_laws_of_ranks(rows, random):
    scores = np.array(rows)
    truth = np.array([random.randrange(4) for _ in rows])
    ranks = ranks_of_truth(scores, truth)
    for row, t, rank in zip(scores, truth, ranks, strict=True):
        expected = 4 if row[t] == -INF else sum(value >= row[t] for value in row) - 1
        assert rank == expected
    turn = np.array(random.sample(range(4), 4))
    assert np.array_equal(ranks, ranks_of_truth(scores[:, turn], np.argsort(turn)[truth]))
    assert np.array_equal(ranks, ranks_of_truth(scores * 3 + 7, truth))  # only the order counts


def board(seed=0, n=60, models=4, prompts=3, d=5):
    rng = np.random.default_rng(seed)
    names = tuple(f"m{i}" for i in range(models)), tuple(f"p{i}" for i in range(prompts))
    model = np.arange(n) % models
    return Board(rng.normal(size=(n, d)), model, rng.permutation(np.arange(n) // models % prompts), *names)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_scores_are_minus_the_distances_to_the_means(metric):
    references = board()
    X, prompt = np.random.default_rng(1).normal(size=(20, 5)), np.arange(20) % 3
    scores = NearestCentroid(metric)(references, X, prompt)
    for p in range(3):
        own = references.prompt == p
        means = np.full((4, 5), np.nan)
        for m in range(4):
            if (own & (references.model == m)).any():
                means[m] = references.X[own & (references.model == m)].mean(axis=0)
        expected = -cdist(X[prompt == p], means, metric)
        np.testing.assert_allclose(scores[prompt == p], np.where(np.isnan(expected), -INF, expected), atol=1e-6)


def test_it_agrees_with_scikit_learn():
    references = board(prompts=1)
    X = np.random.default_rng(2).normal(size=(50, 5))
    theirs = Reference().fit(references.X, references.model).predict(X)
    assert np.array_equal(NearestCentroid()(references, X, np.zeros(50, dtype=int)).argmax(axis=1), theirs)


def test_who_has_no_references_for_the_prompt_cannot_be_named():
    references = board().take(np.flatnonzero((board().model != 2) | (board().prompt != 1)))
    scores = NearestCentroid()(references, references.X[:6], np.full(6, 1))
    assert np.isneginf(scores[:, 2]).all() and np.isfinite(scores[:, [0, 1, 3]]).all()
    assert (ranks_of_truth(scores, np.full(6, 2)) == 4).all()
    nobody = references.take([])
    assert np.isneginf(NearestCentroid()(nobody, references.X[:2], np.zeros(2, dtype=int))).all()


def test_equal_centroids_are_a_tie_that_the_attacker_loses():
    references = Board(np.ones((4, 2)), [0, 0, 1, 1], [0] * 4, ("a", "b"), ("p",))
    scores = NearestCentroid()(references, np.array([[1.0, 1.0], [0.0, 3.0]]), np.zeros(2, dtype=int))
    assert ranks_of_truth(scores, np.array([0, 1])).tolist() == [1, 1]


def test_nothing_to_name():
    assert NearestCentroid()(board(), np.zeros((0, 5)), np.zeros(0, dtype=int)).shape == (0, 4)


def test_a_distance_that_there_is_not():
    with pytest.raises(MorelliError, match="one of euclidean, cosine, not 'l1'"):
        NearestCentroid("l1")(board(), np.zeros((1, 5)), np.zeros(1, dtype=int))
