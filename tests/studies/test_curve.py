from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from morelli.errors import NotEnoughDataError
from morelli.studies.curve import FARTHEST, FORMS, CurveFit, fit_curve, references_needed

SIZES = [3.0, 5.0, 8.0, 12.0, 20.0]
TRUE = {"logistic": CurveFit("logistic", -1.0, 0.8, 0.2), "power": CurveFit("power", -0.1, 0.5, 0.2)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", [None, [10, 20, 30, 40, 50]])
def test_a_curve_is_found_again(form, weights):
    true = TRUE[form]
    found = fit_curve(SIZES, true.accuracy(SIZES), 0.2, form, weights)
    assert (found.a, found.b) == pytest.approx((true.a, true.b), abs=1e-4)
    assert (found.form, found.chance) == (form, 0.2)


def test_closed_forms():
    assert CurveFit("logistic", 0.0, 1.0, 0.5).accuracy([1.0, 3.0]) == pytest.approx([0.75, 0.875])
    assert CurveFit("power", np.log(0.8), 1.0, 0.2).accuracy([1.0, 4.0]) == pytest.approx([0.2, 0.8])
    assert CurveFit("power", 3.0, 1.0, 0.25).accuracy(2.0) == pytest.approx(0.25)  # never less than chance


curves = st.builds(
    CurveFit, st.sampled_from(FORMS), st.floats(-4, 3), st.floats(0.05, 3), st.floats(0.01, 0.5)
)  # fmt: skip


@given(curves, st.floats(1, 1e5), st.floats(1.0, 10))
def test_more_references_are_never_worse(curve, n, times):
    one, other = curve.accuracy([n, n * times])
    assert curve.chance - 1e-9 <= one <= other + 1e-12 <= 1.0 + 1e-9


@given(curves, st.floats(0.01, 0.99))
def test_needed_is_the_inverse(curve, share):
    wanted = curve.chance + share * (1 - curve.chance)
    n = curve.needed(wanted)
    assert n >= 1.0
    if n == 1.0:
        assert curve.accuracy(1.0) >= wanted - 1e-9
    else:
        assume(n < 1e12)
        assert curve.accuracy(n) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_curve_that_does_not_rise(form):
    flat = fit_curve(SIZES, [0.5] * 5, 0.2, form)
    assert flat.b == pytest.approx(0.0, abs=1e-6)
    assert CurveFit(form, flat.a, 0.0, 0.2).needed(0.9) == np.inf
    assert CurveFit(form, flat.a, -0.3, 0.2).needed(0.9) == np.inf
    assert CurveFit(form, flat.a, 0.0, 0.2).needed(0.4) == 1.0  # it is there with the first


def test_two_sizes_are_enough_and_one_is_not():
    for form in FORMS:
        found = fit_curve([3, 12], [0.5, 0.8], 0.2, form)
        assert found.accuracy([3, 12]) == pytest.approx([0.5, 0.8], abs=1e-4)
        for sizes in ([3], [3, 3]):
            with pytest.raises(NotEnoughDataError, match="two numbers of references"):
                fit_curve(sizes, [0.5] * len(sizes), 0.2, form)
    with pytest.raises(NotEnoughDataError):
        references_needed([3.0], [np.ones(4, bool)], [np.arange(4)], 0.2)


def drawn(curve: CurveFit, n: int, rng: np.random.Generator) -> tuple[list, list]:
    """Images of n prompts, each judged at every size."""
    hits = [rng.random(n) < accuracy for accuracy in curve.accuracy(SIZES)]
    return hits, [np.arange(n)] * len(SIZES)


@pytest.mark.parametrize("form", FORMS)
def test_the_interval_holds_the_truth(form):
    true, rng = TRUE[form], np.random.default_rng(1)
    truth, inside, widths = true.needed(0.8), 0, []
    for _ in range(12):
        hits, clusters = drawn(true, 400, rng)
        need = references_needed(SIZES, hits, clusters, 0.2, 0.8, n_boot=60)
        assert need.low <= need.n <= (need.high or np.inf)
        inside += need.low <= truth <= (need.high or np.inf)
        widths.append((need.high or np.inf) / need.low)
    assert inside >= 9
    assert np.median(widths) < 4


def test_more_images_make_it_narrower():
    def width(n: int) -> float:
        hits, clusters = drawn(TRUE["power"], n, np.random.default_rng(2))
        need = references_needed(SIZES, hits, clusters, 0.2, 0.8, n_boot=60)
        return np.log((need.high or FARTHEST) / need.low)

    assert width(3000) < width(100)


def test_clusters_count_and_not_images():
    """Images of a prompt that stand and fall together are no more than one."""
    hits, clusters = drawn(TRUE["logistic"], 150, np.random.default_rng(4))
    one = references_needed(SIZES, hits, clusters, 0.2, 0.8, n_boot=60)
    eight = [np.repeat(h, 8) for h in hits], [np.repeat(c, 8) for c in clusters]
    assert references_needed(SIZES, *eight, 0.2, 0.8, n_boot=60).n == pytest.approx(one.n, rel=1e-3)
    again = references_needed(SIZES, *eight, 0.2, 0.8, n_boot=60)
    assert (again.low, again.high) == pytest.approx((one.low, one.high), rel=1e-2)
    apart = references_needed(SIZES, eight[0], [np.arange(1200)] * 5, 0.2, 0.8, n_boot=60)
    assert np.log(apart.high / apart.low) < 0.6 * np.log(one.high / one.low)


def test_the_same_seed_gives_the_same_interval():
    data = drawn(TRUE["power"], 100, np.random.default_rng(0))
    one, other = (references_needed(SIZES, *data, 0.2, 0.8, n_boot=30, seed=3) for _ in range(2))
    assert one == other


def test_beyond_what_can_be_said():
    hits = [np.arange(60) % 2 == 0] * 5
    need = references_needed(SIZES, hits, [np.arange(60)] * 5, 0.2, 0.95, n_boot=30)
    assert need.n is None
    assert need.high is None
    assert not need.reached


def test_all_right_needs_next_to_nothing():
    need = references_needed(SIZES, [np.ones(40, bool)] * 5, [np.arange(40)] * 5, 0.2, 0.95, n_boot=30)
    assert need.reached
    assert need.n is not None
    assert need.n <= SIZES[0]
    assert need.high is not None


def test_one_prompt_has_no_interval():
    hits = [np.arange(10) < k for k in (4, 5, 6, 7, 8)]
    need = references_needed(SIZES, hits, [np.zeros(10, int)] * 5, 0.2, 0.7)
    assert need.low is need.high is None
    assert 8 < need.n < 20


def test_a_better_form_is_chosen():
    for form, true in TRUE.items():
        hits = [np.arange(5000) < round(5000 * a) for a in true.accuracy(SIZES)]
        assert references_needed(SIZES, hits, [np.arange(5000)] * 5, 0.2, n_boot=2).form == form
