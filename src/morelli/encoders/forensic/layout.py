"""Layout: where light, colour and detail lie in the frame.

The weakest of the families on purpose: it sees the picture as a thumbnail, and so mostly its content. It is kept
because a model's habits of composition (centred subject, vignette, empty border) are the one trace that survives every
codec.

References
----------
A. Oliva, A. Torralba, "Modeling the shape of the scene: a holistic representation of the spatial envelope", IJCV 42(3),
2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Planes
from morelli.encoders.forensic._registry import register_family

CELLS = 8


def thumbnail(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Average `pixels` (height, width, 3) over a `side` x `side` grid of cells; shape (side, side, 3).

    Of images with more than 511 pixels on the shorter side only some rows and columns are read, at least 256 of each:
    at 32 cells a side, 64 samples a cell.
    """
    stride = max(1, min(pixels.shape[:2]) // 256)
    samples = pixels[::stride, ::stride]
    rows = np.linspace(0, samples.shape[0], side + 1).astype(np.intp)
    columns = np.linspace(0, samples.shape[1], side + 1).astype(np.intp)
    sums = np.add.reduceat(samples, rows[:-1], axis=0, dtype=np.float32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    return np.asarray(sums / (np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]), dtype=np.float32)


@register_family("layout", version=1, summary="light, colour and detail on a coarse grid over the whole frame")
def layout(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; one row, shape (1, 304), since it is measured on the whole image rather than in regions."""
    fine = thumbnail(planes.pixels, 4 * CELLS)
    luma = fine @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    coarse = [_cells(plane) for plane in (luma, fine[..., 0] - luma, fine[..., 2] - luma)]
    across = np.log1p(_cells(np.abs(np.diff(luma, axis=1))[:, : 4 * (CELLS - 1)]))
    down = np.log1p(_cells(np.abs(np.diff(luma, axis=0))[: 4 * (CELLS - 1)]))
    return np.concatenate([plane.ravel() for plane in (*coarse, across, down)]).astype(np.float32)[None]


def _cells(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = plane.shape[0] // 4, plane.shape[1] // 4
    return np.asarray(plane.reshape(rows, 4, columns, 4).mean(axis=(1, 3)), dtype=np.float32)
