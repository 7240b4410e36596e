"""A diverging colour map that keeps the picture: lightness is the image's, hue and chroma are the map's.

Chroma grows evenly with the value in Oklab, a space in which equal distances look alike, and lightness does not change
with it. The two hues, blue and orange, stay apart for people who do not tell red from green.

References
----------
B. Ottosson, "A perceptual color space for image processing", 2020 (Oklab).
P. Kovesi, "Good colour maps: how to design them", arXiv:1509.03700, 2015 (diverging maps of even contrast).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["tint"]

Float = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_FOR, _AGAINST = 255.0, 62.0
"""Hues of positive and negative values in Oklab, in degrees: blue and orange."""

_CHROMA = 0.125
"""Of the values 1 and -1; a little more than all screens can show at the ends of the lightness."""

_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def tint(lightness: ArrayLike, values: ArrayLike) -> Pixels:
    """Return colours of a lightness in Oklab, tinted by a value.

    Parameters
    ----------
    lightness : array-like
        0 (black) to 1 (white).
    values : array-like, of the same shape
        -1 (orange) to 1 (blue); 0 is grey. Values beyond are brought in.

    Returns
    -------
    ndarray of uint8, with an axis of three at the end
        sRGB.

    Examples
    --------
    >>> tint([0.7, 0.7, 0.7], [1, 0, -1]).tolist()
    [[103, 161, 235], [158, 158, 158], [213, 139, 68]]
    """
    v = np.clip(np.asarray(values, dtype=np.float64), -1, 1)
    hue = np.deg2rad(np.where(v >= 0, _FOR, _AGAINST))
    chroma = _CHROMA * np.abs(v)
    lab = np.stack(
        [np.broadcast_to(np.asarray(lightness, np.float64), v.shape), chroma * np.cos(hue), chroma * np.sin(hue)], -1
    )
    linear = np.clip((lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * gamma), dtype=np.uint8)
