"""The pictures that networks learn from and judge, of one shape in whatever way they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.encoders.pictures import unpack_pictures

__all__ = ["are_pictures", "as_pictures"]

Pixels = NDArray[np.uint8]


def are_pictures(X: ArrayLike) -> bool:
    """Say whether these are arrays of pixels, and not rows of packed ones."""
    return isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.ndim in (4, 5)


def as_pictures(X: Any, patches: int) -> Pixels:
    """Return pictures as uint8, shape (n, patches, side, side, 3), without a copy where they are so already.

    Parameters
    ----------
    X : ndarray
        uint8 of that shape, or of the shape (n, side, side, 3), which are one an image; a memory-mapped file is read
        where it is looked at. Or rows of packed pixels, as encoders called ``thumbnail-...`` and ``patches-...`` give.
    patches : int
        Pictures of each image.

    Raises
    ------
    ValueError
        These are no such pictures.
    """
    if not are_pictures(X):
        return unpack_pictures(X, patches)
    pictures: Pixels = X if X.ndim == 5 else X[:, None]
    count, height, width, channels = pictures.shape[1:]
    if height != width or channels != 3 or count != patches:
        raise ValueError(
            f"pictures have the shape (n, {patches}, side, side, 3), with equal sides; these have {tuple(X.shape)}"
        )
    return pictures
