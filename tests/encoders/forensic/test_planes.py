from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from morelli.encoders.forensic import MIN_SIDE, Planes
from morelli.encoders.forensic._planes import (
    TILE,
    TILES_PER_SIDE,
    folded_power,
    halve,
    second_order_gain,
    second_order_residual,
    tile_starts,
)
from morelli.errors import NotEnoughDataError

SIZES = [64, 65, 127, 128, 129, 191, 255, 256, 257, 511, 1000, 1024, 1025]


def _noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=300, deadline=None)
@given(st.integers(MIN_SIDE, 40_000))
def test_tiles_lie_evenly_inside_on_the_16_pixel_grid(length: int) -> None:
    starts = tile_starts(length)
    assert len(starts) == 1 or len(starts) % 2 == 0
    assert len(starts) <= TILES_PER_SIDE
    assert all(start % 16 == 0 for start in starts)
    assert starts[0] >= 0 and starts[-1] + TILE <= length
    gaps = np.diff(starts)
    assert (gaps >= TILE).all()
    if len(starts) > 1:
        assert gaps.max() - gaps.min() <= 16
        assert starts[0] == 0 and length - TILE - starts[-1] < 16
    else:
        assert length < 2 * TILE
        assert abs(starts[0] - (length - TILE) / 2) < 16


@pytest.mark.parametrize("height", SIZES)
@pytest.mark.parametrize("width", [64, 128, 300])
def test_regions_have_as_many_tiles_each(height: int, width: int) -> None:
    planes = Planes(_noise(height, width))
    rows, columns = len(tile_starts(height)), len(tile_starts(width))
    assert planes.regions == min(rows, 2) * min(columns, 2)
    assert planes.tiles.shape == (rows * columns, TILE, TILE, 3)
    assert len(planes.tiles) % planes.regions == 0


def test_tiles_are_cut_out_of_the_image_region_after_region() -> None:
    pixels = _noise(300, 270)
    top, bottom = tile_starts(300)[:2], tile_starts(300)[2:]
    left, right = tile_starts(270)[:2], tile_starts(270)[2:]
    expected = [
        pixels[y : y + TILE, x : x + TILE]
        for ys, xs in ((top, left), (top, right), (bottom, left), (bottom, right))
        for y in ys
        for x in xs
    ]
    np.testing.assert_array_equal(Planes(pixels).tiles, expected)


@pytest.mark.parametrize(("height", "width"), [(63, 64), (64, 63), (1, 1), (63, 4000), (4000, 10)])
def test_too_small_an_image_is_refused_with_its_size(height: int, width: int) -> None:
    with pytest.raises(NotEnoughDataError, match=rf"\b{width}x{height}\b.*\b{MIN_SIDE}\b"):
        Planes(np.zeros((height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("height", "width"), [(64, 4000), (4000, 64)])
def test_a_strip_has_two_regions(height: int, width: int) -> None:
    planes = Planes(_noise(height, width))
    assert planes.regions == 2
    assert len(planes.tiles) == min(4000 // TILE, TILES_PER_SIDE)


def test_tiles_of_a_huge_image_are_bounded() -> None:
    pixels = np.broadcast_to(np.uint8(7), (60_000, 60_000, 3))
    assert len(Planes(pixels).tiles) == TILES_PER_SIDE**2


def test_pool_and_some_keep_regions_apart() -> None:
    planes = Planes(_noise(256, 256))
    per_tile = np.arange(16, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(planes.pool(per_tile)[:, 0], [1.5, 5.5, 9.5, 13.5])
    np.testing.assert_array_equal(planes.some(per_tile, 2)[:, 0], [0, 2, 4, 6, 8, 10, 12, 14])
    np.testing.assert_array_equal(planes.some(per_tile, 4)[:, 0], [0, 4, 8, 12])


def test_luma_and_chroma_are_those_of_jpeg() -> None:
    pixels = _noise(128, 64)
    planes = Planes(pixels)
    np.testing.assert_array_equal(planes.luma_levels[1], np.asarray(Image.fromarray(pixels).convert("L"))[64:])
    exact = planes.tiles.astype(np.float64)
    luma = exact @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(planes.luma, luma, atol=0.51)
    blue, red = 0.564 * (exact[..., 2] - luma), 0.713 * (exact[..., 0] - luma)
    for measured, full in ((planes.luma_half, luma), (planes.blue_half, blue), (planes.red_half, red)):
        np.testing.assert_allclose(measured, full.reshape(2, 32, 2, 32, 2).mean(axis=(2, 4)), atol=0.6)
    np.testing.assert_allclose(planes.luma_quarter, planes.luma.reshape(2, 16, 4, 16, 4).mean(axis=(2, 4)), rtol=1e-6)
    assert planes.luma_power.shape == (2, 33, 33) and planes.luma_half_power.shape == (2, 17, 17)


def test_halve_is_the_mean_of_four() -> None:
    plane = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    np.testing.assert_array_equal(halve(plane), plane.reshape(1, 2, 2, 3, 2).mean(axis=(2, 4)))


def test_second_order_residual_is_a_convolution_that_removes_ramps() -> None:
    plane = np.random.default_rng(0).normal(size=(1, 12, 17)).astype(np.float32)
    kernel = np.outer([-0.5, 1, -0.5], [-0.5, 1, -0.5])
    expected = scipy.signal.convolve2d(plane[0], kernel, mode="valid")
    np.testing.assert_allclose(second_order_residual(plane)[0], expected, atol=1e-5)
    y, x = np.mgrid[:12, :17].astype(np.float32)
    np.testing.assert_array_equal(second_order_residual((3 * x - 2 * y + 7)[None]), 0)


@pytest.mark.parametrize(("u", "v"), [(0, 5), (1, 1), (8, 3), (16, 32), (32, 32)])
def test_second_order_gain_is_what_the_filter_does_to_a_wave(u: int, v: int) -> None:
    y, x = np.mgrid[:64, :64]
    wave = (10 * np.cos(2 * np.pi * (u * y + v * x) / 64)).astype(np.float32)
    expected = wave[1:-1, 1:-1] * np.sqrt(second_order_gain(64)[u, v])
    np.testing.assert_allclose(second_order_residual(wave[None])[0], expected, atol=1e-4)


@pytest.mark.parametrize("size", [16, 64])
def test_folded_power_is_the_windowed_periodogram(size: int) -> None:
    plane = np.random.default_rng(size).normal(100, 20, (2, size, size)).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, size + 1) / (size + 1))
    centred = plane - plane.mean(axis=(1, 2), keepdims=True)
    full = np.abs(np.fft.fft2(centred * np.outer(window, window))) ** 2
    rows = np.arange(size // 2 + 1)
    expected = (full[:, rows] + full[:, -rows]) / 2
    np.testing.assert_allclose(folded_power(plane), expected[:, :, : size // 2 + 1], rtol=1e-3, atol=0.1)
