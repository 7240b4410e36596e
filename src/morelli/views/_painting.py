"""Classes, masks and depths as pictures, in fixed colours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from morelli.views.info import Pixels

__all__ = ["PALETTE", "grey_of", "outlines_of", "paint_areas", "paint_classes"]


def _palette() -> Pixels:
    """Return the colours of Pascal VOC: the bits of a number, dealt to red, green and blue from the highest on."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for number in range(256):
        rest = number
        for place in range(8):
            for channel in range(3):
                colours[number, channel] |= (rest >> channel & 1) << (7 - place)
            rest >>= 3
    return colours


PALETTE = _palette()
"""uint8 (256, 3); the first is black."""


def paint_classes(labels: NDArray[np.int64]) -> Pixels:
    """Return a picture of the classes (height, width): the class 0 has the first colour after black."""
    return PALETTE[1 + labels % 255]


def paint_areas(masks: Iterable[NDArray[np.bool_]], height: int, width: int) -> Pixels:
    """Return a picture of masks that come from the largest on: each in the colour of its place in that order.

    Small ones are painted over large ones; what no mask holds is black.
    """
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    for number, mask in enumerate(masks):
        picture[mask] = PALETTE[1 + number % 255]
    return picture


def outlines_of(masks: Iterable[NDArray[np.bool_]], height: int, width: int) -> Pixels:
    """Return the borders of masks, white on black: pixels of a mask with one beside them that is none of it."""
    border = np.zeros((height, width), dtype=np.bool_)
    for mask in masks:
        # What lies outside of the image is neither in a mask nor out of it.
        around = np.pad(mask, 1, mode="edge")
        inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        border |= mask & ~inner
    return np.repeat((border * np.uint8(255))[:, :, None], 3, axis=2)


def grey_of(values: NDArray[np.float32], *, stretch: bool) -> Pixels:
    """Return numbers as grey levels in all three channels.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
        From 0 to 1, or of any unit with `stretch`.
    stretch : bool
        Whether the lowest value becomes black and the highest white; a plane of one value becomes black.
    """
    if stretch:
        low, high = values.min(), values.max()
        values = (values - low) / (high - low) if high > low else np.zeros_like(values)
    levels = np.floor(np.clip(values, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)
