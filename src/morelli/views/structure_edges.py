"""Probes of edges and gradients: Canny's edges, the image without them, histograms of oriented gradients."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from morelli.views._filters import gaussian, luma, to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__ = ["canny", "gradients"]

_PER_LEVEL = 16
"""Steps in which blurred levels are counted, so that all that follows is whole numbers, alike on every machine."""

_BINS = 9
_REACH = 2
"""Pixels around an edge that go with it in no-edges."""

_SIGMA = Parameter("sigma", "standard deviation of the Gaussian before, in pixels", 0.0, 16.0, default=1.4)
_THRESHOLD = Parameter(
    "threshold", "of a strong edge in levels per pixel; weak ones have half", 0.5, 128.0, default=8.0
)


@register_view(
    "canny",
    "Edges by Canny, white on black: outlines without colour and texture",
    _SIGMA,
    _THRESHOLD,
    group="structure",
    costly=True,
)
def _canny(pixels: Pixels, sigma: float, threshold: float) -> Pixels:
    edges = canny(pixels, sigma, threshold)
    return np.repeat((edges * np.uint8(255))[:, :, np.newaxis], 3, axis=2)


@register_view(
    "no-edges",
    "Edges by Canny and two pixels around them painted over by the mean of what is near: areas without outlines",
    _SIGMA,
    _THRESHOLD,
    group="structure",
    costly=True,
)
def _no_edges(pixels: Pixels, sigma: float, threshold: float) -> Pixels:
    from scipy.ndimage import maximum_filter

    hidden = maximum_filter(canny(pixels, sigma, threshold), size=2 * _REACH + 1)
    seen = pixels if hidden.all() else pixels[~hidden]
    result, left = pixels.copy(), hidden.copy()
    # Seen pixels weighted by a Gaussian; a wider one, where none is within reach of it; at last the mean of all.
    shown = np.repeat((~hidden).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)
    width = 2.0 * _REACH
    while left.any() and width < max(hidden.shape):
        weight = gaussian(shown, width)
        reached = left & (weight[:, :, 0] > 1e-3)
        result[reached] = to_uint8(gaussian(pixels * shown, width)[reached] / weight[reached])
        left &= ~reached
        width *= 2
    result[left] = to_uint8(seen.reshape(-1, 3).mean(axis=0, dtype=np.float64).astype(np.float32))
    return result


@register_view(
    "hog",
    "Histograms of oriented gradients, drawn: in each cell a line along the edges for each of nine orientations",
    Parameter("cell", "side of a cell in pixels", 2, 256, whole=True, default=16),
    group="structure",
    costly=True,
)
def _hog(pixels: Pixels, cell: int) -> Pixels:
    # Dalal, Triggs: Histograms of Oriented Gradients for Human Detection, CVPR 2005; drawn as is usual.
    height, width = pixels.shape[:2]
    cell = min(cell, height, width)
    rows, columns = height // cell, width // cell
    histograms = _histograms(luma(pixels.astype(np.float32)), cell)
    drawn = np.zeros((rows, cell, columns, cell), dtype=np.float32)
    for number in range(_BINS):
        strokes = histograms[:, np.newaxis, :, np.newaxis, number] * _stroke(cell, number)[:, np.newaxis]
        np.maximum(drawn, strokes, out=drawn)
    result = np.zeros_like(pixels)
    area = to_uint8(drawn.reshape(rows * cell, columns * cell) * np.float32(255))
    result[: rows * cell, : columns * cell] = area[:, :, np.newaxis]
    return result


def canny(pixels: Pixels, sigma: float, threshold: float) -> npt.NDArray[np.bool_]:
    """Find edges: blurred luma, Sobel's gradients, the ridges of their length, and hysteresis.

    Canny: A Computational Approach to Edge Detection, IEEE Trans. PAMI 8 (1986).

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    sigma : float
        Of the Gaussian before, in pixels.
    threshold : float
        Levels per pixel that a gradient has somewhere along an edge. It has half as many everywhere along it.

    Returns
    -------
    numpy.ndarray
        bool (height, width). An edge is one pixel wide; of two equal ones the left or upper.
    """
    from scipy.ndimage import gaussian_filter, label

    smooth = gaussian_filter(luma(pixels.astype(np.float32)), sigma, mode="nearest", truncate=4.0)
    down, across = gradients(np.rint(smooth * _PER_LEVEL).astype(np.int32))
    square = across.astype(np.int64) ** 2 + down.astype(np.int64) ** 2
    high = (threshold * 8 * _PER_LEVEL) ** 2  # Sobel's weights add up to 8 for one level per pixel
    candidates = _ridges(square, down, across) & (square * 4 >= high)
    parts, _ = label(candidates, structure=np.ones((3, 3), dtype=bool))
    strong = np.zeros(int(parts.max()) + 1, dtype=bool)
    strong[parts[candidates & (square >= high)]] = True
    strong[0] = False
    edges: npt.NDArray[np.bool_] = strong[parts]
    return edges


def gradients(values: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return Sobel's gradients down and across, eight times the levels per pixel; the border is repeated."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return columns[2:] - columns[:-2], rows[:, 2:] - rows[:, :-2]


def _ridges(
    square: npt.NDArray[np.int64], down: npt.NDArray[np.int32], across: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Say where a gradient is the longest of three along its direction, in steps of 45 degrees."""
    height, width = square.shape
    padded = np.pad(square, 1)
    x, y = np.abs(across).astype(np.int64), np.abs(down).astype(np.int64)
    # 70 / 169 is the tangent of 22.5 degrees to four digits.
    flat, steep = 169 * y <= 70 * x, 169 * x <= 70 * y
    rising = (across > 0) == (down > 0)
    result = np.zeros(square.shape, dtype=bool)
    sectors = (
        (flat, 0, 1), (steep & ~flat, 1, 0), (~flat & ~steep & rising, 1, 1), (~flat & ~steep & ~rising, 1, -1),
    )  # fmt: skip
    for chosen, i, j in sectors:
        before = padded[1 - i : 1 - i + height, 1 - j : 1 - j + width]
        after = padded[1 + i : 1 + i + height, 1 + j : 1 + j + width]
        result |= chosen & (square > before) & (square >= after)
    return result


