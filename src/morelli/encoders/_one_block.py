"""What encoders with one family and no contrasts share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.encoder import Encoded, decoder_fingerprint
from morelli.encoders.self_test import SelfTested, self_test_image

__all__ = ["OneBlock"]

Pixels = NDArray[np.uint8]


class OneBlock(SelfTested):
    """An encoder with one block, no contrasts, and a recipe that names the decoder."""

    version = 1
    """Raised whenever the numbers change."""

    def __init__(self, name: str, dim: int, **settings: Any) -> None:
        self._name, self._dim, self._settings = name, dim, settings

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self._name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def blocks(self) -> Mapping[str, slice]:
        """All columns as one block of the encoder's name."""
        return {self._name: slice(0, self._dim)}

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready."""
        return {
            "encoder": self._name,
            "version": self.version,
            "settings": self._settings,
            "decoder": decoder_fingerprint(),
        }

    def encode(self, pixels: Pixels) -> Encoded:
        """Measure one image.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as decoded, in the native resolution.

        Raises
        ------
        NotEnoughDataError
            The image is too small.
        TypeError
            These are no such pixels.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise TypeError(
                f"an encoder takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}"
            )
        vector = np.ascontiguousarray(self._measure(pixels), dtype=np.float32)
        return Encoded({self._name: vector}, {self._name: np.zeros((0, self._dim), dtype=np.float32)}, 0)

    @property
    def n_contrasts(self) -> int:
        """None."""
        return 0

    def _self_test_image(self) -> Pixels:
        # Four of the small one: it would be too small for some of these encoders.
        return np.tile(self_test_image(), (2, 2, 1))

    def _measure(self, pixels: Pixels) -> NDArray[Any]:
        raise NotImplementedError
