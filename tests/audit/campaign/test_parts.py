from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from morelli.audit.campaign.parts import by_month, holm


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


def test_dates_become_months_and_other_words_stay():
    codes = np.array([0, 1, 2, 1], np.int32)
    assert by_month(codes, ["2026-01-02", "2026-01-31T10:00:00Z", ""])[1] == ["2026-01", ""]
    assert by_month(codes, ["2026-01-02", "2026-01-31", ""])[0].tolist() == [0, 0, 1, 0]
    for names in (["2026-01-02", "soon", ""], ["2026-13-02", "2026-01-02", "2026-01-03"], ["", "", ""]):
        kept, same = by_month(codes, names)
        assert (kept.tolist(), same) == (codes.tolist(), names)
