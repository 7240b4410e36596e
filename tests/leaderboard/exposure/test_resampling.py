from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from morelli.errors import MorelliError
from morelli.leaderboard.exposure import _resampling as r
from morelli.trials.metrics import cluster_bootstrap_interval


def test_shares_are_those_of_the_cluster_bootstrap():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    hits = rng.random(len(clusters)) < 0.6
    sums, sizes = np.bincount(clusters, hits), np.bincount(clusters)
    assert r.share_interval(sums, sizes, 500, 3) == pytest.approx(cluster_bootstrap_interval(hits, clusters, 500, 3))
    for same in (np.ones(len(hits)), np.zeros(len(hits))):
        expected = cluster_bootstrap_interval(same, clusters, 500, 3)
        assert r.share_interval(np.bincount(clusters, same), sizes, 500, 3) == pytest.approx(expected)


def test_prompts_without_images_do_not_count():
    a = r.share_interval([1, 2, 3], [4, 4, 4], 200, 0)
    assert r.share_interval([1, 0, 2, 3], [4, 0, 4, 4], 200, 0) == a
    assert np.isnan(r.share_interval([3, 0], [4, 0], 200, 0)).all()


def spearman_interval(x, y, n_boot, seed):
    return r.paired_interval(lambda i: r.rank_correlations(x[i], y[i]), len(x), n_boot, seed)


def test_rank_correlation():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, 30).astype(float)
    y = x + rng.standard_normal(30)
    assert r.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    low, high = spearman_interval(x, y, 500, 0)
    assert low < r.spearman(x, y) < high
    assert np.isnan(r.spearman(np.ones(30), y)) and np.isnan(r.spearman([1, 2], [1, 2]))
    assert np.isnan(spearman_interval(np.arange(3.0), np.arange(3.0), 100, 0)).all()


def test_interval_of_a_rank_correlation_covers():
    rng, held = np.random.default_rng(2), 0
    for trial in range(80):
        x = rng.standard_normal(40)
        y = 0.6 * x + 0.8 * rng.standard_normal(40)
        low, high = spearman_interval(x, y, 200, trial)
        held += low <= 6 / np.pi * np.arcsin(0.3) <= high
    assert held >= 68


def test_means_of_nothing():
    assert np.isnan(r.mean_defined([np.nan, np.nan]))
    assert r.mean_defined([[1.0, np.nan], [np.nan, np.nan]], axis=1)[0] == 1.0
    assert np.isnan(r.quantiles(np.array([1.0, np.nan, np.nan]))).all()


def test_a_bootstrap_has_resamples():
    for broken in (lambda: r.resample(5, 0, 0), lambda: r.paired_interval(lambda at: at[:, 0], 9, 0, 0)):
        with pytest.raises(MorelliError, match="one resample"):
            broken()


def test_weights_are_shared_and_cannot_be_changed():
    weights = r.resample(4, 10, 0)
    assert weights is r.resample(4, 10, 0)
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 7
    assert (weights.sum(axis=1) == 4).all()
