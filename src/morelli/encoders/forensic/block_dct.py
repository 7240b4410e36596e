"""Statistics of 8x8 block DCT coefficients, on the grid of JPEG and half a block away from it.

On the grid, the coefficients tell what a codec kept, and how a generator distributed energy over the 64 patterns. Half
a block off the grid, the same statistics are free of the last codec's quantisation steps, so that what remains is the
generator's. (All offsets of the grid were tried on the gallery: these two carry nearly all that the 64 do.)

References
----------
J. Frank et al., "Leveraging frequency analysis for deep fake image recognition", ICML 2020 (DCT statistics of
generators). T. Pevny, J. Fridrich, "Merging Markov and DCT features for multi-class JPEG steganalysis", SPIE 2007
(calibration by a shifted grid).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Float, Planes
from morelli.encoders.forensic._registry import register_family

BLOCK = 8
THRESHOLDS = (0.5, 1.5, 4.0, 12.0)
"""Grey levels at which the distribution of magnitudes is sampled."""


@cache
def _basis() -> Float:
    """Return the two-dimensional orthonormal DCT-II of a flattened 8x8 block, without the mean; shape (63, 64)."""
    index = np.arange(BLOCK)
    cosines = np.cos(np.pi * (2 * index[None, :] + 1) * index[:, None] / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    cosines[0] /= np.sqrt(2)
    return np.kron(cosines, cosines)[1:].astype(np.float32)


def block_coefficients(planes: Float, offset: int = 0) -> Float:
    """Return the AC coefficients of all whole 8x8 blocks from (`offset`, `offset`) on, shape (n, blocks, 63)."""
    shifted = planes[:, offset:, offset:]
    count, rows, columns = len(planes), shifted.shape[1] // BLOCK, shifted.shape[2] // BLOCK
    blocks = shifted[:, : rows * BLOCK, : columns * BLOCK].reshape(count, rows, BLOCK, columns, BLOCK)
    flat = blocks.transpose(0, 1, 3, 2, 4).reshape(-1, BLOCK * BLOCK)
    return np.asarray((flat @ _basis().T).reshape(count, rows * columns, -1), dtype=np.float32)


def coefficient_statistics(
    coefficients: Float, regions: int = 1, thresholds: tuple[float, ...] = THRESHOLDS
) -> NDArray[np.float32]:
    """Summarise each coefficient's distribution over blocks.

    Parameters
    ----------
    coefficients : ndarray, shape (n, blocks, 63)
        At most 255 blocks in each plane.
    regions : int, default 1
        Into how many groups of equally many successive planes the distributions are pooled.
    thresholds : tuple of float
        Grey levels.

    Returns
    -------
    ndarray, shape (regions, (2 + len(thresholds)) * 63)
        Log mean magnitude, log mean square, and the shares of magnitudes below each of the thresholds.
    """
    _, blocks, patterns = coefficients.shape
    magnitude = np.abs(coefficients)
    by_region = magnitude.reshape(regions, -1, patterns)
    mean = by_region.mean(axis=1)
    square = np.einsum("rbk,rbk->rk", by_region, by_region) / np.float32(by_region.shape[1])
    parts = [np.log(mean + np.float32(0.05)), np.log(square + np.float32(0.05))]
    for threshold in thresholds:
        # Bytes hold the counts of one plane; adding bytes is several times as fast as adding truth values.
        below = (magnitude < threshold).view(np.uint8).sum(axis=1, dtype=np.uint8)
        parts.append(below.reshape(regions, -1, patterns).mean(axis=1, dtype=np.float32) / np.float32(blocks))
    return np.concatenate(parts, axis=1)


@register_family(
    "block-dct",
    version=1,
    summary="distributions of 8x8 DCT coefficients of luma on and off the block grid, and of chroma",
)
def block_dct(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 1008)."""
    regions = planes.regions
    parts = [
        coefficient_statistics(block_coefficients(planes.some(planes.luma, 2)), regions),
        coefficient_statistics(block_coefficients(planes.luma, offset=BLOCK // 2), regions),
    ]
    # Of chroma no shares: it is mostly zero after a codec, and they would say just that.
    parts += [
        coefficient_statistics(block_coefficients(chroma), regions, thresholds=())
        for chroma in (planes.blue_half, planes.red_half)
    ]
    return np.concatenate(parts, axis=1)
