"""Brightness, contrast and colour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from morelli.views import parse_view


def test_jitter_stays_within_its_strength(picture):
    grey = np.full((16, 16, 3), 100, dtype=np.uint8)
    levels = [int(parse_view("jitter:0.2")(grey, seed)[0, 0, 0]) for seed in range(50)]
    assert min(levels) >= 80 and max(levels) <= 120 and len(set(levels)) > 10
    weak = np.abs(parse_view("jitter:0.01")(picture, 1).astype(int) - picture).mean()
    assert weak < np.abs(parse_view("jitter:0.5")(picture, 1).astype(int) - picture).mean()


def test_gray_and_flip(picture):
    gray = parse_view("gray")(picture)
    np.testing.assert_array_equal(gray[..., 0], np.asarray(Image.fromarray(picture).convert("L")))
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    np.testing.assert_array_equal(parse_view("flip|flip")(picture), picture)
    np.testing.assert_array_equal(parse_view("flip")(picture), picture[:, ::-1])


def test_brightness_multiplies_every_level(picture):
    for factor in (0.0, 0.5, 1.3, 4.0):
        expected = np.clip(np.rint(picture * np.float32(factor)), 0, 255)
        np.testing.assert_array_equal(parse_view(f"brightness:{factor}")(picture), expected)


def test_gamma_keeps_black_and_white():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    for exponent in (0.1, 0.45, 2.2, 10):
        result = parse_view(f"gamma:{exponent}")(ramp)[0, :, 0].astype(float)
        assert result[0] == 0 and result[255] == 255 and (np.diff(result) >= 0).all()
        np.testing.assert_allclose(result, 255 * (np.arange(256) / 255) ** exponent, atol=0.51)


def test_contrast_scales_differences_about_the_mean_luma(picture):
    mean = np.asarray(Image.fromarray(picture).convert("L")).mean()
    low = parse_view("contrast:0.5")(picture)
    np.testing.assert_allclose(low, mean + 0.5 * (picture - mean), atol=1.2)
    flat = parse_view("contrast:0")(picture)
    assert np.ptp(flat) == 0 and flat[0, 0, 0] == pytest.approx(mean, abs=1)
    assert parse_view("contrast:1.2")(picture).std() > picture.std()


def test_saturation_goes_from_grey_to_more(picture):
    grey = parse_view("saturation:0")(picture).astype(int)
    assert (np.ptp(grey, axis=2) == 0).all()
    assert np.abs(grey - parse_view("gray")(picture)).max() <= 1
    spread = [np.ptp(parse_view(f"saturation:{factor}")(picture), axis=2).mean() for factor in (0, 0.5, 1, 1.5)]
    assert spread == sorted(spread)
