from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from morelli.audit.mixture import em_shares


def posteriors(n, k, seed, sharpness=2.0):
    rng = np.random.default_rng(seed)
    values = np.exp(sharpness * rng.normal(size=(n, k)))
    return values / values.sum(axis=1, keepdims=True)


def test_certain_answers_are_counted():
    proba = np.eye(3)[[0, 0, 1, 2, 2, 2]]
    assert em_shares(proba) == pytest.approx([2 / 6, 1 / 6, 3 / 6])


def test_answers_that_say_nothing_leave_shares_equal():
    assert em_shares(np.full((7, 4), 0.25)) == pytest.approx([0.25] * 4)


def test_it_is_the_maximum_of_the_likelihood():
    proba = posteriors(60, 3, 4)

    def loss(free):
        shares = np.exp(np.append(free, 0.0))
        return -np.log(proba @ (shares / shares.sum())).sum()

    best = minimize(loss, np.zeros(2), tol=1e-12)
    shares = np.exp(np.append(best.x, 0.0))
    assert em_shares(proba, tolerance=1e-12, most_steps=20_000) == pytest.approx(shares / shares.sum(), abs=1e-4)


def test_as_quapy():
    aggregative = pytest.importorskip("quapy.method.aggregative")
    proba = posteriors(200, 5, 1)
    theirs, _ = aggregative.EMQ.EM(np.full(5, 0.2), proba, epsilon=1e-9)
    assert em_shares(proba, tolerance=1e-10) == pytest.approx(theirs, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 10**6))
def test_shares_sum_to_one_and_order_does_not_matter(n, k, seed):
    proba = posteriors(n, k, seed)
    shares = em_shares(proba)
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    order = np.random.default_rng(seed).permutation(n)
    assert em_shares(proba[order]) == pytest.approx(shares, abs=1e-6)


def test_weights_are_repetitions():
    proba = posteriors(12, 3, 2)
    counts = np.array([[1] * 12, [3, 0, 1, 0, 2, 0, 1, 1, 0, 1, 2, 1]])
    both = em_shares(proba, weights=counts)
    assert both.shape == (2, 3)
    assert both[0] == pytest.approx(em_shares(proba), abs=1e-5)
    assert both[1] == pytest.approx(em_shares(np.repeat(proba, counts[1], axis=0)), abs=1e-5)


def test_factors_scale_likelihoods():
    proba = posteriors(30, 3, 3)
    factors = np.array([2.0, 1.0, 0.5])
    scaled = proba * factors
    assert em_shares(proba, factors=factors) == pytest.approx(em_shares(scaled), abs=1e-5)
    assert em_shares(proba, factors=np.stack([factors, np.ones(3)])).shape == (2, 3)


def test_impossible_answers_do_not_divide_by_zero():
    shares = em_shares(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), factors=[1e-300, 1.0])
    assert np.isfinite(shares).all() and shares.sum() == pytest.approx(1)
