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


@pytest.mark.parametrize("name", ["pixel-shuffle", "patch-shuffle:16"])
def test_fixed_shuffles_move_every_image_alike(picture, name):
    fixed = parse_view(f"fixed-{name}")
    other = np.roll(picture, 5, axis=1)
    # The images side by side in the values: where a pixel of one goes, that of the other goes too.
    places = np.arange(80 * 112).reshape(80, 112)
    coded = np.stack([places % 256, places // 256, places * 0], axis=2).astype(np.uint8)
    moved = fixed(coded).astype(int)
    order = (moved[..., 0] + 256 * moved[..., 1]).ravel()
    assert sorted(order) == list(range(80 * 112))
    for pixels in (picture, other):
        np.testing.assert_array_equal(fixed(pixels).reshape(-1, 3), pixels.reshape(-1, 3)[order])
        np.testing.assert_array_equal(fixed(pixels, 1), fixed(pixels, 2))
    assert not fixed.seeded and parse_view(name).seeded
    assert (order == np.arange(80 * 112)).mean() < 0.1


def test_mean_rgb_is_the_mean_rounded(picture):
    result = parse_view("mean-rgb")(picture)
    assert (result == result[0, 0]).all() and result.shape == picture.shape
    np.testing.assert_allclose(result[0, 0], picture.mean(axis=(0, 1)), atol=0.5)
    half = np.array([[[0, 1, 255], [1, 2, 254]]], dtype=np.uint8)
    assert parse_view("mean-rgb")(half)[0, 0].tolist() == [1, 2, 255]  # halves upwards
    assert (parse_view("mean-rgb")(np.full((3000, 3000, 3), 255, dtype=np.uint8)) == 255).all()
