from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders.forensic._planes import folded_power, second_order_gain, second_order_residual
from morelli.encoders.forensic.autocorrelation import residual_autocorrelation


def _square(correlation: np.ndarray, lags: int) -> np.ndarray:
    """Put lag (0, 0) back, which is 1, and give rows and columns of lags."""
    return np.concatenate([[1.0], correlation[0]]).reshape(lags + 1, lags + 1)


@pytest.mark.parametrize(("size", "lags"), [(64, 17), (32, 11), (16, 7)])
def test_correlation_is_the_inverse_transform_of_the_whole_spectrum(size: int, lags: int) -> None:
    half = size // 2
    folded = np.random.default_rng(size).exponential(100, (half + 1, half + 1))
    index = np.minimum(np.arange(size), size - np.arange(size))
    power = (folded * second_order_gain(size))[index][:, index]
    expected = np.fft.ifft2(power).real[: lags + 1, : lags + 1]
    measured = residual_autocorrelation(folded.astype(np.float32)[None], lags)
    assert measured.shape == (1, (lags + 1) ** 2 - 1)
    np.testing.assert_allclose(_square(measured, lags), expected / expected[0, 0], atol=1e-4)


def test_correlation_is_that_of_the_filtered_plane() -> None:
    """White noise through the 3x3 kernel has a correlation in closed form: (1, -2/3, 1/6) in each direction."""
    planes = np.random.default_rng(0).normal(0, 10, (300, 64, 64)).astype(np.float32)
    power = folded_power(planes).mean(axis=0, keepdims=True)
    line = np.array([1, -2 / 3, 1 / 6, 0, 0])
    measured = _square(residual_autocorrelation(power, 4), 4)
    np.testing.assert_allclose(measured, np.outer(line, line), atol=0.02)
    residual = second_order_residual(planes)
    direct = (residual[:, :, 1:] * residual[:, :, :-1]).mean() / (residual**2).mean()
    assert measured[0, 1] == pytest.approx(direct, abs=0.02)


@pytest.mark.parametrize("period", [4, 5, 8, 11, 16])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_pattern_repeats_itself_after_its_period(period: int, transposed: bool) -> None:
    rng = np.random.default_rng(period)
    pattern = rng.normal(0, 10, (64, period))
    plane = np.tile(pattern, (1, 64 // period + 1))[:, :64]
    power = folded_power((plane.T if transposed else plane).astype(np.float32)[None].copy())
    lags = 17
    correlation = _square(residual_autocorrelation(power, lags), lags)
    along = correlation[:, 0] if transposed else correlation[0]
    # Lags next to zero are correlated by the kernel itself.
    assert 3 + along[3 : min(2 * period - 2, lags + 1)].argmax() == period
    assert along[period] > 0.5


def test_correlation_is_free_of_scale_and_zero_without_a_residual() -> None:
    power = folded_power(np.random.default_rng(0).normal(0, 10, (1, 64, 64)).astype(np.float32))
    np.testing.assert_allclose(residual_autocorrelation(9 * power, 8), residual_autocorrelation(power, 8), atol=1e-5)
    assert not residual_autocorrelation(np.zeros((2, 33, 33), dtype=np.float32), 8).any()
