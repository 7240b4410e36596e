from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from morelli.encoders.forensic.sharpness import QUANTILES, contrast_profile

OFFSET = 0.05
"""What is added to magnitudes before the logarithm."""


def test_quantiles_of_gradients_of_ramps() -> None:
    """The gradient of a ramp is its slope everywhere, and so are its quantiles; its residual is nothing."""
    slopes = np.random.default_rng(0).permutation(64).astype(np.float32)
    planes = slopes[:, None, None] * np.arange(32, dtype=np.float32)[None, None] + np.zeros((1, 32, 1), np.float32)
    profile = contrast_profile(planes)[0]
    gradient, residual = profile[: len(QUANTILES)], profile[len(QUANTILES) : -1]
    np.testing.assert_allclose(np.exp(gradient) - OFFSET, np.quantile(slopes, QUANTILES), atol=1.5)
    np.testing.assert_allclose(residual, np.log(OFFSET), rtol=1e-5)
    assert profile[-1] == pytest.approx(0)


def test_quantiles_and_peakedness_of_gaussian_noise() -> None:
    """The residual of noise of deviation s has deviation 1.5 s, and the shape of a normal distribution."""
    planes = np.random.default_rng(0).normal(0, 4, (40, 64, 64)).astype(np.float32)
    profile = contrast_profile(planes)[0]
    expected = scipy.stats.halfnorm(scale=6).ppf(QUANTILES)
    np.testing.assert_allclose(profile[len(QUANTILES) : -1], np.log(expected + OFFSET), atol=0.2)
    assert profile[-1] == pytest.approx(np.log(np.pi / 2), abs=0.02)


def test_heavy_tails_are_peaked_and_scale_moves_all_quantiles() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, (8, 64, 64)).astype(np.float32)
    sparse = np.where(rng.random(noise.shape) < 0.02, 10 * noise, 0).astype(np.float32)
    assert contrast_profile(sparse)[0, -1] > contrast_profile(noise)[0, -1] + 0.5
    moved = contrast_profile(4 * noise) - contrast_profile(noise)
    np.testing.assert_allclose(moved[0, 1 : len(QUANTILES)], np.log(4), atol=0.1)


def test_profile_has_a_row_for_each_region() -> None:
    planes = np.random.default_rng(0).normal(0, 4, (6, 16, 16)).astype(np.float32)
    together = contrast_profile(planes, regions=3)
    assert together.shape == (3, 15) and together.dtype == np.float32
    np.testing.assert_allclose(
        together, np.concatenate([contrast_profile(planes[i : i + 2]) for i in (0, 2, 4)]), rtol=1e-5
    )
