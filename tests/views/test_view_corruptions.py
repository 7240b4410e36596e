"""What each corruption does to pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize(("side", "shape"), [(40, (40, 56)), (80, (80, 112)), (160, (160, 224)), (33, (33, 46))])
def test_resize_sets_the_short_side(picture, side, shape):
    assert parse_view(f"resize:{side}")(picture).shape[:2] == shape
    upright = np.ascontiguousarray(picture.swapaxes(0, 1))
    assert parse_view(f"resize:{side}")(upright).shape[:2] == shape[::-1]


def test_resize_is_antialiased_bicubic(picture):
    expected = np.asarray(Image.fromarray(picture).resize((56, 40), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(parse_view("resize:40")(picture), expected)
    np.testing.assert_array_equal(parse_view("scale:0.5")(picture), expected)


def test_resize_refuses_to_fill_the_memory():
    with pytest.raises(ViewError, match="choose less"):
        parse_view("resize:8192")(np.zeros((1, 10, 3), dtype=np.uint8))


def test_scale_and_screenshot_sizes(picture):
    assert parse_view("scale:0.01")(picture).shape == (1, 1, 3)
    assert parse_view("scale:1.5")(picture).shape == (120, 168, 3)
    assert parse_view("screenshot")(picture).shape == (72, 101, 3)
    expected = np.asarray(Image.fromarray(picture).resize((101, 72), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(parse_view("screenshot")(picture), expected)


def test_crop_keeps_the_centre(picture):
    np.testing.assert_array_equal(parse_view("crop:0.5")(picture), picture[20:60, 28:84])
    np.testing.assert_array_equal(parse_view("crop:1")(picture), picture)


def test_random_crops_lie_within_and_move(picture):
    seen = set()
    for seed in range(30):
        result = parse_view("random-crop:0.5")(picture, seed)
        assert result.shape == (40, 56, 3)
        windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0], (40, 56))
        places = np.argwhere((windows == result[..., 0]).all(axis=(2, 3)))
        assert len(places) == 1
        seen.add(tuple(places[0]))
    assert len(seen) > 20


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


def test_sharpen_raises_differences_and_leaves_flat_areas(picture):
    grain = [np.abs(np.diff(parse_view(name)(picture).astype(int), axis=1)).mean() for name in ("none", "sharpen:1")]
    assert grain[1] > 1.3 * grain[0]
    flat = np.full((20, 20, 3), 77, dtype=np.uint8)
    np.testing.assert_array_equal(parse_view("sharpen:3")(flat), flat)
