"""What follows from an encoder's recipe, and from what it measures on one fixed image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from morelli.encoders.encoder import Encoded

__all__ = ["SELF_TEST_ATOL", "SELF_TEST_RTOL", "SelfTested", "hash_of_recipe", "self_test_image"]

Float = NDArray[np.float32]

SELF_TEST_RTOL = 1e-3
"""Relative tolerance of a self-test vector.

Values are logarithms, correlations and roots of shares, mostly between 0.01 and 10. Between processors and builds of
numpy and scipy, sums of float32 differ in their order and so in about the sixth digit; a changed recipe moves the first
or second.
"""

SELF_TEST_ATOL = 1e-4
"""Absolute tolerance of a self-test vector, for the values near 0."""


class SelfTested:
    """What encoders have in common; a subclass has a `recipe` and an `encode`."""

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready."""
        raise NotImplementedError

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image."""
        raise NotImplementedError

    @cached_property
    def recipe_hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the recipe as canonical JSON."""
        return hash_of_recipe(self.recipe)

    @cached_property
    def blocks(self) -> Mapping[str, slice]:
        """The columns of each family in a stacked vector."""
        result, start = {}, 0
        for name, mean in self._self_test.mean.items():
            result[name] = slice(start, start + len(mean))
            start += len(mean)
        return result

    @property
    def dim(self) -> int:
        """Number of features of all families together."""
        return sum(len(mean) for mean in self._self_test.mean.values())

    def self_test_vector(self) -> Float:
        """Return the mean features of a fixed synthetic image, shape (dim,), for a bundle to keep and compare."""
        return np.array(self._self_test.stack()[0], dtype=np.float32)

    def passes_self_test(self, expected: NDArray[np.floating]) -> bool:
        """Say whether this installation measures what the one did that made `expected` by `self_test_vector`."""
        actual = self.self_test_vector()
        return expected.shape == actual.shape and self._agrees(actual, expected)

    def _agrees(self, actual: Float, expected: NDArray[np.floating]) -> bool:
        """Say whether two self-test vectors of one shape are the same measurements."""
        return bool(np.allclose(actual, expected, rtol=SELF_TEST_RTOL, atol=SELF_TEST_ATOL))

    @cached_property
    def _self_test(self) -> Encoded:
        return self.encode(self._self_test_image())

    def _self_test_image(self) -> NDArray[np.uint8]:
        return self_test_image()


def hash_of_recipe(recipe: Mapping[str, Any]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a recipe as canonical JSON."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def self_test_image() -> NDArray[np.uint8]:
    """Return the image of the self-test, uint8 (192, 256, 3), made of integers alone.

    It holds gradients, edges and noise of several strengths from the raw stream of PCG64, in integers only, so that its
    pixels are the same everywhere.
    """
    height, width = 192, 256
    y, x = np.mgrid[:height, :width]
    # random_raw is the bit stream itself; the methods of Generator may change between versions of numpy.
    noise = np.random.PCG64(1874).random_raw(height * width * 3).reshape(height, width, 3) >> np.uint64(56)
    channels = [x * 200 // width + 20, y * 180 // height + 30, (x + y) * 150 // (width + height) + 40]
    smooth = np.stack(channels, axis=2) + 24 * ((x // 48 + y // 40) % 2)[:, :, None]
    strength = (1 + 3 * (x // 64))[:, :, None]  # noise of 1, 4, 7 and 10 grey levels
    grain = (noise.astype(np.int64) - 128) * strength // 128
    return np.asarray(np.clip(smooth + grain, 0, 255), dtype=np.uint8)
