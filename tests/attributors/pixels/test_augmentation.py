from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from morelli.attributors.pixels import PROCESSOR, PUBLISHED
from morelli.attributors.pixels.crops import augmented, middle
from morelli.attributors.pixels.randaugment import OPERATIONS, randaugment


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_the_operations_are_those_of_the_increasing_set():
    assert list(OPERATIONS) == [
        "auto-contrast", "equalize", "invert", "rotate", "posterize", "solarize", "solarize-add", "color", "contrast",
        "brightness", "sharpness", "shear-x", "shear-y", "translate-x", "translate-y",
    ]  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("strength", "sign"), [(0.0, 1.0), (0.5, -1.0), (0.9, 1.0), (1.0, -1.0)])
def test_operations_keep_size_and_kind_and_are_the_same_again(name, strength, sign, picture):
    image = Image.fromarray(picture)
    once, again = (OPERATIONS[name](image, strength, sign) for _ in range(2))
    assert (once.size, once.mode) == ((40, 40), "RGB")
    assert (np.asarray(once) == np.asarray(again)).all()
    assert (np.asarray(image) == picture).all(), "the picture itself is not touched"


GRADED = sorted(set(OPERATIONS) - {"auto-contrast", "equalize", "invert"})


@pytest.mark.parametrize("name", GRADED)
def test_more_strength_is_more_change(name, picture):
    smooth = np.asarray(Image.fromarray(picture).resize((10, 10)).resize((40, 40), Image.Resampling.BICUBIC))
    image = Image.fromarray(smooth)
    changes = [
        np.abs(np.asarray(OPERATIONS[name](image, strength, -1.0)).astype(int) - smooth).mean()
        for strength in (0.2, 0.9)
    ]
    assert changes[1] > changes[0]


def test_operations_by_their_closed_forms():
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))

    def levels(name, strength, sign=1.0):
        return np.asarray(OPERATIONS[name](ramp, strength, sign))[0, :, 0].astype(int)

    x = np.arange(256)
    assert (levels("invert", 0.9) == 255 - x).all()
    assert (levels("posterize", 0.9) == (x & 0b10000000)).all()  # one bit is left
    assert (levels("solarize", 0.9) == np.where(x < 26, x, 255 - x)).all()
    assert (levels("solarize-add", 0.9) == np.where(x < 128, x + 99, x)).all()
    assert np.abs(levels("brightness", 0.5, -1.0) - 0.55 * x).max() <= 1
    wide = np.zeros((20, 20, 3), dtype=np.uint8)
    wide[:, 10] = 255
    shifted = np.asarray(OPERATIONS["translate-x"](Image.fromarray(wide), 1.0, 1.0))
    assert shifted[5, 1, 0] == 255, "0.45 of 20 pixels to the left"
    assert tuple(shifted[5, 19]) == (124, 116, 104), "what comes in is the mean colour"


def test_about_half_of_all_operations_are_used(picture):
    image = Image.fromarray(picture)
    rng = np.random.default_rng(0)
    same = np.mean([np.asarray(randaugment(image, 9, 0.5, rng)).tobytes() == picture.tobytes() for _ in range(400)])
    assert 0.2 < same < 0.33, "none of two with probability 1/4, and sometimes one that does nothing here"


def test_what_is_seen_follows_from_the_generator_alone(picture):
    recipe = PUBLISHED.with_settings({"side": 32})
    seen = [augmented(picture, recipe, np.random.default_rng([0, 2, epoch, 7])) for epoch in (0, 0, 1)]
    assert all(each.shape == (32, 32, 3) and each.dtype == np.uint8 for each in seen)
    assert (seen[0] == seen[1]).all()
    assert (seen[0] != seen[2]).any()


def test_crops_in_the_own_resolution_are_pixels_of_the_picture(picture):
    recipe = PROCESSOR.with_settings({"side": 32})
    windows = {
        picture[y : y + 32, x : x + 32][:, ::step].tobytes() for y in range(9) for x in range(9) for step in (1, -1)
    }
    rng = np.random.default_rng(0)
    seen = {augmented(picture, recipe, rng).tobytes() for _ in range(64)}
    assert seen <= windows
    assert len(seen) > 20
    assert augmented(picture, recipe.with_settings({"side": 40, "flip": False}), rng).tobytes() == picture.tobytes()


def test_random_boxes_have_the_areas_and_ratios_that_were_asked_for():
    from morelli.attributors.pixels.crops import _random_box

    rng = np.random.default_rng(0)
    boxes = np.array([_random_box(256, 0.08, rng) for _ in range(500)])
    left, top, width, height = boxes.T
    assert ((left >= 0) & (top >= 0) & (left + width <= 256) & (top + height <= 256)).all()
    areas, ratios = width * height / 256**2, width / height
    assert 0.075 < areas.min() < 0.12
    assert areas.max() > 0.85
    assert (ratios > 0.7).all()
    assert (ratios < 1.4).all()


def test_the_middle(picture):
    assert (middle(picture, 32) == picture[4:36, 4:36]).all()
    assert middle(picture[None, None], 40).shape == (1, 1, 40, 40, 3)
