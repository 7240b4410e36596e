from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from morelli.errors import MorelliError
from morelli.leaderboard._resampled import PromptBootstrap, area, areas_by_group, bounded, sums_by_prompt
from morelli.trials.metrics import cluster_bootstrap_interval

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_area_is_scikit_learns(positive, negative):
    expected = roc_auc_score([1] * len(positive) + [0] * len(negative), positive + negative)
    assert area(np.array(positive, float), np.array(negative, float)) == pytest.approx(expected)


def test_area_without_one_kind_is_none():
    assert np.isnan(area(np.array([]), np.array([1.0])))
    assert np.isnan(area(np.array([1.0]), np.array([])))


def test_areas_by_group_are_those_of_each_group():
    rng = np.random.default_rng(0)
    group, positive = rng.integers(0, 5, 200), rng.random(200) < 0.3
    values = rng.integers(0, 9, 200).astype(float)
    positive[group == 3] = False
    found = areas_by_group(values, positive, group, 6)
    for g in (0, 1, 2, 4):
        assert found[g] == pytest.approx(roc_auc_score(positive[group == g], values[group == g]))
    assert np.isnan(found[[3, 5]]).all()
    assert np.isnan(areas_by_group(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), 2)).all()


def test_shares_have_the_interval_of_the_cluster_bootstrap():
    rng = np.random.default_rng(1)
    prompt = rng.integers(0, 20, 400)
    hits = rng.random(400) < rng.random(20)[prompt]
    sums, sizes = sums_by_prompt(hits, prompt, 20), sums_by_prompt(np.ones(400), prompt, 20)
    boot = PromptBootstrap(20, 2000, seed=0)
    low, high = boot.interval(boot.ratios(sums, sizes))
    assert (low, high) == pytest.approx(cluster_bootstrap_interval(hits, prompt, 2000, 0))


def test_resampled_areas_are_those_of_the_resampled_images():
    rng = np.random.default_rng(2)
    p, n = rng.integers(0, 6, 40), rng.integers(0, 6, 90)
    positive, negative = rng.normal(1, 1, 40).round(1), rng.normal(0, 1, 90).round(1)
    boot = PromptBootstrap(6, 50, seed=3)
    found = boot.areas(positive, p, negative, n)
    for b in range(50):
        weights = boot.weights[b].astype(int)
        expected = area(np.repeat(positive, weights[p]), np.repeat(negative, weights[n]))
        assert found[b] == pytest.approx(expected, nan_ok=True)


def test_many_values_are_binned_without_moving_the_interval():
    rng = np.random.default_rng(3)
    p, n = rng.integers(0, 30, 700), rng.integers(0, 30, 4000)
    positive, negative = rng.normal(1, 1, 700), rng.normal(0, 1, 4000)
    boot = PromptBootstrap(30, 40, seed=0)
    found = boot.areas(positive, p, negative, n)
    exact = [
        area(np.repeat(positive, boot.weights[b].astype(int)[p]), np.repeat(negative, boot.weights[b].astype(int)[n]))
        for b in range(40)
    ]
    np.testing.assert_allclose(found, exact, atol=0.002)


def test_nothing_has_no_resampled_area_and_no_interval():
    boot = PromptBootstrap(3, 10)
    assert np.isnan(boot.areas(np.zeros(0), np.zeros(0, int), np.ones(2), np.zeros(2, int))).all()
    assert np.isnan(boot.interval(np.full((10, 2), np.nan))).all()
    assert np.isnan(boot.ratios(np.zeros(3), np.zeros(3))).all()
    with pytest.raises(MorelliError):
        PromptBootstrap(0)


def test_certainty_is_bounded_as_elsewhere():
    expected = cluster_bootstrap_interval(np.ones(30, bool), np.arange(30) % 10)
    found = bounded(
        np.array([1.0, 0.0, 0.5, 1.0]), np.array([[1, 1], [0, 0], [0.4, 0.6], [1, 1.0]]), np.array([10, 10, 9, 1])
    )
    assert found[0] == pytest.approx(expected)
    assert found[1] == pytest.approx((0.0, 1.0 - expected[0]))
    assert found[2] == pytest.approx((0.4, 0.6))
    assert np.isnan(found[3]).all()


def test_sums_by_prompt():
    values = np.array([[1.0, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(sums_by_prompt(values, np.array([2, 0, 2]), 4), [[3, 4], [0, 0], [6, 8], [0, 0]])
    assert sums_by_prompt(np.zeros((0, 2)), np.zeros(0, int), 3).shape == (3, 2)
