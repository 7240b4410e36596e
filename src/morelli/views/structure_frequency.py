"""Probes in the frequency domain: sharp and smooth filters, and the phase or the magnitude alone.

All of them use the discrete Fourier transform of the whole image, which takes the image to go on periodically: an edge
between opposite borders is part of its spectrum. Frequencies are in cycles per pixel, as distance from zero: 0.5 is the
finest along rows and columns, 0.707 the finest along diagonals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from morelli.views._filters import to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__ = ["phase_only"]

Array = npt.NDArray[np.float32]

_GREY = np.float32(128)
_SPREAD = 40.0
"""Standard deviation of phase-only in 8-bit units: three of them fit between mid-grey and white."""

_ORDER = Parameter("order", "of the filter; larger is sharper", 1, 32, whole=True, default=2)


@register_view(
    "ideal-lowpass",
    "Only frequencies up to a cutoff, cut sharply: layout and colour, with ringing",
    Parameter("cutoff", "cycles per pixel; 0.5 is the finest along rows and columns", 0.0, 0.75, identity=0.75),
    group="structure",
    typical="0.05",
)
def _ideal_lowpass(pixels: Pixels, cutoff: float) -> Pixels:
    return to_uint8(_filtered(pixels, lambda frequency: frequency <= cutoff))


@register_view(
    "ideal-highpass",
    "Only frequencies above a cutoff, around mid-grey: the rest of ideal-lowpass",
    Parameter("cutoff", "cycles per pixel; 0.5 is the finest along rows and columns", 0.0, 0.75),
    group="structure",
    typical="0.05",
)
def _ideal_highpass(pixels: Pixels, cutoff: float) -> Pixels:
    return to_uint8(_filtered(pixels, lambda frequency: frequency > cutoff) + _GREY)


@register_view(
    "butterworth-lowpass",
    "Low frequencies, with a smooth cutoff where half of the amplitude stays",
    Parameter("cutoff", "cycles per pixel; 0.5 is the finest along rows and columns", 0.001, 0.75),
    _ORDER,
    group="structure",
    typical="0.05",
)
def _butterworth_lowpass(pixels: Pixels, cutoff: float, order: int) -> Pixels:
    return to_uint8(_filtered(pixels, lambda frequency: _butterworth(frequency, cutoff, order)))


@register_view(
    "butterworth-highpass",
    "High frequencies around mid-grey: the rest of butterworth-lowpass",
    Parameter("cutoff", "cycles per pixel; 0.5 is the finest along rows and columns", 0.001, 0.75),
    _ORDER,
    group="structure",
    typical="0.05",
)
def _butterworth_highpass(pixels: Pixels, cutoff: float, order: int) -> Pixels:
    return to_uint8(_filtered(pixels, lambda frequency: 1 - _butterworth(frequency, cutoff, order)) + _GREY)


@register_view(
    "phase-only",
    "All frequencies equally strong, with their own phases, around mid-grey: lines and shapes without texture",
    group="structure",
    costly=True,
)
def _phase_only(pixels: Pixels) -> Pixels:
    return to_uint8(phase_only(pixels) + _GREY)


@register_view(
    "magnitude-only",
    "The strength of all frequencies, with random phases (the same in all channels): texture and colour without shapes",
    group="structure",
    seeded=True,
)
def _magnitude_only(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    # Galerne, Gousseau, Morel: Random Phase Textures, IEEE Trans. Image Processing 20 (2011). One phase is added in all
    # channels, which keeps the colours. That of real noise has the symmetry of a real image.
    from scipy.fft import rfft2

    noise = rfft2(rng.standard_normal(pixels.shape[:2], dtype=np.float32))
    phase = noise / np.maximum(np.abs(noise), np.float32(1e-20))
    phase[0, 0] = 1  # the mean stays
    return to_uint8(_transformed(pixels, lambda spectrum: spectrum * phase))


def phase_only(pixels: Pixels) -> Array:
    """Return each channel with all its frequencies equally strong, before rounding.

    Oppenheim, Lim: The importance of phase in signals, Proc. IEEE 69 (1981). By Parseval's theorem every image has then
    the same variance, so that one gain fits all of them: the standard deviation is 40 levels, the mean 0. Frequencies
    that an image does not have at all stay absent.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    from scipy.fft import irfft2, rfft2

    n = pixels.shape[0] * pixels.shape[1]
    result = np.empty(pixels.shape, dtype=np.float32)
    for channel in range(3):
        # In double precision, to tell what is absent from what is rounded.
        spectrum = rfft2(pixels[:, :, channel].astype(np.float64))
        magnitude = np.abs(spectrum)
        present = magnitude > 1e-11 * 255 * n
        present[0, 0] = False
        spectrum = np.divide(spectrum, magnitude, out=np.zeros_like(spectrum), where=present)
        result[:, :, channel] = irfft2(spectrum, s=pixels.shape[:2]) * (_SPREAD * n**0.5)
    return result


def _filtered(pixels: Pixels, response: Callable[[Array], npt.NDArray[np.float32] | npt.NDArray[np.bool_]]) -> Array:
    """Return an image times a response, which is given the frequencies, float32 in cycles per pixel."""
    from scipy.fft import fftfreq, rfftfreq

    down, across = fftfreq(pixels.shape[0])[:, np.newaxis], rfftfreq(pixels.shape[1])[np.newaxis]
    # In double precision first: whether a frequency is at the cutoff or below must not depend on a rounding.
    gain = response(np.sqrt(down**2 + across**2).astype(np.float32)).astype(np.float32)
    return _transformed(pixels, lambda spectrum: spectrum * gain)


def _transformed(pixels: Pixels, change: Callable[[npt.NDArray[np.complex64]], npt.NDArray[np.complex64]]) -> Array:
    """Return an image whose channels had their spectra changed."""
    from scipy.fft import irfft2, rfft2

    result = np.empty(pixels.shape, dtype=np.float32)
    for channel in range(3):
        spectrum = change(rfft2(pixels[:, :, channel].astype(np.float32)))
        result[:, :, channel] = irfft2(spectrum, s=pixels.shape[:2])
    return result


def _butterworth(frequency: Array, cutoff: float, order: int) -> Array:
    """Return the amplitude that stays (Gonzalez, Woods: Digital Image Processing, 4th edition, section 4.8)."""
    # Divided first, and bounded, so that a high order does not overflow.
    ratio = np.minimum(frequency.astype(np.float64) / cutoff, 1e4) ** (2 * order)
    return (1 / (1 + ratio)).astype(np.float32)
