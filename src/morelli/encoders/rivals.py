"""What published rivals of the default attributor measure on an image, as encoders.

Each gives one block and no contrasts. They are here to be compared with, and follow their papers where the papers say
enough; where they do not, or where a shorter way comes to the same, the class says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from morelli.encoders.encoder import (
    Encoded,
    Encoder,
    decoder_fingerprint,
)
from morelli.encoders.registry import register_encoder
from morelli.encoders.self_test import SelfTested, self_test_image
from morelli.errors import NotEnoughDataError

__all__ = [
    "MarraResidual",
    "SpectrumTail",
    "Thumbnail",
    "pack_pixels",
    "power_law",
    "unpack_pixels",
    "wiener_residual",
]

Float = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601, as in JPEG."""


class _OneBlock(SelfTested):
    """What the encoders here share: one block, no contrasts, and a recipe that names the decoder."""

    version = 1
    """Raised whenever the numbers change."""

    def __init__(self, name: str, dim: int, **settings: Any) -> None:
        self._name, self._dim, self._settings = name, dim, settings

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self._name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def blocks(self) -> Mapping[str, slice]:
        """All columns as one block of the encoder's name."""
        return {self._name: slice(0, self._dim)}

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready."""
        return {
            "encoder": self._name,
            "version": self.version,
            "settings": self._settings,
            "decoder": decoder_fingerprint(),
        }

    def encode(self, pixels: Pixels) -> Encoded:
        """Measure one image.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as decoded, in the native resolution.

        Raises
        ------
        NotEnoughDataError
            The image is too small.
        TypeError
            These are no such pixels.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise TypeError(
                f"an encoder takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}"
            )
        vector = np.ascontiguousarray(self._measure(pixels), dtype=np.float32)
        return Encoded({self._name: vector}, {self._name: np.zeros((0, self._dim), dtype=np.float32)}, 0)

    @property
    def n_contrasts(self) -> int:
        """None."""
        return 0

    def _self_test_image(self) -> Pixels:
        # Four of the small one: it would be too small for some of these encoders.
        return np.tile(self_test_image(), (2, 2, 1))

    def _measure(self, pixels: Pixels) -> NDArray[Any]:
        raise NotImplementedError


class MarraResidual(_OneBlock):
    """What a denoiser takes away from the middle of an image, in its native resolution.

    The residual of Marra, Gragnaniello, Verdoliva and Poggi (2019), "Do GANs leave artificial fingerprints?", MIPR,
    as far as an image's part goes. The denoiser is the adaptive Wiener filter, see `wiener_residual`, where the authors
    may have used another; luma alone is kept, a third of the numbers. The region begins at a multiple of eight pixels,
    so that codecs' blocks lie alike in all images.

    Parameters
    ----------
    side : int, default 256
        Side of the region; images with a shorter side are refused, for enlarging them would be a trace of its own.
    window : int, default 5
        Of the denoiser.
    """

    def __init__(self, side: int = 256, window: int = 5) -> None:
        super().__init__("marra-residual", side * side, side=side, window=window)
        self._side, self._window = side, window

    def _measure(self, pixels: Pixels) -> Float:
        middle = _middle(pixels, self._side, self._name)
        return wiener_residual(middle @ _LUMA, self._window).ravel()


class SpectrumTail(_OneBlock):
    """How the spectrum of an image decays at its highest frequencies: three numbers.

    After Dzanic, Shah and Witherden (2020), "Fourier spectrum discrepancies in deep network generated images",
    NeurIPS, section 2: the Fourier spectrum of luma, averaged over all directions and divided by its value at zero,
    is fitted by a power law between a threshold and the highest frequency along an axis. The numbers are the logarithm
    (base 10) of the fitted value at the threshold, the exponent, and the root mean square of what the fit leaves. The
    spectrum is that of the largest square in the middle of the image, in its native resolution.

    Parameters
    ----------
    threshold : float, default 0.75
        Share of the highest frequency at which the fit begins.
    """

    def __init__(self, threshold: float = 0.75) -> None:
        super().__init__("dzanic-spectrum", 3, threshold=threshold, min_side=_MIN_SPECTRUM)
        self._threshold = threshold

    def _measure(self, pixels: Pixels) -> Float:
        side = min(pixels.shape[:2])
        if side < _MIN_SPECTRUM:
            raise NotEnoughDataError(
                f"the image is {pixels.shape[1]}x{pixels.shape[0]} pixels; {self._name} needs {_MIN_SPECTRUM} on each "
                "side"
            )
        return power_law(_middle(pixels, side, self._name) @ _LUMA, self._threshold)


_MIN_SPECTRUM = 64
"""Fewer pixels leave fewer than nine rings to fit a power law to."""

_SPECTRUM_FLOOR = 1e-12
"""Least share of the spectrum's value at zero: a flat image has none elsewhere, and no logarithm."""


class Thumbnail(_OneBlock):
    """The whole picture, small: what networks on pixels read.

    Bicubic with antialiasing until the short side has `side` pixels, then the middle square, as the evaluations of the
    ConvNeXt papers do. A pixel is one number, see `pack_pixels`: it means nothing to anything but `unpack_pixels`.

    Parameters
    ----------
    side : int
        In pixels. Networks cut smaller squares out of it.
    """

    def __init__(self, side: int) -> None:
        super().__init__(f"thumbnail-{side}", side * side, side=side, filter="bicubic")
        self._side = side

    def _measure(self, pixels: Pixels) -> NDArray[np.float32]:
        height, width = pixels.shape[:2]
        scale = self._side / min(height, width)
        size = (max(self._side, round(width * scale)), max(self._side, round(height * scale)))
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        left, top = (size[0] - self._side) // 2, (size[1] - self._side) // 2
        return pack_pixels(np.asarray(small)[top : top + self._side, left : left + self._side])


