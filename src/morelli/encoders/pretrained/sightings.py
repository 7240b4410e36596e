"""The two ways in which a network looks at an image: whole and resized, and in crops of the native resolution."""

from __future__ import annotations

import hashlib
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.encoders.forensic import MIN_SIDE
from morelli.encoders.pretrained.spec import Preprocessing
from morelli.errors import NotEnoughDataError

__all__ = ["GRID", "check_pixels", "crop_offsets", "crops_of", "network_input", "resampler_fingerprint", "resized_of"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

GRID = 8
"""Crops begin at multiples of this: every crop sees the blocks of JPEG, and of many decoders, in the same place."""


def check_pixels(pixels: Pixels) -> None:
    """Refuse what is no image, or too small a one.

    Raises
    ------
    NotEnoughDataError
        A side is shorter than `morelli.encoders.forensic.MIN_SIDE`.
    TypeError
        These are no uint8 pixels of shape (height, width, 3).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise TypeError(f"an encoder takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise NotEnoughDataError(
            f"{width}x{height} pixels are too few for a pretrained encoder: both sides need {MIN_SIDE} or more."
        )


def resized_of(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Return the whole image in the network's size, uint8 (size, size, 3).

    As the networks' own processors do it: the shorter side becomes `resize` pixels, the longer one is rounded down, and
    the centre is cut out; or the image is stretched, where the network was trained so. Pillow resizes, from uint8 to
    uint8, with all source pixels taken in.
    """
    height, width = pixels.shape[:2]
    size, short = preprocessing.size, preprocessing.resize or preprocessing.size
    filter_ = Image.Resampling[preprocessing.resample.upper()]
    if preprocessing.fit == "stretch":
        return np.asarray(Image.fromarray(pixels).resize((size, size), filter_))
    new = (short, short * height // width) if width <= height else (short * width // height, short)
    left, top = (new[0] - size) // 2, (new[1] - size) // 2
    return np.asarray(Image.fromarray(pixels).resize(new, filter_))[top : top + size, left : left + size]


def crop_offsets(length: int, size: int, grid: int) -> list[int]:
    """Return where crops of `size` pixels begin along a side of `length` pixels, multiples of 8 in ascending order.

    They are spread evenly from the one end to the other. There are `grid` of them at most, and no more than are needed
    to cover the side; one alone stands in the middle.

    Examples
    --------
    >>> crop_offsets(1024, 224, 3), crop_offsets(1024, 224, 1), crop_offsets(300, 224, 3), crop_offsets(100, 224, 3)
    ([0, 400, 800], [400], [0, 72], [0])
    """
    room = length - size
    if room <= 0:
        return [0]
    count = min(grid, math.ceil(length / size))
    if count == 1:
        return [room // 2 // GRID * GRID]
    return sorted({room * i // (count - 1) // GRID * GRID for i in range(count)})


def crops_of(pixels: Pixels, size: int, grid: int) -> list[Pixels]:
    """Return crops of the native resolution in reading order, each uint8 (size, size, 3).

    An image with a side shorter than `size` is continued there by its mirror image, to the right and downwards, since
    resizing would change the very traces that crops are looked at for.
    """
    height, width = pixels.shape[:2]
    missing = (max(0, size - height), max(0, size - width))
    if any(missing):
        pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
        height, width = pixels.shape[:2]
    return [
        pixels[top : top + size, left : left + size]
        for top in crop_offsets(height, size, grid)
        for left in crop_offsets(width, size, grid)
    ]


def network_input(pixels: Pixels, preprocessing: Preprocessing) -> Float:
    """Return ``(pixel / 255 - mean) / std``, float32 (1, 3, height, width), contiguous."""
    table = _table(preprocessing.mean, preprocessing.std)
    return np.stack([table[channel][pixels[:, :, channel]] for channel in range(3)])[None]


@cache
def resampler_fingerprint() -> str:
    """Return twelve hexadecimal digits for what Pillow's filters make of a fixed image: its versions may differ."""
    noise = np.random.PCG64(1874).random_raw(96 * 64 * 3).reshape(96, 64, 3) >> np.uint64(56)
    image = Image.fromarray(noise.astype(np.uint8))
    digest = hashlib.sha256()
    for filter_ in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        for size in ((41, 62), (113, 170)):
            digest.update(np.asarray(image.resize(size, filter_)).tobytes())
    return digest.hexdigest()[:12]


@cache
def _table(mean: tuple[float, ...], std: tuple[float, ...]) -> Float:
    """Return the input for each value of each channel, float32 (3, 256)."""
    values = np.arange(256, dtype=np.float64) / 255
    return np.asarray([(values - m) / s for m, s in zip(mean, std, strict=True)], dtype=np.float32)
