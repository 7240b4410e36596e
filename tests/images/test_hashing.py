"""The perceptual hash: near for the same picture, far for another, the same everywhere."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from morelli.images import hamming, perceptual_hash
from morelli.images.hashing import _count_bits

HASHES = st.integers(0, 2**64 - 1)
SEEDS = range(12)


def saved(pixels, format_name, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_name, **options)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def photos(texture):
    return [texture(240, 320, seed=seed) for seed in SEEDS]


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda pixels: saved(pixels, "JPEG", quality=60), 4),
        (lambda pixels: saved(pixels, "WEBP", quality=50), 4),
        (lambda pixels: np.asarray(Image.fromarray(pixels).resize((304, 228), Image.Resampling.BICUBIC)), 6),
        (lambda pixels: np.asarray(Image.fromarray(pixels).resize((640, 480), Image.Resampling.LANCZOS)), 4),
        (lambda pixels: np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(1.1)), 8),
    ],
    ids=["jpeg", "webp", "smaller", "larger", "brighter"],
)
def test_small_changes_keep_the_hash_near(photos, change, most):
    distances = [int(hamming(perceptual_hash(pixels), perceptual_hash(change(pixels)))) for pixels in photos]
    assert max(distances) <= most, distances


def test_different_pictures_are_far(photos):
    hashes = np.array([perceptual_hash(pixels) for pixels in photos], dtype=np.uint64)
    distances = hamming(hashes[:, None], hashes[None, :])[np.triu_indices(len(hashes), 1)]
    assert distances.min() >= 14 and 26 < distances.mean() < 38


def test_flat_images_of_any_size_and_shade_hash_to_zero():
    for shade in (0, 1, 127, 255):
        for shape in ((1, 1), (31, 33), (64, 64), (100, 3)):
            assert perceptual_hash(np.full((*shape, 3), shade, dtype=np.uint8)) == 0


def test_the_hash_fits_64_bits_and_has_no_bit_for_the_mean(photos):
    for pixels in photos:
        value = perceptual_hash(pixels)
        assert isinstance(value, int) and 0 < value < 2**63


def test_the_hash_does_not_need_writable_or_contiguous_pixels(photos):
    pixels = photos[0].copy()
    pixels.flags.writeable = False
    assert perceptual_hash(pixels) == perceptual_hash(np.asfortranarray(pixels)) == perceptual_hash(photos[0])


@given(HASHES, HASHES)
def test_hamming_counts_bits(first, second):
    expected = (first ^ second).bit_count()
    assert int(hamming(first, second)) == expected
    single = _count_bits(np.asarray(first ^ second, dtype=np.uint64))  # NumPy 1
    assert single.shape == () and int(single) == expected


def test_hamming_broadcasts():
    hashes = np.array([0, 1, 2**64 - 1], dtype=np.uint64)
    distances = hamming(hashes[:, None], hashes)
    assert distances.dtype == np.uint8
    np.testing.assert_array_equal(distances, [[0, 1, 64], [1, 0, 63], [64, 63, 0]])
    np.testing.assert_array_equal(_count_bits(hashes[:, None] ^ hashes), distances)
