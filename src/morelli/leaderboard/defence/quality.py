"""What a defence does to the picture: PSNR, SSIM and GMSD, none of which needs weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["SSIM_SIDE", "gmsd", "psnr", "ssim"]

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]

SSIM_SIDE = 11
"""Side in pixels of the window of SSIM; smaller images have none."""

_SIGMA, _K1, _K2, _TOP = 1.5, 0.01, 0.03, 255.0
_GMSD_C = 170.0


def psnr(original: Pixels, changed: Pixels) -> float:
    """Return the peak signal-to-noise ratio in decibels, over all pixels and channels; infinite for equal images.

    Parameters
    ----------
    original, changed : ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    MorelliError
        The two differ in shape.
    """
    _check(original, changed)
    error = float(np.mean((original.astype(np.float64) - changed) ** 2))
    return float("inf") if error == 0 else float(10.0 * np.log10(_TOP**2 / error))


def ssim(original: Pixels, changed: Pixels) -> float:
    """Return the mean structural similarity of two images' luma, at most 1.

    Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, *Image quality assessment: from error visibility to structural
    similarity*, IEEE TIP 13, 2004: a Gaussian window of 11 x 11 pixels and 1.5 pixels of standard deviation, K1 = 0.01,
    K2 = 0.03, where the whole window lies within the image. No downsampling comes before.

    Parameters
    ----------
    original, changed : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    float
        NaN where a side is shorter than the window.

    Raises
    ------
    MorelliError
        The two differ in shape.
    """
    from scipy.ndimage import gaussian_filter

    _check(original, changed)
    if min(original.shape[:2]) < SSIM_SIDE:
        return float("nan")
    x, y = _luma(original), _luma(changed)
    radius = SSIM_SIDE // 2

    def local(plane: Plane) -> Plane:
        return np.asarray(gaussian_filter(plane, _SIGMA, radius=radius, mode="nearest"))

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    both = local(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * _TOP) ** 2, (_K2 * _TOP) ** 2
    over = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    values = over / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(values[radius:-radius, radius:-radius].mean())


def gmsd(original: Pixels, changed: Pixels) -> float:
    """Return the gradient magnitude similarity deviation of two images' luma: 0 for equal ones, larger is worse.

    A perceptual distance without learned weights: W. Xue, L. Zhang, X. Mou, A. Bovik, *Gradient magnitude similarity
    deviation*, IEEE TIP 23, 2014. Luma is averaged over 2 x 2 pixels and halved; gradients are Prewitt's (over 3);
    c = 170; the deviation is the standard deviation of the similarity over the image. Below 0.05 differences are hard
    to see, around 0.15 plain; differences of mean brightness it does not see.

    Parameters
    ----------
    original, changed : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    float
        NaN where a side is shorter than 4 pixels.

    Raises
    ------
    MorelliError
        The two differ in shape.
    """
    _check(original, changed)
    if min(original.shape[:2]) < 4:
        return float("nan")
    one, two = _gradients(_halved(_luma(original))), _gradients(_halved(_luma(changed)))
    similarity = (2 * one * two + _GMSD_C) / (one**2 + two**2 + _GMSD_C)
    return float(similarity.std())


def _gradients(plane: Plane) -> Plane:
    from scipy.ndimage import prewitt

    # Constant zero outside, as the authors' own code has it.
    across, down = (prewitt(plane, axis=axis, mode="constant") / 3.0 for axis in (1, 0))
    return np.asarray(np.hypot(across, down))


def _halved(plane: Plane) -> Plane:
    height, width = (side // 2 * 2 for side in plane.shape)
    cut = plane[:height, :width]
    return np.asarray((cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / 4.0)


def _luma(pixels: Pixels) -> Plane:
    values = pixels.astype(np.float64)
    return np.asarray(0.299 * values[:, :, 0] + 0.587 * values[:, :, 1] + 0.114 * values[:, :, 2])


def _check(original: Pixels, changed: Pixels) -> None:
    if original.shape != changed.shape or original.ndim != 3:
        raise MorelliError(
            f"The quality of an image is measured against one of the same size: shapes {original.shape} and "
            f"{changed.shape}."
        )
