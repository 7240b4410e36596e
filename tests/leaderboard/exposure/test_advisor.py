from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.exposure import (
    Rates,
    attackers_choice,
    exposure_frontier,
    largest_subset,
    separability,
    shrink,
)

from ._planted import planted


def rates(hits, n) -> Rates:
    hits, n = np.asarray(hits, dtype=float), np.broadcast_to(np.asarray(n, dtype=float), np.shape(hits)).copy()
    return Rates(tuple(f"p{i}" for i in range(len(hits))), hits, n, "hits")


def drawn(alpha: float, beta: float, n: int, prompts: int, seed: int = 0) -> tuple[np.ndarray, Rates, Rates]:
    rng = np.random.default_rng(seed)
    truth = rng.beta(alpha, beta, prompts)
    return truth, rates(rng.binomial(n, truth), n), rates(rng.binomial(n, truth), n)


def test_shrinkage_finds_the_distribution_of_rates():
    truth, measured, _ = drawn(6.0, 3.0, 40, 3000)
    found = shrink(measured)
    assert (found.alpha, found.beta) == (pytest.approx(6.0, rel=0.15), pytest.approx(3.0, rel=0.15))
    np.testing.assert_allclose(found.mean, (measured.hits + found.alpha) / (40 + found.alpha + found.beta))
    assert np.mean((found.mean - truth) ** 2) < 0.97 * np.mean((measured.value - truth) ** 2)
    inside = np.abs(truth - found.mean) < 1.96 * found.sd
    assert inside.mean() == pytest.approx(0.95, abs=0.02)


def test_no_other_beta_distribution_is_likelier():
    _, measured, _ = drawn(2.0, 5.0, 12, 60, seed=8)
    found = shrink(measured)

    def likelihood(alpha: float, beta: float) -> float:
        return float(betabinom.logpmf(measured.hits, measured.n, alpha, beta).sum())

    best = likelihood(found.alpha, found.beta)
    for a, b in product(np.geomspace(0.2, 5.0, 21), repeat=2):
        assert likelihood(found.alpha * a, found.beta * b) <= best + 1e-6


def test_rates_that_differ_by_chance_become_one():
    _, measured, _ = drawn(1e6, 1e6, 20, 200)
    found = shrink(measured)
    assert np.ptp(found.mean) < 0.1 * np.ptp(measured.value)


@pytest.mark.parametrize("hits", [[0, 0, 0], [5, 5, 5]])
def test_rates_at_the_ends(hits):
    found = shrink(rates(hits, 5))
    assert np.isfinite(found.mean).all() and abs(found.mean[0] - hits[0] / 5) < 0.1


def test_rates_are_checked():
    for hits, n in ([2.0, 1.0], [1.0, 1.0]), ([-1.0, 1.0], [1.0, 1.0]):
        with pytest.raises(MorelliError, match="between 0"):
            rates(hits, n)
    with pytest.raises(MorelliError, match="finite"):
        rates([np.nan], [1.0])
    with pytest.raises(MorelliError, match="trials"):
        Rates(("a", "b"), np.ones(3), np.ones(3), "hits")
    for few in (rates([1.0], [2.0]), rates([1.0, 0.0], [2.0, 0.0])):
        for broken in (
            lambda few=few: shrink(few),
            lambda few=few: largest_subset(few, 0.5),
            lambda few=few: attackers_choice(few, 1),
            lambda few=few: exposure_frontier(few),
        ):
            with pytest.raises(NotEnoughDataError, match="two prompts"):
                broken()


@given(st.lists(st.integers(0, 10), min_size=2, max_size=7), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_no_larger_set_keeps_the_bound(hits, bound):
    measured = rates(hits, 10)
    mean = shrink(measured).mean
    chosen = largest_subset(measured, bound).chosen
    if len(chosen):
        assert mean[chosen].mean() <= bound + 1e-9
    for more in range(len(chosen) + 1, len(hits) + 1):
        assert all(mean[list(some)].mean() > bound for some in combinations(range(len(hits)), more))


def test_lucky_prompts_gain_nothing():
    """No prompt differs: what is chosen on one half is as exposed on the other as any."""
    for choose in (lambda r, h: largest_subset(r, 0.45, h), lambda r, h: attackers_choice(r, 8, h)):
        pairs = [drawn(1e6, 1e6, 12, 60, seed)[1:] for seed in range(16)]
        whole = drawn(1e6, 1e6, 24, 60, 99)[1]
        found = choose(whole, pairs)
        if len(found.chosen):
            assert found.held_out == pytest.approx(0.5, abs=0.04)
            assert abs(found.curse) > 0.08, "in-sample, the choice looks good"
            assert found.held_out_interval[0] < 0.5 < found.held_out_interval[1]
    assert len(attackers_choice(whole, 8, pairs).chosen) == 8


def test_expected_is_what_is_held_out():
    truth, measured, _ = drawn(3.0, 2.0, 20, 400, seed=4)
    halves = [drawn(3.0, 2.0, 20, 400, seed)[1:] for seed in range(8)]
    for found in (attackers_choice(measured, 40, halves), largest_subset(measured, 0.4, halves)):
        assert found.expected == pytest.approx(truth[found.chosen].mean(), abs=0.04)
        assert found.expected == pytest.approx(found.held_out, abs=0.04)
        assert abs(found.raw - found.expected) > 0.02
        assert found.everything == pytest.approx(0.6, abs=0.03)
        assert found.splits == 16


def test_none_and_all():
    _, measured, _ = drawn(8.0, 2.0, 30, 20)
    none = largest_subset(measured, 0.1, [(measured, measured)])
    assert none.chosen.tolist() == [] and np.isnan([none.raw, none.expected, none.held_out]).all()
    assert len(largest_subset(measured, 1.0).chosen) == 20
    assert len(attackers_choice(measured, 500).chosen) == 20
    assert attackers_choice(measured, 3).splits == 0 and np.isnan(attackers_choice(measured, 3).held_out)


def test_prompts_without_trials_are_never_chosen():
    measured = rates([0, 0, 5, 9], [0, 10, 10, 10])
    assert 0 not in largest_subset(measured, 1.0).chosen and 0 not in attackers_choice(measured, 4).chosen
    assert attackers_choice(measured, 1).chosen.tolist() == [3]


def test_arguments():
    measured = rates([1, 2], 3)
    for bound in (-0.1, 1.1, float("nan")):
        with pytest.raises(MorelliError, match="between 0 and 1"):
            largest_subset(measured, bound)
    with pytest.raises(MorelliError, match="one prompt"):
        attackers_choice(measured, 0)


def test_frontier_ends_with_all_prompts():
    _, measured, other = drawn(3.0, 3.0, 10, 25)
    rows = exposure_frontier(measured, [(measured, other)])
    assert [row.size for row in rows] == list(range(1, 26))
    assert rows[-1].raw == pytest.approx(measured.value.mean())
    assert rows[-1].held_out == pytest.approx((measured.value.mean() + other.value.mean()) / 2)
    expected = [row.expected for row in rows]
    assert expected == sorted(expected)
    assert rows[0].raw < rows[0].expected
    assert all(np.isnan(row.held_out) for row in exposure_frontier(measured))


def test_separability_gives_rates_too():
    exposure = separability(planted(5, 15, 6, pair=np.linspace(0, 3, 15)))
    np.testing.assert_allclose(exposure.rates.value, exposure.D)
    chosen = attackers_choice(exposure.rates, 5).chosen
    assert exposure.D[chosen].mean() > exposure.D.mean()
