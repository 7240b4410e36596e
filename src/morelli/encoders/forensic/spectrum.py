"""Power spectra: the slope of the whole, the shape in two dimensions, and the peaks that upsampling leaves.

Transposed convolutions and nearest-neighbour upsampling leave periodic patterns, peaks at multiples of 1/2, 1/4, 1/8
... of the sampling rate, and generators differ in how well they follow the decay of natural images at high frequency.

References
----------
X. Zhang, S. Karaman, S.-F. Chang, "Detecting and simulating artifacts in GAN fake images", WIFS 2019, section III.
T. Dzanic, K. Shah, F. Witherden, "Fourier spectrum discrepancies in deep network generated images", NeurIPS 2020.
P. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. AU 15(2), 1967.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import TILE, Float, Planes, second_order_gain
from morelli.encoders.forensic._registry import register_family

FLOOR = np.float32(1.0)
"""Added to power before the logarithm: about a tenth of what rounding to 8 bits puts into a bin of a 64-point block."""

RINGS = 32


@cache
def _rings(size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Ring number of each bin of a folded (size/2+1, size/2+1) spectrum, and the number of bins in each ring."""
    frequency = np.arange(size // 2 + 1) / size
    radius = np.hypot(frequency[:, None], frequency[None, :])
    ring = np.minimum((radius * (RINGS / 0.5)).astype(np.intp), RINGS - 1).ravel()
    return ring, np.maximum(np.bincount(ring, minlength=RINGS), 1).astype(np.float64)


def radial_profile(power: Float) -> Float:
    """Log of mean power over rings of equal frequency; (n, m, m) folded power becomes (n, RINGS)."""
    ring, bins = _rings(2 * (power.shape[-1] - 1))
    sums = np.stack([np.bincount(ring, weights=folded.ravel(), minlength=RINGS) for folded in power])
    return np.asarray(np.log(sums / bins + FLOOR), dtype=np.float32)


def grid_peaks(log_power: Float) -> Float:
    """How far bins at multiples of 1/16 of the sampling rate stand out from their neighbours, in nats.

    Parameters
    ----------
    log_power : ndarray, shape (n, 33, 33)
        Mean of the logarithm of folded 64-point power, in which 1/16 is every fourth bin.

    Returns
    -------
    ndarray, shape (n, 81)
        Each of the 9x9 bins at (4i, 4j) minus the median of the 5x5 bins around it.
    """
    padded = np.pad(log_power, ((0, 0), (2, 2), (2, 2)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))[:, ::4, ::4]
    prominence = log_power[:, ::4, ::4] - np.median(around, axis=(3, 4))
    return np.asarray(prominence.reshape(len(log_power), -1), dtype=np.float32)


@register_family(
    "spectrum",
    version=1,
    summary="power spectrum of image and residual: radial slope, two-dimensional shape, peaks of upsampling grids",
)
def spectrum(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 1523)."""
    luma = planes.pool(np.log(planes.luma_power + FLOOR))
    half = planes.pool(np.log(planes.luma_half_power + FLOOR))
    mean = planes.pool(planes.luma_power)
    parts = [
        luma.reshape(len(luma), -1),
        grid_peaks(luma),
        half.reshape(len(half), -1),
        radial_profile(mean),
        radial_profile(mean * second_order_gain(TILE)),
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)
