"""The votes of blocks in the scheme "dwtDct" of the package invisible-watermark 0.2.0, in numpy.

The scheme, from ``imwatermark/maxDct.py`` (https://github.com/ShieldMnt/invisible-watermark, MIT licence; despite its
name it has no DCT): the U channel of OpenCV's BGR to YUV, the approximation band of one level of the Haar transform, in
blocks of 4 by 4 coefficients, row by row. A block's largest coefficient (the first is not looked at) is moved to
36 (q + 0.25) for a 0 and to 36 (q + 0.75) for a 1; block n carries bit n modulo the length of the payload.

Whoever embeds may have passed integers or floats, and channels in the right order or not. That changes which
coefficient is the largest, so an image has to be read as it was written.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "SCALE", "Conversion", "Votes", "read_votes"]

BLOCK: Final = 8
"""Side of a block in pixels: 4 coefficients, each of 2 by 2 pixels."""
SCALE: Final = 36
"""Distance of coefficients that carry the same bit."""

_FLAT = 0.25
"""Blocks whose coefficients differ by less hold nothing: a mark would have moved one of them away from the others."""


class Conversion(NamedTuple):
    """How the program that embeds hands pixels to the library."""

    kind: Literal["uint8", "float32"]
    order: Literal["bgr", "rgb"]


class Votes(NamedTuple):
    """What each block says.

    Attributes
    ----------
    ones : ndarray of bool, shape (rows, columns)
        The bit that the block reads as.
    informative : ndarray of bool, shape (rows, columns)
        False where the block is flat.
    first : int
        Number of the first block in the whole image, from which on phases are counted.
    """

    ones: NDArray[np.bool_]
    informative: NDArray[np.bool_]
    first: int


def read_votes(pixels: NDArray[np.uint8], conversion: Conversion, max_blocks: int) -> Votes:
    """Read the bit of every block.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB.
    conversion : Conversion
    max_blocks : int
        Of a larger image, the middle rows of blocks are read.
    """
    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    kept = min(rows, max(1, max_blocks // max(columns, 1)))
    top = (rows - kept) // 2
    part = pixels[top * BLOCK : (top + kept) * BLOCK, : columns * BLOCK]
    band = _haar(_u_channel(part, conversion))
    blocks = band.reshape(kept, 4, columns, 4).swapaxes(1, 2).reshape(kept, columns, 16)[..., 1:]
    sizes = np.abs(blocks)
    # A maximum is one of the values, so that taking it is what argmax and a lookup do in the original.
    ones = sizes.max(axis=-1) % sizes.dtype.type(SCALE) > 0.5 * SCALE
    return Votes(ones, np.ptp(blocks, axis=-1) >= _FLAT, top * columns)


def _u_channel(pixels: NDArray[np.uint8], conversion: Conversion) -> NDArray[np.floating]:
    """Return U as OpenCV computes it: in fixed point from integers, around 128; from floats around 0.5."""
    red, green, blue = (pixels[..., i] for i in ((0, 1, 2) if conversion.order == "bgr" else (2, 1, 0)))
    if conversion.kind == "float32":
        r, g, b = (channel.astype(np.float32) for channel in (red, green, blue))
        luma = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
        chroma: NDArray[np.floating] = (b - luma) * np.float32(0.492) + np.float32(0.5)
        return chroma
    ri, gi, bi = (channel.astype(np.int32) for channel in (red, green, blue))
    fixed = (ri * 4899 + gi * 9617 + bi * 1868 + 8192) >> 14
    rounded: NDArray[np.floating] = np.clip(((bi - fixed) * 8061 + (128 << 14) + 8192) >> 14, 0, 255).astype(np.float64)
    return rounded


def _haar(plane: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the approximation band as PyWavelets computes it, rows first, so that ties fall the same way."""
    half = plane.dtype.type(np.sqrt(0.5))
    paired = plane[::2] * half + plane[1::2] * half
    band: NDArray[np.floating] = paired[:, ::2] * half + paired[:, 1::2] * half
    return band
