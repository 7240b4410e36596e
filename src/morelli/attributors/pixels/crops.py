"""What a network sees of a picture: random crops in training, the middle when it judges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.attributors.pixels.randaugment import randaugment
from morelli.attributors.pixels.recipe import Recipe

__all__ = ["augmented", "middle", "seen_side", "stored_side"]

Pixels = NDArray[np.uint8]

_TRIES = 10
_LEAST_RATIO, _MOST_RATIO = 3 / 4, 4 / 3


def stored_side(side: int) -> int:
    """Return the side of thumbnails that crops of `side` pixels are cut from: 256 for 224.

    Examples
    --------
    >>> [stored_side(side) for side in (224, 56, 64, 384)]
    [256, 64, 73, 439]
    """
    return round(side * 256 / 224)


def seen_side(stored: int) -> int:
    """Return the side of crops from thumbnails of `stored` pixels: the reverse of `stored_side`.

    Examples
    --------
    >>> [seen_side(stored) for stored in (256, 64, 73, 439)]
    [224, 56, 64, 384]
    """
    return round(stored * 224 / 256)


def middle(pictures: Pixels, side: int) -> Pixels:
    """Cut the middle out of pictures, shape (..., side, side, 3)."""
    margin = (pictures.shape[-2] - side) // 2
    return pictures[..., margin : margin + side, margin : margin + side, :]


def augmented(picture: Pixels, recipe: Recipe, rng: np.random.Generator) -> Pixels:
    """Return what a training sees of a picture, uint8 (side, side, 3).

    Parameters
    ----------
    picture : ndarray of uint8, shape (stored side, stored side, 3)
    recipe : Recipe
    rng : Generator
        Decides everything.
    """
    side = recipe.side
    if recipe.smallest_crop < 1:
        left, top, width, height = _random_box(picture.shape[0], recipe.smallest_crop, rng)
        image = Image.fromarray(picture).resize(
            (side, side), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
        )
    else:
        room = picture.shape[0] - side
        top, left = (int(corner) for corner in rng.integers(0, room + 1, size=2))
        image = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side]))
    if recipe.flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if recipe.randaugment:
        image = randaugment(image, recipe.randaugment, recipe.randaugment_spread, rng)
    return np.asarray(image)


def _random_box(size: int, least: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a part of a square: left, top, width, height.

    C. Szegedy et al., "Going deeper with convolutions", CVPR 2015: an area evenly between `least` and all, an aspect
    ratio between 3/4 and 4/3 on a logarithmic scale; the whole where ten draws do not fit.
    """
    for _ in range(_TRIES):
        area = size * size * rng.uniform(least, 1)
        ratio = math.exp(rng.uniform(math.log(_LEAST_RATIO), math.log(_MOST_RATIO)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= size and 0 < height <= size:
            return int(rng.integers(size - width + 1)), int(rng.integers(size - height + 1)), width, height
    return 0, 0, size, size
