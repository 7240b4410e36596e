from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from morelli.attributors.fusion import MAX_WEIGHT, RIDGE, fit_fusion_weights


def family(rng: np.random.Generator, y: np.ndarray, k: int, strength: float, overconfidence: float = 1.0) -> np.ndarray:
    """Log-likelihoods (n, K) of an honest family; overconfidence multiplies them."""
    x = strength * np.eye(k)[y] + rng.normal(size=(len(y), k))
    return overconfidence * strength * x


def objective(weights: np.ndarray, families: np.ndarray, y: np.ndarray) -> float:
    """Class-balanced log loss, written independently, and the penalty on weights of unit-scale families."""
    log_p = log_softmax(np.tensordot(weights, families, axes=1), axis=1)[np.arange(len(y)), y]
    loss = -np.mean([log_p[y == c].mean() for c in np.unique(y)])
    centred = families - families.mean(axis=2, keepdims=True)
    scale = np.abs(centred).mean(axis=(1, 2))
    return float(loss + 0.5 * RIDGE * ((weights * scale) ** 2).sum())


RNG = np.random.default_rng(0)
Y = np.arange(600) % 4
GOOD, WEAK = family(RNG, Y, 4, 1.5), family(RNG, Y, 4, 0.8)
NOISE = RNG.normal(size=(600, 4))


def test_honest_families_count_fully():
    np.testing.assert_allclose(fit_fusion_weights(np.stack([GOOD, WEAK]), Y), 1, atol=0.25)


def test_noise_counts_nothing():
    weights = fit_fusion_weights(np.stack([GOOD, 5 * NOISE, -GOOD]), Y)
    assert weights[0] > 0.7
    assert weights[1] < 0.03
    assert weights[2] < 0.2
    inverted = fit_fusion_weights(np.stack([-GOOD, WEAK]), Y)
    assert inverted[0] == 0  # worse than nothing, but never negative


def test_copies_share_the_weight():
    (alone,) = fit_fusion_weights(GOOD[None], Y)
    first, second = fit_fusion_weights(np.stack([GOOD, GOOD]), Y)
    assert first == pytest.approx(second, rel=1e-3)
    assert first + second == pytest.approx(alone, rel=0.02)
    assert first < 0.6 * alone


def test_silent_family_has_no_weight():
    silent = np.repeat(RNG.normal(size=(600, 1)), 4, axis=1)  # the same for all classes
    weights = fit_fusion_weights(np.stack([GOOD, np.zeros_like(GOOD), silent]), Y)
    np.testing.assert_array_equal(weights[1:], 0)
    np.testing.assert_array_equal(fit_fusion_weights(np.zeros((2, 600, 4)), Y), 0)


def test_a_constant_for_each_image_does_not_matter():
    families = np.stack([GOOD, WEAK])
    shifted = families + 1e3 * RNG.normal(size=(2, 600, 1))
    np.testing.assert_allclose(fit_fusion_weights(shifted, Y), fit_fusion_weights(families, Y), rtol=1e-4)


@pytest.mark.parametrize("factor", [2.0, 1e3, 1e6])
def test_scale_of_a_family_cancels(factor):
    plain = fit_fusion_weights(np.stack([GOOD, WEAK, NOISE]), Y)
    scaled = fit_fusion_weights(np.stack([factor * GOOD, WEAK, NOISE]), Y)
    np.testing.assert_allclose(scaled * [factor, 1, 1], plain, rtol=1e-3, atol=1e-4)


def test_overconfidence_is_paid_back():
    weights = fit_fusion_weights(np.stack([family(np.random.default_rng(5), Y, 4, 1.5, overconfidence=8.0)]), Y)
    assert weights[0] == pytest.approx(1 / 8, rel=0.2)


def test_no_family_counts_more_than_the_limit():
    weights = fit_fusion_weights(np.stack([0.01 * GOOD, WEAK]), Y)
    assert weights[0] == pytest.approx(MAX_WEIGHT)


def test_optimum_is_stationary():
    families = np.stack([3 * GOOD, WEAK, NOISE, -WEAK])
    weights = fit_fusion_weights(families, Y)
    for f in range(4):
        step = 1e-5 / np.abs(families[f]).mean()
        up, down = weights.copy(), weights.copy()
        up[f] += step
        down[f] -= step
        slope = (objective(up, families, Y) - objective(down, families, Y)) / 2e-5
        if weights[f] > 0:
            assert abs(slope) < 1e-5, (f, slope)
        else:
            assert slope > -1e-5, (f, slope)


def test_classes_count_equally():
    """Nine times the images of one class must not change the answer."""
    families = np.stack([GOOD, WEAK])
    again = np.concatenate([np.arange(600), *[np.flatnonzero(Y == 0)] * 8])
    np.testing.assert_allclose(
        fit_fusion_weights(families[:, again], Y[again]), fit_fusion_weights(families, Y), rtol=1e-3
    )


def test_absent_class_and_two_classes():
    present = Y != 3
    assert np.isfinite(fit_fusion_weights(np.stack([GOOD, WEAK])[:, present], Y[present])).all()
    y = np.arange(40) % 2
    assert fit_fusion_weights(family(np.random.default_rng(1), y, 2, 1.5)[None], y)[0] > 0.2


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    families=st.integers(1, 5),
    n=st.integers(2, 30),
    k=st.integers(2, 5),
    power=st.integers(-6, 6),
)
def test_weights_are_within_bounds_and_no_worse_than_nothing(seed, families, n, k, power):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(families, n, k)) * 10.0**power
    y = rng.integers(0, k, n)
    y[0] = 0
    weights = fit_fusion_weights(values, y)
    assert weights.shape == (families,)
    assert (weights >= 0).all() and (weights <= MAX_WEIGHT * (1 + 1e-9)).all()
    assert objective(weights, values, y) <= objective(np.zeros(families), values, y) + 1e-9
    np.testing.assert_array_equal(weights, fit_fusion_weights(values.copy(), y))
