"""What each structural probe keeps and what it takes away."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.views import parse_view


def test_lowpass_and_highpass_are_complements(picture):
    low, high = (parse_view(f"{name}:2")(picture).astype(int) for name in ("lowpass", "highpass"))
    assert np.abs(low + high - 128 - picture).max() <= 1
    np.testing.assert_array_equal(low, parse_view("blur:2")(picture))


def test_highpass_of_a_flat_image_is_mid_grey():
    flat = np.full((20, 20, 3), 200, dtype=np.uint8)
    np.testing.assert_array_equal(parse_view("highpass:1")(flat), np.full_like(flat, 128))


def test_pixel_shuffle_keeps_every_colour_and_no_place(picture):
    result = parse_view("pixel-shuffle")(picture, 1)
    for pixels in (result, picture):
        assert pixels.shape == (80, 112, 3)
    ordered = [np.sort(pixels.reshape(-1, 3).astype(np.int64) @ [65536, 256, 1]) for pixels in (result, picture)]
    np.testing.assert_array_equal(*ordered)  # whole pixels move, not channels
    assert (result == picture).all(axis=2).mean() < 0.05


@pytest.mark.parametrize("size", [1, 8, 16, 30])
def test_patch_shuffle_moves_whole_patches(picture, size):
    result = parse_view(f"patch-shuffle:{size}")(picture, 2)
    rows, columns = 80 // size, 112 // size

    def patches(pixels):
        return sorted(
            pixels[row * size : (row + 1) * size, column * size : (column + 1) * size].tobytes()
            for row in range(rows)
            for column in range(columns)
        )

    assert patches(result) == patches(picture)
    assert np.any(result != picture)
    np.testing.assert_array_equal(result[rows * size :], picture[rows * size :])
    np.testing.assert_array_equal(result[:, columns * size :], picture[:, columns * size :])


def test_a_patch_larger_than_the_image_changes_nothing(picture):
    np.testing.assert_array_equal(parse_view("patch-shuffle:81")(picture, 1), picture)
