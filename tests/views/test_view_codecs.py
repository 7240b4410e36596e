"""Saving as JPEG, WebP, AVIF or a palette, and decoding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from morelli.errors import ViewError
from morelli.views import parse_view


def through_pillow(pixels, format_name, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_name, **options)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("quality", [1, 50, 85, 100])
def test_jpeg_is_pillows_round_trip_bit_for_bit(picture, quality):
    expected = through_pillow(picture, "JPEG", quality=quality)
    np.testing.assert_array_equal(parse_view(f"jpeg:{quality}")(picture), expected)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        expected = through_pillow(picture, "JPEG", quality=quality, subsampling=subsampling)
        np.testing.assert_array_equal(parse_view(f"jpeg:{quality},{subsampling}")(picture), expected)


def test_webp_is_pillows_round_trip(picture):
    np.testing.assert_array_equal(parse_view("webp:60")(picture), through_pillow(picture, "WEBP", quality=60))


def test_webp_says_how_large_it_can_be():
    with pytest.raises(ViewError, match="16383"):
        parse_view("webp:80")(np.zeros((1, 17_000, 3), dtype=np.uint8))


def test_codecs_take_images_longer_than_the_limit_on_files():
    long = np.zeros((1, 40_000, 3), dtype=np.uint8)
    assert parse_view("jpeg:80")(long).shape == long.shape


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


@needs_avif
def test_avif_is_pillows_round_trip(picture):
    expected = through_pillow(picture, "AVIF", quality=60, subsampling="4:2:0", speed=6, max_threads=1)
    np.testing.assert_array_equal(parse_view("avif:60")(picture), expected)
    assert np.any(parse_view("avif:60,4:4:4")(picture) != expected)


@needs_avif
def test_avif_holds_single_pixels_and_long_strips():
    for shape in ((1, 1, 3), (1, 301, 3), (301, 1, 3)):
        pixels = np.full(shape, 90, dtype=np.uint8)
        result = parse_view("avif:90")(pixels)
        assert result.shape == shape and np.abs(result.astype(int) - 90).max() <= 3


def test_avif_without_support_is_a_view_error(picture, monkeypatch):
    monkeypatch.setattr("morelli.views.codecs.features.check", lambda name: name != "avif")
    with pytest.raises(ViewError, match=r"cannot write AVIF; install"):
        parse_view("avif:60")(picture)


@pytest.mark.parametrize("colours", [2, 7, 256])
@pytest.mark.parametrize("dither", [0, 1])
def test_quantise_has_so_many_colours(picture, colours, dither):
    result = parse_view(f"quantise:{colours},{dither}")(picture)
    assert 2 <= len(np.unique(result.reshape(-1, 3), axis=0)) <= colours


def test_quantise_keeps_few_colours_and_dither_keeps_the_mean_of_areas(picture):
    few = np.array([[10, 20, 30], [200, 0, 90], [0, 0, 0]], dtype=np.uint8)[np.arange(600).reshape(20, 30) // 7 % 3]
    np.testing.assert_array_equal(parse_view("quantise:3")(few), few)
    grey = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (64, 1))[:, :, np.newaxis], 3, axis=2)
    plain, dithered = (parse_view(f"quantise:2,{dither}")(grey).astype(float) for dither in (0, 1))
    means = [
        np.abs(pixels[:, 96:160].mean(axis=0) - grey[:, 96:160].mean(axis=0)).mean() for pixels in (plain, dithered)
    ]
    assert means[1] < 0.5 * means[0]
