"""Residual co-occurrences: which small differences follow one another in what a high-pass filter leaves.

Steganalysis found that the joint histogram of a few neighbouring, quantised, truncated high-pass residuals describes
the processing of an image better than any single statistic (the spatial rich model, "SRM"). Cozzolino and Verdoliva
carried it over to image forensics. A generator's last layers and its decoder leave their own local texture there.

References
----------
J. Fridrich, J. Kodovsky, "Rich models for steganalysis of digital images", IEEE TIFS 7(3), 2012, sections II-A to II-C.
D. Cozzolino, L. Verdoliva, "Noiseprint: a CNN-based camera model fingerprint", IEEE TIFS 15, 2020, section II.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Float, Planes
from morelli.encoders.forensic._registry import register_family

TRUNCATION = 2
"""Quantised residuals are clipped to -2..2, five levels."""

LEVELS = 2 * TRUNCATION + 1
ORDER = 3
"""Residuals in a row that form one co-occurrence."""

SCALE = 8
"""Fixed-point units per grey level of planes that are averages: 255 * SCALE is the most that `cooccurrences` takes."""

KINDS = ("difference-1", "difference-1-across", "difference-2", "difference-2-across", "square")
"""Residuals: k-th differences in runs along or across their own direction, and the 3x3 residual in both directions."""


@cache
def _symmetry_classes() -> tuple[int, NDArray[np.intp]]:
    """Return how many classes reversal and change of sign leave, and the class of each run (SRM, section II-C)."""
    digits = np.indices((LEVELS,) * ORDER).reshape(ORDER, -1)
    weights = LEVELS ** np.arange(ORDER - 1, -1, -1)
    mirrored = LEVELS - 1 - digits
    variants = [weights @ digits, weights @ digits[::-1], weights @ mirrored, weights @ mirrored[::-1]]
    classes, members = np.unique(np.minimum.reduce(variants), return_inverse=True)
    return len(classes), members


def _along(codes: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Give a number to every run of ORDER neighbouring codes along `axis` (1 or 2) of a (n, height, width) array."""
    count = codes.shape[axis] - ORDER + 1
    index = _window(codes, axis, 0, count).copy()
    for start in range(1, ORDER):
        index *= np.uint8(LEVELS)
        index += _window(codes, axis, start, count)
    return index


def _window(codes: NDArray[np.uint8], axis: int, start: int, count: int) -> NDArray[np.uint8]:
    return codes[:, start : start + count] if axis == 1 else codes[:, :, start : start + count]


def _histogram(regions: int, horizontal: NDArray[np.uint8], vertical: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Symmetrised histograms of runs in both directions, as square roots of shares, shape (regions, classes).

    The square root makes the Euclidean distance between histograms Hellinger's, and steadies the variance of the bins.
    """
    bins = LEVELS**ORDER
    height, width = min(horizontal.shape[1], vertical.shape[1]), min(horizontal.shape[2], vertical.shape[2])
    # Counting pairs and adding up rows and columns of the table costs little more than counting one of the two.
    pairs = np.multiply(horizontal[:, :height, :width], np.uint16(bins), dtype=np.uint16)
    pairs += vertical[:, :height, :width]
    tables = (np.bincount(region, minlength=bins * bins) for region in pairs.reshape(regions, -1))
    counts = np.stack(
        [table.reshape(bins, bins).sum(axis=0) + table.reshape(bins, bins).sum(axis=1) for table in tables]
    )
    classes, members = _symmetry_classes()
    merged = np.zeros((regions, classes))
    np.add.at(merged.T, members, counts.T)
    return np.asarray(np.sqrt(merged / merged.sum(axis=1, keepdims=True)))


def _quantise(residual: NDArray[np.int16], step: int) -> NDArray[np.uint8]:
    """Round `residual` to multiples of `step` (both in fixed point) and code the clipped result as 0..LEVELS-1.

    Ties go up, so that an image and its negative differ by less than 0.01 in a few bins; symmetric rounding would cost
    time.
    """
    if step > 1:
        residual = residual + np.int16(step // 2)
        residual //= np.int16(step)
    codes = np.clip(residual, -TRUNCATION, TRUNCATION)
    codes += np.int16(TRUNCATION)
    return codes.astype(np.uint8)


def cooccurrences(
    levels: NDArray[np.int16], step: int, kinds: Collection[str], regions: int = 1
) -> NDArray[np.float64]:
    """Co-occurrences of differences and of the 3x3 residual, horizontal and vertical pooled.

    Parameters
    ----------
    levels : ndarray of int16, shape (n, height, width)
        Luma or chroma in fixed point; at most 2047 in magnitude, so that 16 times as much fits into 16 bits.
    step : int
        Quantisation step of the first difference in the same units; that of the k-th difference is k times as large.
    kinds : collection of str
        Which of :data:`KINDS` to measure.
    regions : int, default 1
        Into how many groups of equally many successive planes the histograms are pooled.

    Returns
    -------
    ndarray, shape (regions, 39 * len(kinds))
        One symmetrised histogram of 39 classes for each kind, in the order of :data:`KINDS`. Runs are counted where
        both directions fit into the plane.
    """
    parts = []
    rows, columns = levels, levels
    for order in (1, 2):
        along, across = f"difference-{order}", f"difference-{order}-across"
        rows, columns = rows[:, :, 1:] - rows[:, :, :-1], columns[:, 1:] - columns[:, :-1]
        if along in kinds or across in kinds:
            row_codes, column_codes = _quantise(rows, order * step), _quantise(columns, order * step)
            if along in kinds:
                parts.append(_histogram(regions, _along(row_codes, 2), _along(column_codes, 1)))
            if across in kinds:
                parts.append(_histogram(regions, _along(row_codes, 1), _along(column_codes, 2)))
    if "square" in kinds:
        ridges = rows[:, 2:] + rows[:, :-2] - 2 * rows[:, 1:-1]
        codes = _quantise(ridges, 4 * step)
        parts.append(_histogram(regions, _along(codes, 2), _along(codes, 1)))
    return np.concatenate(parts, axis=1)


@register_family(
    "residual",
    version=1,
    summary="co-occurrences of neighbouring high-pass residuals in luma and chroma",
)
def residual(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 507)."""
    # The luma of the full resolution is what block-dct and spectrum see too, so that two kinds on half of the tiles do.
    luma = planes.some(planes.luma_levels, 2).astype(np.int16)
    parts = [cooccurrences(luma, 1, ("difference-1", "square"), planes.regions)]
    parts.append(cooccurrences(_fixed_point(planes.luma_half), SCALE, KINDS, planes.regions))
    for chroma in (planes.blue_half, planes.red_half):
        kinds = ("difference-1", "difference-1-across", "square")
        parts.append(cooccurrences(_fixed_point(planes.some(chroma, 2)), SCALE // 2, kinds, planes.regions))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _fixed_point(planes: Float) -> NDArray[np.int16]:
    """Round to 1/SCALE of a grey level: in 16 bits the arithmetic is exact and several times as fast as in floats."""
    return np.asarray(np.rint(planes * np.float32(SCALE)), dtype=np.int16)
