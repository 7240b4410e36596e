from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.audit._holm import holm


def step_down(p_values: list[float], level: float) -> set[int]:
    """Reject as Holm's paper tells it: from the smallest on, until one is not below its share of the level."""
    rejected = set()
    for tested, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if not p_values[i] <= level / (len(p_values) - tested):
            break
        rejected.add(i)
    return rejected


@given(st.lists(st.integers(0, 1000).map(lambda n: n / 1024), min_size=1, max_size=16), st.integers(1, 300))
def test_comparing_with_a_level_is_the_step_down_procedure(p_values, n):
    level = (n + 0.5) / 1024  # no product of the p-values hits it
    assert set(np.flatnonzero(holm(p_values) <= level)) == step_down(p_values, level)


def test_holm_of_nothing():
    assert holm([]).tolist() == []


def test_holm_on_a_worked_example():
    # Holm 1979: smallest times 4, next times 3 ..., and never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_bonferroni_test(p):
    """A hypothesis is rejected if every set of hypotheses that it is in is rejected by Bonferroni's test."""
    adjusted = holm(p)
    for one in range(len(p)):
        sets = (s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size) if one in s)
        closed = max(min(1.0, min(p[k] for k in s) * len(s)) for s in sets)
        assert adjusted[one] == pytest.approx(closed)
