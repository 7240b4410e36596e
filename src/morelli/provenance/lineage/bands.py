"""The four bands of a hash that are indexed, and which of their values a search has to look at."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "MAX_INDEXED", "bands_of", "probes_of"]

BANDS: Final = 4

MAX_INDEXED: Final = 7
"""Differing bits up to which the bands find everything: of 7 at most one falls into some band of the four."""

_WIDTH = 64 // BANDS


def bands_of(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the bands of hashes, shape (n, 4), each of 16 bits.

    The bits are dealt to the bands in turn: neighbouring frequencies are alike, and contiguous bands would be uneven.
    """
    octets = np.ascontiguousarray(hashes.astype(">u8")).view(np.uint8).reshape(-1, 8)
    bits = np.unpackbits(octets, axis=1).reshape(-1, _WIDTH, BANDS).transpose(0, 2, 1)
    return np.ascontiguousarray(np.packbits(bits, axis=2)).view(">u2").reshape(-1, BANDS).astype(np.int64)


def probes_of(phash: int, distance: int) -> list[list[int]]:
    """Return, for each band, the values that a hash within a distance has in at least one of them.

    Parameters
    ----------
    phash : int
    distance : int
        0 to `MAX_INDEXED`. Up to 3, some band is equal; up to 7, some band differs by at most one bit.
    """
    near = [0] if distance < BANDS else [0, *(1 << bit for bit in range(_WIDTH))]
    bands = bands_of(np.array([phash], dtype=np.uint64))[0].tolist()
    return [[band ^ change for change in near] for band in bands]
