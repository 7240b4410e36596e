"""A perceptual hash, to find copies of an image after re-encoding and small changes of size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["hamming", "perceptual_hash"]

_SIDE = 32
_LOW = 8
#: Luma is whole numbers 0..255; a DCT coefficient below this is rounding noise of the transform.
_NOISE = 1e-6


def perceptual_hash(pixels: npt.NDArray[np.uint8]) -> int:
    """Hash what an image shows, at the scale of a thumbnail, in 64 bits.

    The luma is averaged down to 32 x 32 (mean over each cell), transformed by a two-dimensional DCT, and each of the
    8 x 8 lowest frequencies gives one bit: above the median of the 63 that vary. The bit of the mean brightness is
    always 0. The method is the "pHash" of C. Zauner, *Implementation and benchmarking of perceptual image hash
    functions* (2010), with its own choice of cells, so values do not compare with other libraries'.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8, shape (height, width, 3), any size of at least one pixel.

    Returns
    -------
    int
        0..2**64 - 1. A flat image has no variation to describe: its hash is 0, like that of all flat images. Callers
        that look for copies should leave 0 out.

    Examples
    --------
    >>> perceptual_hash(np.full((50, 40, 3), 200, dtype=np.uint8))
    0
    """
    from scipy.fft import dctn

    luma = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    low = dctn(np.asarray(luma, dtype=np.float64), norm="ortho")[:_LOW, :_LOW].ravel()
    varying = np.where(np.abs(low[1:]) < _NOISE, 0.0, low[1:])
    bits = np.concatenate(([False], varying > np.median(varying)))
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hamming(first: int | npt.ArrayLike, second: int | npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Count the differing bits of 64-bit hashes.

    Parameters
    ----------
    first, second : int or array_like of uint64
        Hashes; the shapes broadcast against each other.

    Returns
    -------
    numpy.ndarray
        uint8 distances 0..64, of the broadcast shape (0-dimensional for two numbers).

    Examples
    --------
    >>> int(hamming(0b1011, 0b0010))
    2
    """
    different = np.bitwise_xor(np.asarray(first, dtype=np.uint64), np.asarray(second, dtype=np.uint64))
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(different), dtype=np.uint8)
    return _count_bits(different)


def _count_bits(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Count set bits by the table of the 256 bytes, for NumPy 1, which has no instruction for it."""
    table = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
    octets = np.ascontiguousarray(values[..., np.newaxis]).view(np.uint8)
    return np.asarray(table[octets].sum(axis=-1), dtype=np.uint8)
