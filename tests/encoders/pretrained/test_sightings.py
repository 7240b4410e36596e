from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from morelli.encoders.pretrained import CLIP, Preprocessing
from morelli.encoders.pretrained.sightings import (
    check_pixels,
    crop_offsets,
    crops_of,
    network_input,
    resampler_fingerprint,
    resized_of,
)
from morelli.errors import NotEnoughDataError


@given(st.integers(64, 5000), st.integers(16, 512), st.integers(1, 16))
def test_crops_lie_within_the_image_on_the_grid(length, size, grid):
    offsets = crop_offsets(length, size, grid)
    assert offsets == sorted(set(offsets))
    assert 1 <= len(offsets) <= grid
    assert all(offset % 8 == 0 and offset >= 0 for offset in offsets)
    assert max(offsets) + size <= max(length, size)


def test_crops_are_the_pixels_themselves_in_reading_order(picture):
    pixels = picture(512, 300)
    crops = crops_of(pixels, 224, 3)
    assert len(crops) == 6
    assert np.array_equal(crops[0], pixels[:224, :224])
    assert np.array_equal(crops[1], pixels[:224, 144:368])
    assert np.array_equal(crops[-1], pixels[72:296, 288:512])


def test_a_small_image_is_continued_by_its_mirror_image(picture):
    pixels = picture(100, 64)
    (crop,) = crops_of(pixels, 224, 3)
    assert crop.shape == (224, 224, 3)
    assert np.array_equal(crop[:64, :100], pixels)
    assert np.array_equal(crop[:64, 100:150], pixels[:, 98:48:-1])
    assert np.array_equal(crop[64:100, :100], pixels[62:26:-1])


def test_the_whole_image_is_resized_as_by_the_networks_processors(picture):
    pixels = picture(301, 200)
    expected = Image.fromarray(pixels).resize((337, 224), Image.Resampling.BICUBIC).crop((56, 0, 280, 224))
    assert np.array_equal(resized_of(pixels, CLIP), np.asarray(expected))
    larger = Preprocessing(224, CLIP.mean, CLIP.std, resize=256)
    expected = Image.fromarray(pixels.swapaxes(0, 1)).resize((256, 385), Image.Resampling.BICUBIC)
    assert np.array_equal(resized_of(pixels.swapaxes(0, 1), larger), np.asarray(expected)[80:304, 16:240])
    stretched = Preprocessing(224, CLIP.mean, CLIP.std, fit="stretch", resample="bilinear")
    expected = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)
    assert np.array_equal(resized_of(pixels, stretched), np.asarray(expected))


def test_the_processor_of_clip_agrees(picture):
    transformers = pytest.importorskip("transformers", reason="needs the deep extra")
    processor = getattr(transformers, "CLIPImageProcessorPil", None) or pytest.skip("no processor without torchvision")
    pixels = picture(301, 200)
    expected = processor()(images=Image.fromarray(pixels), return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(network_input(resized_of(pixels, CLIP), CLIP), expected, atol=1e-6)


def test_the_input_of_a_network():
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    pixels[0, 1] = (255, 128, 64)
    values = network_input(pixels, CLIP)
    assert values.shape == (1, 3, 2, 2)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    expected = (np.array([1, 128 / 255, 64 / 255]) - CLIP.mean) / CLIP.std
    np.testing.assert_allclose(values[0, :, 0, 1], expected, rtol=1e-6)


def test_what_is_no_image_is_refused(picture):
    with pytest.raises(NotEnoughDataError, match="100x63 pixels are too few"):
        check_pixels(picture(100, 63))
    with pytest.raises(TypeError, match="uint8 pixels"):
        check_pixels(picture().astype(np.float32))
    check_pixels(picture(64, 64))


def test_the_resampler_has_a_name():
    assert len(resampler_fingerprint()) == 12
