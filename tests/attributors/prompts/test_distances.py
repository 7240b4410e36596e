from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from morelli.attributors.prompts.distances import METRICS, cell_means, distances_to_centroids, unit_vectors
from morelli.errors import MorelliError


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METRICS), st.integers(1, 4), st.integers(1, 5))
def test_as_scipy_has_it(seed, metric, n_prompts, n_models):
    rng = np.random.default_rng(seed)
    X, prompt = rng.normal(size=(20, 3)), rng.integers(n_prompts, size=20)
    centroids = rng.normal(size=(n_prompts, n_models, 3))
    centroids[rng.random((n_prompts, n_models)) < 0.2] = np.nan
    found = distances_to_centroids(X, prompt, centroids, metric)
    for i in range(20):
        wanted = cdist(X[i : i + 1], centroids[prompt[i]], metric)[0]
        assert np.allclose(found[i], np.where(np.isnan(wanted), np.inf, wanted), atol=1e-6)


def test_distances_of_other_kinds_are_refused():
    with pytest.raises(MorelliError, match="euclidean, cosine"):
        distances_to_centroids(np.zeros((1, 2)), np.zeros(1, int), np.zeros((1, 1, 2)), "manhattan")


def test_means_of_cells():
    X = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 1.0]])
    means, counts = cell_means(X, np.array([2, 0, 2]), 4)
    assert counts.tolist() == [1, 0, 2, 0]
    assert means[[0, 2]].tolist() == [[3.0, 0.0], [3.0, 0.5]]
    assert np.isnan(means[[1, 3]]).all()
    nothing, none = cell_means(np.zeros((0, 2)), np.zeros(0, dtype=int), 2)
    assert np.isnan(nothing).all() and none.tolist() == [0, 0]


def test_a_row_of_zeros_has_no_direction():
    assert unit_vectors(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0.0, 0.0], [0.6, 0.8]]
