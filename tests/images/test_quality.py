"""The condition of an image: sizes, tables, traces of the grid, blur."""

from __future__ import annotations

import io
import json
import pickle
import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

from morelli.images import Quality, estimate_quality, read_image


def jpeg_pixels(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def photo(texture):
    return texture(600, 520, seed=3, slope=1.5)


def test_the_tables_of_a_jpeg_decide(photo, encode):
    image = read_image(encode(photo, "JPEG", quality=42))
    assert estimate_quality(image).jpeg_quality == 42
    assert estimate_quality(image.pixels, image.facts).jpeg_quality == 42
    assert estimate_quality(image).bucket == "medium/compressed"


@pytest.mark.parametrize("quality", [20, 40, 60, 80])
@pytest.mark.parametrize("corner", [(0, 0), (3, 5)])
def test_without_tables_the_grid_in_the_pixels_tells_at_any_phase(photo, quality, corner):
    seen = estimate_quality(jpeg_pixels(photo, quality)[corner[0] :, corner[1] :]).jpeg_quality
    assert seen is not None and abs(seen - quality) < 35


def test_the_estimate_from_pixels_follows_the_quality(photo):
    seen = [estimate_quality(jpeg_pixels(photo, quality)).jpeg_quality for quality in (15, 35, 60, 85)]
    assert None not in seen and seen == sorted(seen)


@pytest.mark.parametrize("seed", range(6))
def test_pixels_that_were_never_compressed_show_no_grid(texture, seed):
    assert estimate_quality(texture(512, 512, seed=seed)).jpeg_quality is None


def test_too_small_for_the_grid(texture):
    assert estimate_quality(jpeg_pixels(texture(120, 400), 20)).jpeg_quality is None


def test_blur_rises_with_blur(photo):
    image = Image.fromarray(photo)
    seen = [estimate_quality(photo).blur] + [
        estimate_quality(np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)))).blur for sigma in (1, 2, 4)
    ]
    assert seen == sorted(seen) and seen[0] < 0.6 < seen[-1]
    assert all(0 <= value <= 1 for value in seen)
    assert estimate_quality(np.asarray(image.filter(ImageFilter.GaussianBlur(4)))).bucket == "medium/blurred"


def test_blur_along_one_direction_counts(photo):
    kernel = np.ones(9) / 9
    smeared = np.apply_along_axis(np.convolve, 1, photo.astype(float), kernel, "same").astype(np.uint8)
    assert estimate_quality(smeared).blur > estimate_quality(photo).blur + 0.15
    turned = np.ascontiguousarray(smeared.swapaxes(0, 1))
    assert estimate_quality(turned).blur == pytest.approx(estimate_quality(smeared).blur, abs=0.02)


def test_blur_equals_the_definition_with_an_explicit_filter(photo):
    from scipy.ndimage import uniform_filter1d

    from morelli.images.quality import _blur, _central_luma

    luma = _central_luma(photo)
    sharp = np.abs(np.diff(luma.astype(float), axis=1))[:, 4:-4]
    again = np.abs(np.diff(uniform_filter1d(luma.astype(float), 9, axis=1), axis=1))[:, 4:-4]
    expected = 1 - np.maximum(sharp - again, 0).sum() / sharp.sum()
    assert _blur(luma, np.abs(np.diff(luma, axis=1))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (9, 9), (11, 11), (500, 2)])
def test_tiny_and_flat_images_have_a_result(shape):
    quality = estimate_quality(np.full((*shape, 3), 9, dtype=np.uint8))
    assert quality == Quality(min(shape), None, 1.0, "small/blurred")


@pytest.mark.parametrize(("side", "name"), [(383, "small"), (384, "medium"), (767, "medium"), (768, "large")])
def test_size_buckets(texture, side, name):
    assert estimate_quality(texture(side, side + 40)).bucket == f"{name}/clean"


def test_quality_travels(photo):
    quality = estimate_quality(photo)
    assert Quality(**json.loads(json.dumps(quality.to_dict()))) == quality
    assert pickle.loads(pickle.dumps(quality)) == quality


def test_the_cost_is_bounded(texture):
    big = np.tile(texture(512, 512), (6, 6, 1))
    small = texture(512, 512)

    def best(pixels):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            estimate_quality(pixels)
            times.append(time.perf_counter() - start)
        return min(times)

    best(small)
    assert best(big) < 4 * best(small) + 0.01
