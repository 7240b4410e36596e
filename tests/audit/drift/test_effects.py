from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from morelli.audit.drift.design import make_design
from morelli.audit.drift.effects import area_within_cells, measure_effect, resampled_groups


def test_the_area_is_scikit_learns_where_all_images_are_compared():
    rng = np.random.default_rng(6)
    scores, new = rng.normal(size=30).round(1), rng.random(30) < 0.4
    assert area_within_cells(scores, new, np.zeros(30, dtype=int)) == pytest.approx(roc_auc_score(new, scores))
    assert area_within_cells(scores, np.zeros(30, dtype=bool), np.zeros(30, dtype=int)) == 0.5


def test_effects_are_those_of_the_scores():
    """Pairs whose scores differ by 1.5 on average, with deviation 1 about their own means, by construction."""
    rng = np.random.default_rng(7)
    n = 400
    design = make_design(np.arange(2 * n) >= n, np.tile(np.arange(n), 2))
    scores = 5 * rng.normal(size=n)[np.tile(np.arange(n), 2)] + rng.normal(size=2 * n) + 1.5 * design.new
    effect = measure_effect(scores, design, resampled_groups(design, 0))
    assert effect.d == pytest.approx(1.5, abs=0.2) and effect.d_interval[0] < 1.5 < effect.d_interval[1]
    picked = (scores[n:] > scores[:n]).mean()
    assert effect.auc == pytest.approx(picked) and effect.auc_interval[0] < picked < effect.auc_interval[1]
    assert effect.accuracy == pytest.approx(picked)
