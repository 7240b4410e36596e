"""Autocorrelation of the high-pass residual: at which distances noise repeats itself.

Interpolation correlates neighbouring samples with a period; a decoder that upsamples by 8 or 16 repeats its own
residual at those lags. The correlation is taken from averaged power spectra (Wiener-Khinchin), which the spectrum
family needs too.

References
----------
A. Popescu, H. Farid, "Exposing digital forgeries by detecting traces of resampling", IEEE TSP 53(2), 2005.
R. Corvi et al., "Intriguing properties of synthetic images", CVPR workshops 2023, section 3 (autocorrelation of
residuals).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Float, Planes, second_order_gain
from morelli.encoders.forensic._registry import register_family


def residual_autocorrelation(power: Float, lags: int) -> NDArray[np.float32]:
    """Normalised autocorrelation of the 3x3 residual for lags of 0 to `lags` pixels in both directions.

    Parameters
    ----------
    power : ndarray, shape (n, size // 2 + 1, size // 2 + 1)
        Mean folded power spectra of the image.
    lags : int
        At most size / 2 - 1.

    Returns
    -------
    ndarray, shape (n, (lags + 1)**2 - 1)
        Mean of the two diagonal directions (folding the spectrum averages them), without lag (0, 0), which is 1. Where
        there is no residual at all: zeros.
    """
    import scipy.fft

    residual = power * second_order_gain(2 * (power.shape[-1] - 1))
    # A folded spectrum is even in both directions, so that its inverse transform is a cosine transform in each.
    correlation = scipy.fft.dctn(residual, type=1, axes=(1, 2))
    energy = correlation[:, :1, :1]
    correlation = np.divide(correlation, energy, out=np.zeros_like(correlation), where=energy > 1e-6)
    return np.asarray(correlation[:, : lags + 1, : lags + 1].reshape(len(power), -1)[:, 1:], dtype=np.float32)


@register_family("autocorrelation", version=1, summary="distances at which the high-pass residual repeats itself")
def autocorrelation(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 466)."""
    full, half = planes.pool(planes.luma_power), planes.pool(planes.luma_half_power)
    return np.concatenate([residual_autocorrelation(full, 17), residual_autocorrelation(half, 11)], axis=1)
