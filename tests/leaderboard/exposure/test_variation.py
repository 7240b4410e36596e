from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from morelli.errors import NotEnoughDataError
from morelli.leaderboard.exposure import variation

from ._planted import planted, shuffled


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_agrees_with_scipy(metric):
    board = shuffled(planted(3, 3, (1, 3, 5), pair=2.0))
    found = variation(board, metric)
    for p in range(3):
        X = [board.X[(board.prompt == p) & (board.model == m)].astype(float) for m in range(3)]
        inside, outside = [], []
        for m in range(3):
            own = cdist(X[m], X[m], metric)[np.triu_indices(len(X[m]), 1)]
            inside += own.tolist()
            means = []
            for other in range(3):
                if other != m:
                    between = cdist(X[m], X[other], metric)
                    means.append(between.mean())
                    outside += between.ravel().tolist() if other > m else []
            if len(own):
                assert found.within[p, m] == pytest.approx(own.mean(), rel=1e-6)
            else:
                assert np.isnan(found.within[p, m])
            assert found.between[p, m] == pytest.approx(np.mean(means), rel=1e-6)
        u = mannwhitneyu(outside, inside).statistic
        assert found.superiority[p] == pytest.approx(u / len(inside) / len(outside), abs=1e-9)


def test_no_difference():
    found = variation(planted(4, 40, 6, pair=0.0))
    assert found.ratio == pytest.approx(1.0, abs=0.02)
    assert found.mean_superiority == pytest.approx(0.5, abs=0.02)
    assert abs(found.effect) < 0.05
    low, high = found.ratio_interval
    assert low <= found.ratio <= high


def test_planted_difference_has_its_closed_form():
    """With means `pair` times the noise, squared distances between models are 1 + pair^2 times those within."""
    found = variation(planted(5, 60, 6, dim=200, pair=1.0))
    assert found.ratio == pytest.approx(np.sqrt(2.0), rel=0.02)
    assert found.mean_superiority > 0.99 and found.effect > 3
    assert found.ratio_interval[0] > 1.3
    np.testing.assert_allclose(found.model_ratio, np.sqrt(2.0), rtol=0.05)


def test_scale_does_not_matter():
    board = planted(3, 8, 4, pair=0.5)
    a, b = variation(board), variation(replace(board, X=board.X * 8))
    assert a.ratio == pytest.approx(b.ratio) and a.effect == pytest.approx(b.effect)
    np.testing.assert_allclose(a.superiority, b.superiority)


def test_identical_images_have_no_ratio():
    board = planted(2, 3, 3)
    found = variation(replace(board, X=np.ones_like(board.X)))
    assert np.isnan(found.ratio) and np.isnan(found.ratio_interval).all() and np.isnan(found.effect)
    assert found.superiority.tolist() == [0.5, 0.5, 0.5], "all distances are ties"


def test_seeds_are_needed():
    with pytest.raises(NotEnoughDataError, match="two images"):
        variation(planted(3, 4, 1))
