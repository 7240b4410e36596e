"""Helpers that several views share: conversions, resampling within bounds, an exact Gaussian."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from morelli.errors import ViewError
from morelli.views.info import Pixels

__all__ = ["check_size", "gaussian", "luma", "resample", "scaled", "to_uint8"]

_MAX_PIXELS = 100_000_000


def to_uint8(values: npt.NDArray[np.float32]) -> Pixels:
    """Round to the nearest of 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def gaussian(pixels: Pixels, sigma: float) -> npt.NDArray[np.float32]:
    """Blur each channel by a true Gaussian (Pillow's is three boxes, whose spectrum has side lobes).

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    sigma : float
        In pixels; the kernel reaches to four of them, and the border is mirrored.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape, not rounded.
    """
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(pixels, sigma=(sigma, sigma, 0.0), output=np.float32, mode="reflect", truncate=4.0)
    return np.asarray(blurred, dtype=np.float32)


def resample(pixels: Pixels, width: int, height: int, method: Image.Resampling) -> Pixels:
    """Resize with Pillow, which widens the kernel when it shrinks an image (antialiasing).

    Raises
    ------
    morelli.errors.ViewError
        The result would have more than 100 million pixels.
    """
    check_size(pixels, width, height)
    return np.asarray(Image.fromarray(pixels).resize((width, height), method))


def check_size(pixels: Pixels, width: int, height: int) -> None:
    """Refuse to make more than 100 million pixels.

    Raises
    ------
    morelli.errors.ViewError
    """
    if width * height > _MAX_PIXELS:
        old = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ViewError(f"resizing {old} to {width} x {height} makes more than {_MAX_PIXELS} pixels; choose less")


def scaled(length: int, factor: float) -> int:
    """Return a side times a factor, rounded to the nearest whole pixel (half upwards), at least 1."""
    return max(1, math.floor(length * factor + 0.5))


def luma(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the ITU-R BT.601 luma of float32 RGB, shape (height, width)."""
    # Written out, because the order of the sums in a matrix product depends on the machine's BLAS.
    red, green, blue = (values[:, :, channel] for channel in range(3))
    result: npt.NDArray[np.float32] = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    return result
