"""Filters in the frequency domain against sinusoids; phase and magnitude alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.views import parse_view
from morelli.views.structure_frequency import phase_only


def wave(cycles_down, cycles_across, amplitude=100, size=64):
    """A sinusoid around mid-grey that fits the image in whole periods."""
    y, x = np.mgrid[:size, :size] / size
    values = 128 + amplitude * np.cos(2 * np.pi * (cycles_down * y + cycles_across * x))
    return np.repeat(np.rint(values).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


@pytest.mark.parametrize(("down", "across"), [(0, 8), (8, 0), (5, 6), (3, 30), (32, 32)])
def test_a_sinusoid_passes_below_the_cutoff_and_vanishes_above(down, across):
    frequency = np.hypot(down, across) / 64
    pixels, grey = wave(down, across), np.full((64, 64, 3), 128)
    for cutoff, passes in ((frequency + 0.01, True), (frequency - 0.01, False)):
        cutoff = min(cutoff, 0.75)
        low, high = (parse_view(f"ideal-{kind}:{cutoff:.6f}")(pixels).astype(int) for kind in ("lowpass", "highpass"))
        assert np.abs(low - (pixels if passes else grey)).max() <= 2
        assert np.abs(high - (grey if passes else pixels)).max() <= 2


def test_the_cutoff_itself_passes_low():
    pixels = wave(0, 16)
    np.testing.assert_allclose(parse_view("ideal-lowpass:0.25")(pixels).astype(int), pixels, atol=2)
    np.testing.assert_allclose(parse_view("ideal-highpass:0.25")(pixels).astype(int), 128, atol=2)


@pytest.mark.parametrize("order", [1, 2, 8])
@pytest.mark.parametrize("cycles", [4, 8, 16])
def test_butterworth_has_its_closed_form(order, cycles):
    cutoff = 8 / 64
    share = 1 / (1 + (cycles / 64 / cutoff) ** (2 * order))
    pixels = wave(0, cycles).astype(float)
    low = parse_view(f"butterworth-lowpass:{cutoff},{order}")(wave(0, cycles))
    high = parse_view(f"butterworth-highpass:{cutoff},{order}")(wave(0, cycles))
    np.testing.assert_allclose(low, 128 + share * (pixels - 128), atol=1.2)
    np.testing.assert_allclose(high, 128 + (1 - share) * (pixels - 128), atol=1.2)


@pytest.mark.parametrize("kind", ["ideal", "butterworth"])
def test_lowpass_and_highpass_are_complements(picture, kind):
    calm = (picture // 2 + 64).astype(np.uint8)
    low, high = (parse_view(f"{kind}-{part}:0.1")(calm).astype(int) for part in ("lowpass", "highpass"))
    assert np.abs(low + high - 128 - calm).max() <= 1
    assert low.std() > 5 and high.std() > 2


def test_no_cutoff_and_orders_overflow(picture):
    np.testing.assert_array_equal(parse_view("ideal-lowpass:0.7072")(picture), picture)
    assert np.ptp(parse_view("ideal-lowpass:0")(picture), axis=(0, 1)).max() == 0
    assert parse_view("butterworth-highpass:0.001,32")(picture).std() > 5


def test_phase_only_has_a_flat_spectrum(picture):
    values = phase_only(picture)
    for channel in range(3):
        magnitude = np.abs(np.fft.fft2(values[..., channel].astype(float)))
        assert magnitude[0, 0] == pytest.approx(0, abs=1e-1)
        others = np.delete(magnitude.ravel(), 0)
        np.testing.assert_allclose(others, 40 * np.sqrt(80 * 112), rtol=1e-3)
        phase = np.angle(np.fft.fft2(values[..., channel].astype(float)) * np.conj(np.fft.fft2(picture[..., channel])))
        assert np.abs(np.delete(phase.ravel(), 0)).max() < 0.05
    assert values.std() == pytest.approx(40, rel=1e-3)


def test_phase_only_of_flat_and_single_pixels_is_mid_grey():
    for shape in ((1, 1, 3), (20, 31, 3)):
        assert (parse_view("phase-only")(np.full(shape, 77, dtype=np.uint8)) == 128).all()


def test_phase_only_does_not_depend_on_contrast(picture):
    dim = (picture // 2 * 2).astype(np.uint8)
    np.testing.assert_allclose(phase_only((dim // 2).astype(np.uint8)), phase_only(dim), atol=0.01)


def test_magnitude_only_keeps_strengths_and_colours_and_no_place(picture):
    calm = (picture // 4 + 96).astype(np.uint8)  # far from black and white, so that nothing is clipped
    result = parse_view("magnitude-only")(calm, 1)
    for channel in range(3):
        before, after = (np.abs(np.fft.fft2(pixels[..., channel].astype(float))) for pixels in (calm, result))
        assert after[0, 0] == pytest.approx(before[0, 0], rel=2e-3)
        strong = before > 2000
        assert strong.sum() > 20
        np.testing.assert_allclose(after[strong], before[strong], rtol=0.15)
        assert np.corrcoef(calm[..., channel].ravel(), result[..., channel].ravel())[0, 1] < 0.6
    colours = [np.corrcoef(pixels.reshape(-1, 3).T) for pixels in (calm, result)]
    np.testing.assert_allclose(colours[1], colours[0], atol=0.03)


NAMES = ["ideal-lowpass:0.1", "ideal-highpass:0.1", "butterworth-lowpass:0.1,3", "phase-only", "magnitude-only"]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(NAMES), st.integers(0, 3))
def test_any_size_odd_or_even_stays(height, width, name, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert parse_view(name)(pixels, seed).shape == pixels.shape
