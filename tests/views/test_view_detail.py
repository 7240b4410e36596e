"""Blur, noise, sharpening, the median."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import median_filter

from morelli.errors import ViewError
from morelli.views import parse_view


def test_blur_keeps_the_mean_and_shrinks_the_grain(picture):
    results = [parse_view(f"blur:{sigma}")(picture) for sigma in (0.5, 1, 3)]
    grain = [np.abs(np.diff(result.astype(int), axis=1)).mean() for result in [picture, *results]]
    assert grain == sorted(grain, reverse=True)
    assert results[-1].mean() == pytest.approx(picture.mean(), abs=1)


def test_blur_is_a_gaussian():
    point = np.zeros((41, 41, 3), dtype=np.uint8)
    point[20, 20] = 255
    distance = np.hypot(*np.mgrid[-20:21, -20:21])
    expected = np.exp(-(distance**2) / 2 / 1.5**2)
    np.testing.assert_allclose(parse_view("blur:1.5")(point)[..., 0], 255 * expected / expected.sum(), atol=0.6)


def test_noise_has_its_strength_and_no_bias():
    grey = np.full((128, 128, 3), 128, dtype=np.uint8)
    added = parse_view("noise:12")(grey, 4).astype(float) - 128
    assert added.mean() == pytest.approx(0, abs=0.3)
    assert added.std() == pytest.approx(12, rel=0.03)
    assert abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.03


def test_sharpen_raises_differences_and_leaves_flat_areas(picture):
    grain = [np.abs(np.diff(parse_view(name)(picture).astype(int), axis=1)).mean() for name in ("none", "sharpen:1")]
    assert grain[1] > 1.3 * grain[0]
    flat = np.full((20, 20, 3), 77, dtype=np.uint8)
    np.testing.assert_array_equal(parse_view("sharpen:3")(flat), flat)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_median_is_the_median_of_a_square(picture, size):
    expected = median_filter(picture, size=(size, size, 1), mode="nearest")
    half = size // 2
    result = parse_view(f"median:{size}")(picture)
    np.testing.assert_array_equal(result[half:-half, half:-half], expected[half:-half, half:-half])
    assert result.shape == picture.shape


def test_median_removes_single_pixels():
    dirty = np.full((30, 30, 3), 80, dtype=np.uint8)
    dirty[4::7, 3::7] = 255
    assert (parse_view("median:3")(dirty) == 80).all()


@pytest.mark.parametrize("size", ["2", "14", "16", "0", "3.0"])
def test_a_median_has_an_odd_size(size):
    with pytest.raises(ViewError, match="an odd number from 1 to 15"):
        parse_view(f"median:{size}")
