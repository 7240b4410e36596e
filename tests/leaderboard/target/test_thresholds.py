from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.target import quantile_thresholds


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 100)), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4),
)
def test_every_cell_has_numpys_quantiles(pairs, alphas):
    cell, distance = np.array([c for c, _ in pairs]), np.array([d for _, d in pairs])
    found = quantile_thresholds(distance, cell, 6, tuple(alphas))
    for c in range(6):
        if (cell == c).any():
            np.testing.assert_allclose(found[c], np.quantile(distance[cell == c], alphas), rtol=1e-9, atol=1e-12)
        else:
            assert np.isnan(found[c]).all()


def test_undefined_distances_are_left_out():
    found = quantile_thresholds(np.array([np.nan, 2.0, np.nan]), np.array([0, 0, 1]), 2, (0.5,))
    assert found[0] == 2.0
    assert np.isnan(found[1])


@pytest.mark.parametrize("alphas", [(), (0.0,), (0.5, 1.0), (float("nan"),)])
def test_alphas_are_shares(alphas):
    with pytest.raises(MorelliError, match="between 0 and 1"):
        quantile_thresholds(np.ones(1), np.zeros(1, int), 1, alphas)