def wiener_residual(luma: NDArray[np.floating], window: int = 5) -> Float:
    """Return an image minus its adaptive Wiener estimate, shape (height, width).

    Lim (1990), "Two-dimensional signal and image processing", section 9.2; the power of the noise is the mean of the
    local variances, as in `scipy.signal.wiener`. The border is mirrored.

    Parameters
    ----------
    luma : ndarray, shape (height, width)
    window : int, default 5
        Side of the square in which mean and variance are taken.
    """
    x = np.asarray(luma, dtype=np.float64)
    mean = uniform_filter(x, window, mode="mirror")
    variance = np.maximum(uniform_filter(x * x, window, mode="mirror") - mean * mean, 0.0)
    noise = float(variance.mean())
    # Where the variance is that of noise, or there is none at all, the estimate is the local mean.
    gain = np.divide(variance - noise, variance, out=np.zeros_like(x), where=variance > noise)
    return np.asarray(x - mean - gain * (x - mean))


def power_law(luma: NDArray[np.floating], threshold: float = 0.75) -> Float:
    """Fit a power law to the end of an image's azimuthally averaged spectrum.

    Parameters
    ----------
    luma : ndarray, shape (side, side)
    threshold : float, default 0.75
        Share of the highest frequency at which the fit begins.

    Returns
    -------
    ndarray, shape (3,)
        Base-10 logarithm of the fitted share at the threshold, exponent, and root mean square of the misfit (base-10
        logarithms too).
    """
    side = luma.shape[0]
    spectrum = np.abs(np.fft.fft2(np.asarray(luma, dtype=np.float64)))
    frequency = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(frequency[:, None], frequency[None])).astype(np.int64)
    mean = np.bincount(ring.ravel(), spectrum.ravel()) / np.bincount(ring.ravel())
    top = side // 2
    share = np.maximum(mean[: top + 1] / max(mean[0], np.finfo(np.float64).tiny), _SPECTRUM_FLOOR)
    # The last ring is where the sampling grid ends, in some directions only.
    rings = np.arange(int(np.ceil(threshold * top)), top)
    x = np.log10(rings / (threshold * top))
    exponent, height = np.polyfit(x, np.log10(share[rings]), 1)
    misfit = np.log10(share[rings]) - (height + exponent * x)
    return np.array([height, exponent, np.sqrt(np.mean(misfit**2))])


def pack_pixels(pixels: Pixels) -> NDArray[np.float32]:
    """Return one number for each pixel, ``65536 R + 256 G + B``, shape (height * width,).

    Whole numbers below 2 ** 24 are exact in float32, so that a picture takes a third of the space of one number for
    each channel, in memory and in the cache.

    Examples
    --------
    >>> pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> bool((unpack_pixels(pack_pixels(pixels)[None])[0] == pixels).all())
    True
    """
    return np.asarray(pixels.astype(np.int32) @ np.array([65536, 256, 1]), dtype=np.float32).ravel()


def unpack_pixels(packed: NDArray[np.floating]) -> Pixels:
    """Return the pictures that rows of packed pixels hold, shape (n, side, side, 3).

    Parameters
    ----------
    packed : ndarray, shape (n, side * side)
        As `pack_pixels` made them.

    Raises
    ------
    ValueError
        These are no packed pixels of squares.
    """
    n, d = packed.shape
    side = round(d**0.5)
    whole = np.asarray(packed).astype(np.int64)
    if side * side != d or (whole != packed).any() or (whole < 0).any() or (whole >= 1 << 24).any():
        raise ValueError("these are no thumbnails: an encoder called thumbnail-... makes them")
    channels = np.stack([whole >> 16, (whole >> 8) & 255, whole & 255], axis=-1)
    return channels.astype(np.uint8).reshape(n, side, side, 3)


def _middle(pixels: Pixels, side: int, name: str) -> Pixels:
    """Cut a square out of the middle, from multiples of eight pixels."""
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise NotEnoughDataError(f"the image is {width}x{height} pixels; {name} needs {side} on each side")
    top, left = (height - side) // 2 // 8 * 8, (width - side) // 2 // 8 * 8
    return pixels[top : top + side, left : left + side]


@register_encoder("marra-residual", summary="Noise residual of the 256 x 256 pixels in the middle (Marra et al. 2019).")
def _marra() -> Encoder:
    return MarraResidual()


@register_encoder("dzanic-spectrum", summary="Power law of the highest frequencies (Dzanic et al. 2020).")
def _dzanic() -> Encoder:
    return SpectrumTail()


@register_encoder("thumbnail-512", summary="The picture on 512 x 512 pixels, to be shown to multimodal models.")
def _thumbnail_512() -> Encoder:
    return Thumbnail(512)


@register_encoder("thumbnail-256", summary="The picture on 256 x 256 pixels, for networks on pixels.")
def _thumbnail_256() -> Encoder:
    return Thumbnail(256)


@register_encoder("thumbnail-64", summary="The picture on 64 x 64 pixels, for small networks on pixels.")
def _thumbnail_64() -> Encoder:
    return Thumbnail(64)
