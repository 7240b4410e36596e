from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from morelli.audit.drift import design_chart, run_length
from morelli.errors import MorelliError


@pytest.mark.parametrize(
    ("baseline", "worse", "every"), [(0.05, 0.1, 300), (0.3, 0.5, 200), (0.7, 0.9, 150), (0.02, 0.1, 400)]
)
def test_the_time_between_false_alarms_is_what_it_says(baseline, worse, every):
    """400,000 images, in which nothing changes."""
    chart = design_chart(baseline, worse, every)
    assert every <= chart.until_false < 2.5 * every
    found, _ = chart.alarms(np.random.default_rng(1).random(400_000) < baseline)
    runs = np.diff([-1, *found])
    assert runs.mean() == pytest.approx(chart.until_false, abs=4 * runs.std() / np.sqrt(len(runs)))


def test_the_time_until_it_is_noticed_is_what_it_says():
    chart = design_chart(0.1, 0.2, 500)
    found, _ = chart.alarms(np.random.default_rng(2).random(200_000) < 0.2)
    runs = np.diff([-1, *found])
    assert runs.mean() == pytest.approx(chart.until_noticed, abs=4 * runs.std() / np.sqrt(len(runs)))
    assert chart.until_noticed < chart.until_false / 5


@given(st.floats(0.01, 0.99), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40))
@settings(max_examples=60)
def test_the_run_length_solves_its_equation(rate, up, down, limit):
    """Against a dense system, written out state by state."""
    matrix, right = np.eye(limit), np.ones(limit)
    for state in range(limit):
        if state + up < limit:
            matrix[state, state + up] -= rate
        matrix[state, max(0, state - down)] -= 1 - rate
    assume(np.linalg.cond(matrix) < 1e9)  # beyond, neither solution has so many digits
    assert run_length(rate, up, down, limit) == pytest.approx(np.linalg.solve(matrix, right)[0], rel=1e-6)


def test_a_chart_of_one_step_waits_for_the_first_hit():
    assert run_length(0.25, 3, 1, 2) == pytest.approx(4)


@given(st.floats(0.01, 0.8), st.integers(20, 3000))
@settings(max_examples=30, deadline=None)
def test_no_lower_limit_would_do(baseline, every):
    chart = design_chart(baseline, until_false=every)
    assert chart.until_false >= every
    assert chart.limit == 1 or run_length(baseline, chart.up, chart.down, chart.limit - 1) < every


def test_the_sum_starts_anew_after_an_alarm_and_never_falls_below_zero():
    chart = design_chart(0.1, 0.3, 50)
    assert chart.step(0, False) == 0
    found, total = chart.alarms([True] * 40)
    gaps = np.diff(found)
    assert len(found) > 2 and (gaps == gaps[0]).all() and 0 <= total < chart.limit


@pytest.mark.parametrize(
    ("baseline", "worse", "every", "why"),
    [
        (0.0, None, 100, "between 0 and 1"),
        (1.0, None, 100, "between 0 and 1"),
        (float("nan"), None, 100, "between 0 and 1"),
        (0.2, 0.2, 100, "between the usual one"),
        (0.2, 1.0, 100, "between the usual one"),
        (0.2, 0.4, 1, "false alarms"),
        (0.2, 0.4, float("inf"), "false alarms"),
    ],
)
def test_charts_that_make_no_sense(baseline, worse, every, why):
    with pytest.raises(MorelliError, match=why.capitalize() if why == "false alarms" else why):
        design_chart(baseline, worse, every)


def test_rates_too_near_to_each_other_are_refused_in_words():
    with pytest.raises(MorelliError, match="too large a chart"):
        design_chart(0.01, 0.010001, 9e8)


@pytest.mark.parametrize(
    "state", [(0.1, 1, 1, 0), (0.1, 1, 1, 50_001), (0.1, 0, 1, 9), (0.1, 1, -1, 9), (1.1, 1, 1, 9)]
)
def test_run_lengths_of_no_chart(state):
    with pytest.raises(MorelliError, match="A chart has"):
        run_length(*state)


def test_rare_hits_make_a_chart_too():
    chart = design_chart(1e-4, until_false=1e5)
    assert chart.until_false >= 1e5 and chart.until_noticed < chart.until_false / 4


def test_times_without_digits_are_endless():
    assert run_length(1e-4, 13, 1, 200) == float("inf")
    assert run_length(0.9, 1, 1, 50_000) < float("inf")