def _histograms(values: npt.NDArray[np.float32], cell: int) -> npt.NDArray[np.float32]:
    """Return the share of each orientation in each cell, 0 to 1, shape (rows, columns, 9)."""
    from scipy.ndimage import uniform_filter

    rows, columns = values.shape[0] // cell, values.shape[1] // cell
    down, across = (
        np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values) for axis in (0, 1)
    )
    down, across = (part[: rows * cell, : columns * cell].astype(np.float64) for part in (down, across))
    length = np.hypot(down, across)
    # Each gradient votes for the two bins beside its angle, which is one of half a turn.
    place = (np.arctan2(down, across) % np.pi) * (_BINS / np.pi)
    lower = np.floor(place).astype(np.int64)
    upper_share = place - lower
    y, x = np.indices(length.shape)
    start = ((y // cell) * columns + x // cell) * _BINS
    total = np.zeros(rows * columns * _BINS)
    for number, share in ((lower % _BINS, 1 - upper_share), ((lower + 1) % _BINS, upper_share)):
        total += np.bincount((start + number).ravel(), weights=(length * share).ravel(), minlength=total.size)
    histograms = total.reshape(rows, columns, _BINS)
    # Normalised by the energy of the cells around, so that dim parts show too; a level per pixel is the floor.
    energy = uniform_filter((histograms**2).sum(axis=2), size=3, mode="nearest")
    normed = histograms / np.sqrt(np.maximum(energy, 0) + cell**4)[:, :, np.newaxis]
    return np.asarray(np.minimum(normed, 1), dtype=np.float32)


def _stroke(cell: int, number: int) -> npt.NDArray[np.float32]:
    """Return a line through the middle of a cell, across the gradient of a bin, as cover of 0 to 1."""
    angle = number * math.pi / _BINS
    offset = np.arange(cell) - (cell - 1) / 2
    distance = np.abs(offset[:, np.newaxis] * math.sin(angle) + offset[np.newaxis] * math.cos(angle))
    round_end = np.hypot(offset[:, np.newaxis], offset[np.newaxis]) <= cell / 2
    return np.asarray(np.clip(1.25 - distance, 0, 1) * round_end, dtype=np.float32)
