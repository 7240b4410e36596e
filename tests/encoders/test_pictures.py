from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from morelli.encoders import NativePatches, Thumbnail, get_encoder, list_encoders
from morelli.encoders.pictures import pack_pixels, picture_encoder, unpack_pictures, unpack_pixels
from morelli.errors import MorelliError


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (300, 420, 3), dtype=np.uint8)


def test_thumbnail_is_the_middle_square(noise):
    packed = Thumbnail(64).encode(noise).mean["thumbnail-64"]
    picture = unpack_pixels(packed[None])[0]
    expected = np.asarray(Image.fromarray(noise).resize((90, 64), Image.Resampling.BICUBIC))[:, 13:77]
    assert (picture == expected).all()


def test_packed_pixels():
    every = np.array([[0, 0, 0], [255, 255, 255], [1, 2, 3], [255, 0, 128]], dtype=np.uint8).reshape(2, 2, 3)
    packed = pack_pixels(every)
    assert packed.dtype == np.float32
    assert (unpack_pixels(packed[None])[0] == every).all()
    for wrong in (packed[:3], packed + 0.5, packed - 1, packed + 2.0**24):
        with pytest.raises(ValueError, match="no thumbnails"):
            unpack_pixels(wrong[None])


def test_patches_are_pixels_of_the_image_on_the_grid(noise):
    encoder = NativePatches(64, 9)
    patches = encoder.cut(noise)
    assert patches.shape == (9, 64, 64, 3)
    starts = [(y, x) for y in (0, 112, 232) for x in (0, 176, 352)]
    for patch, (y, x) in zip(patches, starts, strict=True):
        assert (patch == noise[y : y + 64, x : x + 64]).all()
    packed = encoder.encode(noise).mean["patches-64x9"]
    assert (unpack_pictures(packed[None], 9)[0] == patches).all()


def test_one_patch_is_the_middle_and_small_images_overlap(noise):
    assert (NativePatches(64, 1).cut(noise)[0] == noise[112:176, 176:240]).all()
    overlapping = NativePatches(64, 16).cut(noise[:72, :64])
    assert overlapping.shape == (16, 64, 64, 3)
    assert (overlapping[-1] == noise[8:72, :64]).all()


def test_names():
    assert get_encoder("thumbnail-128").side == 128
    encoder = get_encoder("patches-32x4")
    assert (encoder.side, encoder.patches, encoder.dim) == (32, 4, 4096)
    assert {"thumbnail-256", "thumbnail-64", "patches-64x16"} <= {info.name for info in list_encoders()}
    for wrong, message in [
        ("thumbnail-x", "thumbnail-SIDE"),
        ("patches-64", "patches-SIDExNUMBER"),
        ("patches-64x5", "square number"),
        ("patches-64x0", "square number"),
        ("thumbnail-8", "16 to 1024"),
        ("patches-2000x4", "16 to 1024"),
    ]:
        with pytest.raises(MorelliError, match=message):
            picture_encoder(wrong)
    with pytest.raises(ValueError, match="no thumbnails or patches, 3 an image"):
        unpack_pictures(np.zeros((1, 4096), dtype=np.float32), 3)
