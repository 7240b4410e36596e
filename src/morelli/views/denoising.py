"""Denoising that keeps edges: what phones, editors and services do to images, and whoever wants faint traces gone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from morelli.views._filters import to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []

Plane = npt.NDArray[np.float32]

_RADIUS = 3
"""Pixels that are averaged lie within so many rows and columns."""

_SPACE = 1.5
"""Standard deviation in pixels of the weights by distance, of the bilateral filter."""

_PATCH = 3
"""Side in pixels of the patches that non-local means compares."""


@register_view(
    "bilateral",
    "Average pixels of alike colour within 3 pixels, by distance and by colour (Tomasi and Manduchi 1998)",
    Parameter("level", "standard deviation of colours that are averaged, in 8-bit units", 0.0, 128.0, identity=0),
    severities=("4", "8", "15", "30", "60"),
    costly=True,
)
def _bilateral(pixels: Pixels, level: float) -> Pixels:
    if level == 0:
        return pixels

    def weigh(squares: Plane, distance: float) -> Plane:
        exponent = -0.5 * squares / np.float32(level) ** 2 - np.float32(0.5 * distance / _SPACE**2)
        return np.asarray(np.exp(exponent), dtype=np.float32)

    return _averaged(pixels, weigh)


@register_view(
    "nlmeans",
    "Average pixels within 3 pixels whose surroundings of 3 x 3 are alike: non-local means (Buades et al. 2005)",
    Parameter("level", "difference of surroundings at which the weight is 1/e, in 8-bit units", 0.0, 128.0, identity=0),
    severities=("4", "8", "15", "30", "60"),
    costly=True,
)
def _nlmeans(pixels: Pixels, level: float) -> Pixels:
    if level == 0:
        return pixels
    from scipy.ndimage import uniform_filter

    def weigh(squares: Plane, distance: float) -> Plane:
        around = uniform_filter(squares, size=_PATCH, mode="reflect")
        return np.asarray(np.exp(-around / np.float32(level) ** 2), dtype=np.float32)

    return _averaged(pixels, weigh)


def _averaged(pixels: Pixels, weigh: Callable[[Plane, float], Plane]) -> Pixels:
    """Return the weighted mean of each pixel's neighbours.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    weigh : callable
        ``weigh(squares, distance)`` gives the weights of one neighbour for all pixels: `squares` are the mean squared
        differences over the channels in 8-bit units, and `distance` is the squared distance in pixels.
    """
    values = pixels.astype(np.float32)
    height, width = values.shape[:2]
    around = np.pad(values, ((_RADIUS, _RADIUS), (_RADIUS, _RADIUS), (0, 0)), mode="symmetric")
    total, weights = np.zeros_like(values), np.zeros((height, width), dtype=np.float32)
    for down in range(2 * _RADIUS + 1):
        for across in range(2 * _RADIUS + 1):
            other = around[down : down + height, across : across + width]
            squares = np.square(other - values).mean(axis=2, dtype=np.float32)
            weight = weigh(squares, float((down - _RADIUS) ** 2 + (across - _RADIUS) ** 2))
            weights += weight
            total += weight[:, :, None] * other
    return to_uint8(total / weights[:, :, None])
