from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders.forensic._planes import folded_power
from morelli.encoders.forensic.spectrum import FLOOR, RINGS, grid_peaks, radial_profile


def _frequency(size: int = 64) -> np.ndarray:
    axis = np.arange(size // 2 + 1) / size
    return np.hypot(axis[:, None], axis[None])


@pytest.mark.parametrize(("u", "v"), [(0, 8), (8, 0), (8, 16), (24, 8), (16, 32)])
def test_grid_peaks_finds_a_wave_at_its_bin(u: int, v: int) -> None:
    """1/8 of the sampling rate is bin 8 of 64, and with every fourth bin kept, the second."""
    y, x = np.mgrid[:64, :64]
    wave = 3 * np.cos(2 * np.pi * u * y / 64) * np.cos(2 * np.pi * v * x / 64)
    plane = 100 + wave + np.random.default_rng(0).normal(0, 2, (20, 64, 64))
    log_power = np.log(folded_power(plane.astype(np.float32)) + FLOOR).mean(axis=0, keepdims=True)
    peaks = grid_peaks(log_power).reshape(9, 9)
    assert np.unravel_index(peaks.argmax(), peaks.shape) == (u // 4, v // 4)
    others = np.delete(peaks.ravel(), peaks.argmax())
    assert peaks.max() > 2 and np.abs(others[1:]).max() < 1.5


def test_grid_peaks_of_a_smooth_spectrum_are_nothing() -> None:
    ramp = np.add.outer(np.arange(33.0), 2 * np.arange(33.0)).astype(np.float32)[None]
    # The median of a window that is symmetric about its centre is the centre; at the border the padding mirrors it.
    np.testing.assert_allclose(grid_peaks(ramp).reshape(9, 9)[1:-1, 1:-1], 0, atol=1e-5)
    assert grid_peaks(np.zeros((3, 33, 33), dtype=np.float32)).shape == (3, 81)


def test_radial_profile_of_white_noise_is_flat() -> None:
    profile = radial_profile(np.full((2, 33, 33), 500, dtype=np.float32))
    assert profile.shape == (2, RINGS)
    np.testing.assert_allclose(profile, np.log(501), rtol=1e-6)


@pytest.mark.parametrize("slope", [-1.0, -2.0, -3.0])
def test_radial_profile_has_the_slope_of_the_power(slope: float) -> None:
    frequency = _frequency()
    frequency[0, 0] = frequency[0, 1]
    profile = radial_profile((1e6 * frequency**slope).astype(np.float32)[None])[0]
    rings = slice(4, RINGS - 1)
    centres = np.log((np.arange(RINGS) + 0.5) / RINGS / 2)
    measured = np.polyfit(centres[rings], profile[rings], 1)[0]
    assert measured == pytest.approx(slope, abs=0.1)


def test_radial_profile_puts_a_ring_into_its_place() -> None:
    frequency = _frequency()
    power = np.where(abs(frequency - 10.5 / 64) < 0.4 / 64, 1e5, 0).astype(np.float32)[None]
    assert radial_profile(power)[0].argmax() == 10
