"""Encoders that keep pixels, for networks on them: the whole image made small, or native patches of it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.encoders._one_block import OneBlock
from morelli.encoders.encoder import Encoder
from morelli.encoders.registry import register_encoder, register_resolver
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = [
    "PICTURE_PREFIXES",
    "NativePatches",
    "PictureEncoder",
    "Thumbnail",
    "pack_pixels",
    "picture_encoder",
    "unpack_pictures",
    "unpack_pixels",
]

Pixels = NDArray[np.uint8]

PICTURE_PREFIXES = ("thumbnail-", "patches-")
"""How the names of encoders begin that keep pixels."""

_GRID = 8
"""Native patches begin at multiples of this, where the blocks of codecs and decoders do."""

_SIDES = (16, 1024)
_MOST_PATCHES = 100


class PictureEncoder(OneBlock):
    """What turns an image into one or several squares of pixels.

    A pixel is one number, see `pack_pixels`: it means nothing to anything but `unpack_pictures`.

    Parameters
    ----------
    name : str
    side : int
        Of the squares, in pixels.
    patches : int
        Squares of an image.
    **settings
        What else decides the pixels.

    Raises
    ------
    MorelliError
        The side is not between 16 and 1024.
    """

    def __init__(self, name: str, side: int, patches: int, **settings: Any) -> None:
        if not _SIDES[0] <= side <= _SIDES[1]:
            raise MorelliError(f"Pictures have sides of {_SIDES[0]} to {_SIDES[1]} pixels, not {side}.")
        super().__init__(name, patches * side * side, side=side, **settings)
        self.side, self.patches = side, patches

    def cut(self, pixels: Pixels) -> Pixels:
        """Return the squares of an image, uint8 (patches, side, side, 3).

        Raises
        ------
        NotEnoughDataError
            The image is too small.
        """
        raise NotImplementedError

    def _measure(self, pixels: Pixels) -> NDArray[np.float32]:
        return pack_pixels(self.cut(pixels))


class Thumbnail(PictureEncoder):
    """The whole picture, small: what networks on pixels read.

    Bicubic with antialiasing until the short side has `side` pixels, then the middle square, as the evaluations of the
    ConvNeXt papers do.

    Parameters
    ----------
    side : int
        In pixels, 16 to 1024. Networks cut smaller squares out of it.
    """

    def __init__(self, side: int) -> None:
        super().__init__(f"thumbnail-{side}", side, 1, filter="bicubic")

    def cut(self, pixels: Pixels) -> Pixels:
        """Return the one square of an image, uint8 (1, side, side, 3)."""
        height, width = pixels.shape[:2]
        scale = self.side / min(height, width)
        size = (max(self.side, round(width * scale)), max(self.side, round(height * scale)))
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        return np.asarray(small)[None, top : top + self.side, left : left + self.side]


class NativePatches(PictureEncoder):
    """Patches of an image as it is: nothing is resized, so that the traces of the last pixel stay.

    Parameters
    ----------
    side : int
        In pixels, 16 to 1024.
    patches : int
        A square number up to 100: as many rows as columns, evenly spread, each beginning at a multiple of 8 pixels. In
        a small image they overlap; an image with a side shorter than a patch is refused.

    Raises
    ------
    MorelliError
        `patches` is no square number, or a value is out of its range.
    """

    def __init__(self, side: int, patches: int) -> None:
        per_side = math.isqrt(max(0, patches))
        if per_side**2 != patches or not 1 <= patches <= _MOST_PATCHES:
            raise MorelliError(
                f"Native patches are a square number up to {_MOST_PATCHES}: 1, 4, 9, 16 ..., not {patches}."
            )
        super().__init__(f"patches-{side}x{patches}", side, patches, per_side=per_side, grid=_GRID)
        self._per_side = per_side

    def cut(self, pixels: Pixels) -> Pixels:
        """Return the patches of an image in reading order, uint8 (patches, side, side, 3)."""
        height, width = pixels.shape[:2]
        if min(height, width) < self.side:
            raise NotEnoughDataError(
                f"the image is {width}x{height} pixels; {self.name} needs {self.side} on each side"
            )
        rows, columns = (_spread(length - self.side, self._per_side) for length in (height, width))
        return np.stack([pixels[y : y + self.side, x : x + self.side] for y in rows for x in columns])


def _spread(room: int, count: int) -> list[int]:
    """Return where patches begin: multiples of the grid, evenly from one end to the other, one alone in the middle."""
    if count == 1:
        return [room // 2 // _GRID * _GRID]
    return [room * i // (count - 1) // _GRID * _GRID for i in range(count)]


def pack_pixels(pixels: Pixels) -> NDArray[np.float32]:
    """Return one number for each pixel, ``65536 R + 256 G + B``, as one vector.

    Whole numbers below 2 ** 24 are exact in float32, so that a picture takes a third of the space of one number for
    each channel, in memory and in the cache.

    Examples
    --------
    >>> pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> bool((unpack_pixels(pack_pixels(pixels)[None])[0] == pixels).all())
    True
    """
    return np.asarray(pixels.astype(np.int32) @ np.array([65536, 256, 1]), dtype=np.float32).ravel()


def unpack_pictures(packed: NDArray[np.floating], patches: int) -> Pixels:
    """Return the pictures that rows of packed pixels hold, shape (n, patches, side, side, 3).

    Parameters
    ----------
    packed : ndarray, shape (n, patches * side * side)
        As `pack_pixels` made them.
    patches : int
        Pictures in each row.

    Raises
    ------
    ValueError
        These are no packed pixels of so many squares.
    """
    n, d = packed.shape
    side = math.isqrt(d // patches)
    whole = np.asarray(packed).astype(np.int64)
    if patches * side * side != d or (whole != packed).any() or (whole < 0).any() or (whole >= 1 << 24).any():
        raise ValueError(
            f"these are no thumbnails or patches, {patches} an image: an encoder called thumbnail-... or patches-... "
            "makes them"
        )
    channels = np.stack([whole >> 16, (whole >> 8) & 255, whole & 255], axis=-1)
    return channels.astype(np.uint8).reshape(n, patches, side, side, 3)


def unpack_pixels(packed: NDArray[np.floating]) -> Pixels:
    """Return the pictures that rows of packed pixels hold, one a row, shape (n, side, side, 3). Raises as above."""
    return unpack_pictures(packed, 1)[:, 0]


def picture_encoder(name: str) -> PictureEncoder:
    """Return the encoder of a name: ``thumbnail-256``, or ``patches-64x16`` for 16 patches of 64 pixels.

    Raises
    ------
    MorelliError
        The name is written otherwise, or a number in it is out of range.
    """
    if found := re.fullmatch(r"thumbnail-(\d{1,4})", name):
        return Thumbnail(int(found[1]))
    if found := re.fullmatch(r"patches-(\d{1,4})x(\d{1,3})", name):
        return NativePatches(int(found[1]), int(found[2]))
    raise MorelliError(f"No encoder is called {name!r}; pictures are written thumbnail-SIDE or patches-SIDExNUMBER.")


@register_encoder("thumbnail-512", summary="The picture on 512 x 512 pixels, to be shown to multimodal models.")
def _thumbnail_512() -> Encoder:
    return Thumbnail(512)


@register_encoder("thumbnail-256", summary="The picture on 256 x 256 pixels, for networks on pixels.")
def _thumbnail_256() -> Encoder:
    return Thumbnail(256)


@register_encoder("thumbnail-64", summary="The picture on 64 x 64 pixels, for small networks on pixels.")
def _thumbnail_64() -> Encoder:
    return Thumbnail(64)


@register_encoder("patches-64x16", summary="16 patches of 64 x 64 native pixels, for networks on pixels.")
def _patches_64() -> Encoder:
    return NativePatches(64, 16)


for _prefix in PICTURE_PREFIXES:
    register_resolver(_prefix)(picture_encoder)
