from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.audit.mixture import adjusted_shares, response_matrix


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_a_known_mixture_is_unmixed(k, seed):
    rng = np.random.default_rng(seed)
    responses = 0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), size=k)
    shares = rng.dirichlet(np.ones(k))
    assert adjusted_shares(shares @ responses, responses) == pytest.approx(shares, abs=1e-5)


def test_shares_stay_within_bounds():
    responses = np.array([[0.6, 0.4], [0.4, 0.6]])
    assert adjusted_shares([0.9, 0.1], responses) == pytest.approx([1, 0], abs=1e-5)


def test_responses_are_means_by_candidate():
    proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert response_matrix(proba, [0, 0, 1], 2) == pytest.approx(np.array([[0.7, 0.3], [0.2, 0.8]]))
    assert response_matrix(proba, [0, 0, 1], 2, [1, 3, 1])[0] == pytest.approx([0.6, 0.4])
    # A candidate without images is taken at its word.
    assert response_matrix(proba[:2], [0, 0], 2)[1] == pytest.approx([0, 1])


def test_as_quapy():
    aggregative = pytest.importorskip("quapy.method.aggregative")
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=300)
    proba = np.exp(2 * np.eye(4)[codes] + rng.normal(size=(300, 4)))
    proba /= proba.sum(axis=1, keepdims=True)
    theirs = aggregative.PACC.getPteCondEstim(np.arange(4), codes, proba)
    ours = response_matrix(proba, codes, 4)
    assert np.allclose(ours.T, theirs)
    judged = proba[codes != 3]
    solved = aggregative.ACC.solve_adjustment(
        class_conditional_rates=theirs, unadjusted_counts=judged.mean(axis=0), method="inversion", solver="minimize"
    )
    assert adjusted_shares(judged.mean(axis=0), ours) == pytest.approx(solved, abs=2e-3)
