"""What published rivals of the default attributor measure on an image, as encoders.

Each gives one block and no contrasts. They are here to be compared with, and follow their papers where the papers say
enough; where they do not, or where a shorter way comes to the same, the class says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from morelli.encoders._one_block import OneBlock
from morelli.encoders.encoder import Encoder
from morelli.encoders.registry import register_encoder
from morelli.errors import NotEnoughDataError

__all__ = [
    "MarraResidual",
    "SpectrumTail",
    "power_law",
    "wiener_residual",
]

Float = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601, as in JPEG."""


class MarraResidual(OneBlock):
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


class SpectrumTail(OneBlock):
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
