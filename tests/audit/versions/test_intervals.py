from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from morelli.audit.versions.intervals import expanded, stretch
from morelli.trials.metrics import cluster_bootstrap_difference


def test_many_groups_need_nothing():
    assert stretch(100_000, 0.95) == pytest.approx(1, abs=1e-4)
    assert expanded(100_000, 0.95) == pytest.approx(0.95, abs=1e-4)
    assert stretch(1, 0.95) == 1


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("n", [3, 5, 12])
def test_quantiles_are_students(n, level):
    # Of normal resamples, with their variance too small by (n - 1) / n, the ends are those of Student's interval.
    end = norm.ppf((1 + expanded(n, level)) / 2) * np.sqrt((n - 1) / n)
    assert end == pytest.approx(t.ppf((1 + level) / 2, n - 1), rel=1e-6)


def test_five_prompts_are_covered_as_promised():
    rng = np.random.default_rng(0)
    groups, plain, wide = np.repeat(np.arange(5), 12), 0, 0
    for _ in range(300):
        other = rng.normal(size=5)[groups] + rng.normal(size=60)
        for level in (0.95, expanded(5, 0.95)):
            low, high = cluster_bootstrap_difference(other, np.zeros(60), groups, n_boot=1000, level=level)
            plain, wide = plain + (level == 0.95 and low <= 0 <= high), wide + (level > 0.95 and low <= 0 <= high)
    assert plain / 300 < 0.89  # what this is for
    assert wide / 300 > 0.91
