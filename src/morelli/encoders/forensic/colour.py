"""Colour: what palette a generator falls back on, how saturated, and how it meets the edges of the gamut.

References
----------
S. McCloskey, M. Albright, "Detecting GAN-generated imagery using saturation cues", ICIP 2019 (saturated and dark
pixels).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Float, Planes
from morelli.encoders.forensic._registry import register_family

CHROMA_CELL = 15
"""Side, in chroma levels, of the cells of the joint chroma histogram; 8x8 cells cover -60..60, the rest falls into the
border.
"""


@register_family(
    "colour", version=1, summary="distributions of luma, chroma and saturation, and of pixels at the edges of the gamut"
)
def colour(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 220)."""
    tiles, regions = planes.some(planes.tiles, 4), planes.regions
    red, green, blue = tiles[..., 0], tiles[..., 1], tiles[..., 2]
    brightest = np.maximum(np.maximum(red, green), blue).reshape(regions, -1)
    darkest = np.minimum(np.minimum(red, green), blue).reshape(regions, -1)
    edges = [
        np.count_nonzero(mask, axis=1) for mask in (brightest >= 254, brightest == 255, darkest <= 1, darkest == 0)
    ]
    # Every other row and column is plenty for a histogram.
    top, bottom = (
        plane.reshape(tiles.shape[:3])[:, ::2, ::2].reshape(regions, -1).astype(np.float32)
        for plane in (brightest, darkest)
    )
    luma, cb, cr = (
        planes.some(plane, 4)[:, ::2, ::2].reshape(regions, -1)
        for plane in (planes.luma_half, planes.blue_half, planes.red_half)
    )
    cells = [np.clip(np.floor(c / CHROMA_CELL) + 4, 0, 7).astype(np.intp) for c in (cb, cr)]
    return np.concatenate(
        [
            _histograms(luma, 0, 256, 32),
            _histograms(cb, -80, 80, 32),
            _histograms(cr, -80, 80, 32),
            _histograms(top - bottom, 0, 256, 24),
            _histograms(top, 0, 256, 16),
            _histograms(bottom, 0, 256, 16),
            _shares(8 * cells[0] + cells[1], 64),
            np.sqrt(np.stack(edges, axis=1) / brightest.shape[1]),
        ],
        axis=1,
    ).astype(np.float32)


def _histograms(values: Float, low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Square roots of the shares of `values` (regions, n) in equal bins; outliers go to the first or last."""
    return _shares(np.clip((values - low) * (bins / (high - low)), 0, bins - 1).astype(np.intp), bins)


def _shares(index: NDArray[np.intp], bins: int) -> NDArray[np.float64]:
    counts = np.stack([np.bincount(region, minlength=bins) for region in index])
    return np.asarray(np.sqrt(counts / index.shape[1]))
