"""Native-resolution tiles of an image and the planes that the families share.

A generator's trace lives at native resolution, so nothing is resized before measuring. What is bounded is the area: at
most :data:`TILES_PER_SIDE` squared tiles of 64 pixels, evenly spread over the image, however large it is. Many small
tiles beat few large crops of the same area, because what disturbs the measurement is the picture's content, and content
is alike within a crop.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.errors import NotEnoughDataError

__all__ = ["MAX_REGIONS", "MIN_SIDE", "TILE", "TILES_PER_SIDE", "Planes", "tile_starts"]

Float = NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.uint8)

TILE = 64
"""Side of a tile in pixels."""

MIN_SIDE = TILE
"""Smallest side, in pixels, that the families can measure."""

TILES_PER_SIDE = 12

MAX_REGIONS = 4
"""Quarters of an image."""


def tile_starts(length: int) -> list[int]:
    """Return where tiles start along a side of `length` pixels: one, or an even number, evenly spread.

    Starts lie on multiples of 16 pixels, so that a tile keeps the phase of an 8-pixel block grid, of a chroma grid
    under 4:2:0 subsampling (16 pixels) and of the 8- or 16-pixel cell of a latent decoder.

    >>> tile_starts(64), tile_starts(300)
    ([0], [0, 64, 144, 224])
    >>> tile_starts(1024)
    [0, 80, 160, 256, 336, 432, 512, 608, 688, 784, 864, 960]
    """
    count = min(length // TILE // 2 * 2, TILES_PER_SIDE) or 1
    last = (length - TILE) // 16
    return [16 * (last * i // (count - 1)) for i in range(count)] if count > 1 else [16 * (last // 2)]


class Planes:
    """Tiles of one image as luma and chroma planes, each computed once and shared by all families.

    Tiles are ordered by region: the image's quarters (or halves, or the whole, where it is a single tile high or wide),
    each with the same number of tiles. Families give one vector per region; see :meth:`pool`.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        sRGB as decoded, both sides at least :data:`MIN_SIDE`.

    Attributes
    ----------
    pixels : ndarray of uint8
        The image.
    regions : int
        1, 2 or 4.
    tiles : ndarray of uint8, shape (n, 64, 64, 3)
        The tiles, region after region.

    Raises
    ------
    NotEnoughDataError
        If a side is shorter than :data:`MIN_SIDE`.

    Notes
    -----
    Luma and chroma are those of JPEG (ITU-R BT.601, full range). Chroma is kept at half resolution only: most
    images have been subsampled there, and what the other half of the samples holds is the upsampler of the last codec.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise NotEnoughDataError(
                f"the image is {width}x{height} pixels; forensic families need at least {MIN_SIDE} on each side"
            )
        self.pixels = pixels
        rows, columns = _halves(tile_starts(height)), _halves(tile_starts(width))
        self.regions = len(rows) * len(columns)
        self.tiles: NDArray[np.uint8] = np.stack(
            [pixels[y : y + TILE, x : x + TILE] for ys in rows for xs in columns for y in ys for x in xs]
        )

    def pool(self, per_tile: NDArray[np.floating]) -> Float:
        """Average statistics of tiles, shape (n, ...), over the tiles of each region; shape (regions, ...)."""
        grouped = per_tile.reshape(self.regions, -1, *per_tile.shape[1:])
        return np.asarray(grouped.mean(axis=1), dtype=np.float32)

    def some(self, planes: NDArray[Number], every: int) -> NDArray[Number]:
        """Return each `every`-th tile of each region: enough for what is not the main measurement of a family."""
        grouped = planes.reshape(self.regions, -1, *planes.shape[1:])[:, ::every]
        return grouped.reshape(-1, *planes.shape[1:])

    @cached_property
    def luma_levels(self) -> NDArray[np.uint8]:
        """Luma rounded to whole levels, shape (n, 64, 64): what a JPEG holds, and as exact as 8-bit RGB allows."""
        mosaic = Image.fromarray(self.tiles.reshape(-1, TILE, 3))
        return np.asarray(mosaic.convert("L")).reshape(-1, TILE, TILE)

    @cached_property
    def luma(self) -> Float:
        """Luma, shape (n, 64, 64), 0 to 255."""
        return self.luma_levels.astype(np.float32)

    @cached_property
    def luma_half(self) -> Float:
        """Luma averaged over 2x2 pixels."""
        return halve(self.luma)

    @cached_property
    def luma_quarter(self) -> Float:
        """Luma averaged over 4x4 pixels."""
        return halve(self.luma_half)

    @cached_property
    def blue_half(self) -> Float:
        """Blue-difference chroma (Cb without its offset) averaged over 2x2 pixels, about -128 to 128."""
        return (halve(self.tiles[..., 2].astype(np.float32)) - self.luma_half) * np.float32(0.564)

    @cached_property
    def red_half(self) -> Float:
        """Red-difference chroma (Cr without its offset) averaged over 2x2 pixels, about -128 to 128."""
        return (halve(self.tiles[..., 0].astype(np.float32)) - self.luma_half) * np.float32(0.713)

    @cached_property
    def luma_power(self) -> Float:
        """Windowed power spectra of luma, shape (n, 33, 33); see :func:`folded_power`."""
        return folded_power(self.luma)

    @cached_property
    def luma_half_power(self) -> Float:
        """Windowed power spectra of half-resolution luma, shape (n, 17, 17)."""
        return folded_power(self.luma_half)


def _halves(starts: list[int]) -> list[list[int]]:
    middle = len(starts) // 2
    return [starts[:middle], starts[middle:]] if middle else [starts]


def halve(planes: Float) -> Float:
    """Average 2x2 pixels; `planes` is (n, even height, even width)."""
    rows = planes[:, ::2] + planes[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)


def second_order_residual(planes: Float) -> Float:
    """High-pass residual of the 3x3 kernel of Ker and Boehme (2008), shape (n, height - 2, width - 2).

    The kernel is the outer product of (-1/2, 1, -1/2) with itself: it removes every plane and every straight ramp.
    """
    rows = planes[:, 1:-1] - np.float32(0.5) * (planes[:, :-2] + planes[:, 2:])
    return rows[:, :, 1:-1] - np.float32(0.5) * (rows[:, :, :-2] + rows[:, :, 2:])


def second_order_gain(size: int) -> Float:
    """Squared gain of :func:`second_order_residual` at the folded frequencies of `size` points, a square array."""
    gain = 1 - np.cos(2 * np.pi * np.fft.rfftfreq(size))
    return np.asarray(np.outer(gain, gain) ** 2, dtype=np.float32)


def folded_power(planes: Float) -> Float:
    """Return Hann-windowed power spectra (Welch 1967), averaged over positive and negative vertical frequencies.

    Parameters
    ----------
    planes : ndarray, shape (n, size, size)
        `size` is even.

    Returns
    -------
    ndarray, shape (n, size // 2 + 1, size // 2 + 1)
        Squared magnitude of the Fourier transform of each plane after its mean was removed.
    """
    import scipy.fft

    size, half = planes.shape[-1], planes.shape[-1] // 2
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    windowed = (planes - planes.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window)
    spectrum = scipy.fft.rfft2(windowed)
    power = spectrum.real**2 + spectrum.imag**2
    folded = power[:, : half + 1].copy()
    folded[:, 1:half] += power[:, :half:-1]
    folded[:, 1:half] *= np.float32(0.5)
    return np.asarray(folded, dtype=np.float32)
