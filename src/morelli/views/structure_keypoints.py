"""SIFT's keypoints, drawn: where blobs and corners are, how large and which way, and nothing else.

Lowe: Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60 (2004), sections 3 to 5, made simpler in two
ways: the image is not doubled before, and keypoints stay on the pixels of their octave. Descriptors are not computed,
since nobody draws them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from morelli.views._filters import luma
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__ = ["Keypoints", "keypoints"]

Array = npt.NDArray[np.float32]

_SCALES = 3
"""Scales in an octave that keypoints are looked for in."""

_SIGMA, _CAMERA = 1.6, 0.5
"""Blur of the first scale, and the blur that an image is taken to have."""

_EDGE = 10.0
"""Ratio of the principal curvatures above which an extremum lies on an edge."""

_BINS = 36
_SMALLEST = 12
"""Pixels of the short side of the last octave."""

_CHUNK = 256
"""Keypoints whose windows are in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """Keypoints of an image, arrays of one length, float64.

    Attributes
    ----------
    x, y : numpy.ndarray
        Place in pixels.
    sigma : numpy.ndarray
        Scale, in pixels.
    angle : numpy.ndarray
        Direction of the gradient around, in radians; y points down. A place has a keypoint for each strong direction.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]


@register_view(
    "sift",
    "SIFT's keypoints, white on black: circles of their size, with a line in their direction",
    Parameter("contrast", "least difference of Gaussians, in shares of white", 0.001, 0.5, default=0.013),
    group="structure",
    costly=True,
)
def _sift(pixels: Pixels, contrast: float) -> Pixels:
    found = keypoints(pixels, contrast)
    image = Image.new("L", (pixels.shape[1], pixels.shape[0]))
    draw = ImageDraw.Draw(image)
    for x, y, sigma, angle in zip(found.x, found.y, found.sigma, found.angle, strict=True):
        radius = 2 * sigma
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=255)
        draw.line((x, y, x + radius * math.cos(angle), y + radius * math.sin(angle)), fill=255)
    return np.asarray(image.convert("RGB"))


def keypoints(pixels: Pixels, contrast: float) -> Keypoints:
    """Find SIFT's keypoints.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    contrast : float
        The least absolute value of a difference of Gaussians, of luma in 0 to 1. Lowe names 0.03, common programs take
        0.013.

    Returns
    -------
    Keypoints
        Sorted by scale and place. Images with a side below 12 pixels have none.
    """
    from scipy.ndimage import gaussian_filter

    base = luma(pixels.astype(np.float32)) / np.float32(255)
    base = gaussian_filter(base, math.sqrt(_SIGMA**2 - _CAMERA**2), mode="reflect", truncate=4.0)
    found: list[npt.NDArray[np.float64]] = [np.empty((0, 4))]
    step = 1
    while min(base.shape) >= _SMALLEST:
        stack = [base]
        for scale in range(1, _SCALES + 3):
            had, has = (_SIGMA * 2 ** (number / _SCALES) for number in (scale - 1, scale))
            more = math.sqrt(has**2 - had**2)
            stack.append(gaussian_filter(stack[-1], more, mode="reflect", truncate=4.0))
        for scale, y, x in _extrema(np.stack([after - before for before, after in pairwise(stack)]), contrast):
            sigma = _SIGMA * 2 ** (scale / _SCALES)
            which, angle = _directions(stack[scale], y, x, sigma)
            # A pixel of an octave is the first of a square of pixels of the image.
            place = [x[which] * step, y[which] * step, np.full(len(which), sigma * step), angle]
            found.append(np.stack(place, axis=1).astype(np.float64))
        base = stack[_SCALES][::2, ::2]
        step *= 2
    return Keypoints(*np.concatenate(found).T)


def _extrema(differences: Array, contrast: float) -> list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return scale, rows and columns of the extrema among their 26 neighbours that are strong and on no edge."""
    from scipy.ndimage import maximum_filter, minimum_filter

    highest, lowest = (function(differences, size=3, mode="nearest") for function in (maximum_filter, minimum_filter))
    result = []
    for scale in range(1, _SCALES + 1):
        values = differences[scale]
        peak = (values == highest[scale]) & (values >= contrast) | (values == lowest[scale]) & (values <= -contrast)
        peak[[0, -1]] = peak[:, [0, -1]] = False
        y, x = np.nonzero(peak)
        middle = values[y, x]
        dyy = values[y + 1, x] + values[y - 1, x] - 2 * middle
        dxx = values[y, x + 1] + values[y, x - 1] - 2 * middle
        dxy = (values[y + 1, x + 1] - values[y + 1, x - 1] - values[y - 1, x + 1] + values[y - 1, x - 1]) / 4
        trace, determinant = dxx + dyy, dxx * dyy - dxy**2
        good = (determinant > 0) & (trace**2 * _EDGE < (_EDGE + 1) ** 2 * determinant)
        result.append((scale, y[good], x[good]))
    return result


def _directions(
    values: Array, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], sigma: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the strong directions of gradients around places: the numbers of the places, and the angles."""
    down, across = np.gradient(values)
    length, angle = np.hypot(down, across), np.arctan2(down, across)
    reach = round(3 * 1.5 * sigma)
    offset = np.arange(-reach, reach + 1)
    near = np.exp(-(offset[:, np.newaxis] ** 2 + offset**2) / (2 * (1.5 * sigma) ** 2))
    bins = np.rint(angle * (_BINS / (2 * np.pi))).astype(np.int64) % _BINS
    padded_length, padded_bins = np.pad(length, reach), np.pad(bins, reach)
    histograms = np.zeros((len(y), _BINS))
    for begin in range(0, len(y), _CHUNK):
        chosen = slice(begin, begin + _CHUNK)
        rows = (y[chosen, np.newaxis] + reach + offset)[:, :, np.newaxis]
        columns = (x[chosen, np.newaxis] + reach + offset)[:, np.newaxis, :]
        weights = padded_length[rows, columns] * near
        place = padded_bins[rows, columns] + _BINS * np.arange(len(rows))[:, np.newaxis, np.newaxis]
        counts = np.bincount(place.ravel(), weights=weights.ravel(), minlength=len(rows) * _BINS)
        histograms[chosen] = counts.reshape(-1, _BINS)
    left, right = np.roll(histograms, 1, axis=1), np.roll(histograms, -1, axis=1)
    peak = (histograms > left) & (histograms >= right) & (histograms >= 0.8 * histograms.max(axis=1, keepdims=True))
    which, number = np.nonzero(peak)
    a, b, c = left[which, number], histograms[which, number], right[which, number]
    # The top of the parabola through three bins.
    return which, (number + 0.5 * (a - c) / (a - 2 * b + c)) * (2 * np.pi / _BINS)
