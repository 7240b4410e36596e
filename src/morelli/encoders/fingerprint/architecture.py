"""The network in words: its sizes, its weights by name, and how they begin."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["BATCH_NORM_EPSILON", "BINOMIAL_ROW", "KNEE", "POOL_EPSILON", "Architecture", "Layer"]

Weights = dict[str, NDArray[np.float32]]

BINOMIAL_ROW = np.array([1, 4, 6, 4, 1], dtype=np.float32) / np.float32(16)
"""Low-pass filter, along rows and then along columns; what it leaves of a patch is the residual."""

KNEE = 4.0
"""Grey levels at which the compression of the residual sets in: r -> r / (KNEE + abs(r))."""

BATCH_NORM_EPSILON = 1e-5
POOL_EPSILON = 1e-4
"""Added to a variance before its root is taken."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with batch normalisation and ReLU behind it.

    Attributes
    ----------
    name : str
    inputs, outputs : int
        Channels.
    kernel, stride, padding : int
    residual : bool
        Whether the input is added to what comes out.
    """

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    padding: int
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of the network.

    A patch becomes its high-pass residual, compressed. A trunk looks at it on three scales; its stem is a convolution
    of 6 x 6 pixels with stride 2, which is the same as moving 2 x 2 pixels into the channels and convolving by 3 x 3.
    A branch looks at blocks of 8 x 8 pixels on the grid of codecs and decoders. Mean and standard deviation of the
    channels of each scale, over the patch, are normalised and mapped linearly to the embedding.

    Attributes
    ----------
    width : int
        Channels of the first scale; there are twice and four times as many on the next two.
    blocks : int
        Channels of the branch.
    dim : int
        Of the embedding, at most 256.
    patch : int
        Side of a patch in pixels, a multiple of 16.

    Raises
    ------
    MorelliError
        A size is out of its range.
    """

    width: int = 24
    blocks: int = 64
    dim: int = 128
    patch: int = 64

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 96 and 1 <= self.blocks <= 512 and 1 <= self.dim <= 256):
            raise MorelliError("A fingerprint network has a width of 1 to 96, 1 to 512 blocks and a dim of 1 to 256.")
        if self.patch % 16 or not 32 <= self.patch <= 512:
            raise MorelliError(f"The side of a patch is a multiple of 16 from 32 to 512, not {self.patch}.")

    @property
    def trunk(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers of each scale, from fine to coarse."""
        w = self.width
        return (
            (Layer("stem", 3, w, 6, 2, 2), Layer("fine", w, w, 3, 1, 1, residual=True)),
            (Layer("down1", w, 2 * w, 3, 2, 1), Layer("middle", 2 * w, 2 * w, 3, 1, 1, residual=True)),
            (Layer("down2", 2 * w, 4 * w, 3, 2, 1), Layer("coarse", 4 * w, 4 * w, 3, 1, 1, residual=True)),
        )

    @property
    def branch(self) -> tuple[Layer, ...]:
        """The layers that look at blocks."""
        return (
            Layer("block1", 3, self.blocks, 8, 8, 0),
            Layer("block2", self.blocks, self.blocks, 1, 1, 0, residual=True),
        )

    @property
    def paths(self) -> tuple[tuple[Layer, ...], ...]:
        """The trunk's scales and the branch, in the order of their statistics."""
        return (*self.trunk, self.branch)

    @property
    def pooled(self) -> int:
        """Number of statistics: means and standard deviations."""
        return 2 * sum(path[-1].outputs for path in self.paths)

    def start(self, classes: int, seed: int) -> tuple[Weights, Weights]:
        """Return the weights before training, and the running statistics of the normalisations.

        Parameters
        ----------
        classes : int
        seed : int

        Returns
        -------
        tuple of two dict of str to ndarray of float32
        """
        rng = np.random.default_rng([seed, 0x66706E74])
        weights: Weights = {}
        running: Weights = {}

        def normalisation(name: str, size: int) -> None:
            weights[f"{name}.scale"] = np.ones(size, dtype=np.float32)
            weights[f"{name}.shift"] = np.zeros(size, dtype=np.float32)
            running[f"{name}.mean"] = np.zeros(size, dtype=np.float32)
            running[f"{name}.variance"] = np.ones(size, dtype=np.float32)

        for layer in (layer for path in self.paths for layer in path):
            shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
            spread = (2 / (layer.inputs * layer.kernel**2)) ** 0.5
            weights[f"{layer.name}.weight"] = (rng.standard_normal(shape) * spread).astype(np.float32)
            normalisation(layer.name, layer.outputs)
        normalisation("pooled", self.pooled)
        for name, inputs, outputs in (("embedding", self.pooled, self.dim), ("head", self.dim, classes)):
            weights[f"{name}.weight"] = (rng.standard_normal((outputs, inputs)) / inputs**0.5).astype(np.float32)
        weights["head.bias"] = np.zeros(classes, dtype=np.float32)
        return weights, running

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes, JSON-ready."""
        return asdict(self)
