"""A trained fingerprint network, and the ONNX file that it is kept in."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli._version import __version__
from morelli.encoders.fingerprint.architecture import Architecture
from morelli.encoders.fingerprint.graph import onnx_bytes

__all__ = ["FORMAT", "FingerprintModel"]

FORMAT = "morelli-fingerprint/1"
"""What a file says that it is."""

LICENCE = (
    "These weights were learned from images that the file's maker chose; whether they may be given on depends on the "
    "licences of those images and of the models that made them."
)


@dataclass(frozen=True, slots=True, eq=False)
class FingerprintModel:
    """A trained fingerprint network.

    Attributes
    ----------
    architecture : Architecture
    weights, running : mapping of str to ndarray of float32
        See `morelli.encoders.fingerprint.architecture.Architecture.start`.
    classes : tuple of str
        The generators that it learned to tell apart, in the order of the head's rows. Their names are not written to
        the file: the embedding does not need them.
    n_images : int
        How many references it learned from.
    data : str
        SHA-256 of their sums, generators and groups.
    seed, steps : int
        Of the training.
    """

    architecture: Architecture
    weights: Mapping[str, NDArray[np.float32]]
    running: Mapping[str, NDArray[np.float32]]
    classes: tuple[str, ...]
    n_images: int
    data: str
    seed: int
    steps: int

    @property
    def n_parameters(self) -> int:
        """Number of weights, those of the head included."""
        return sum(values.size for values in self.weights.values())

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says about itself."""
        return {
            "format": FORMAT,
            "architecture": json.dumps(self.architecture.to_dict(), sort_keys=True),
            "classes": str(len(self.classes)),
            "images": str(self.n_images),
            "training_data": self.data,
            "seed": str(self.seed),
            "steps": str(self.steps),
            "morelli": __version__,
            "licence": LICENCE,
        }

    def to_onnx(self) -> bytes:
        """Return the network without its head as an ONNX file; equal models give equal bytes."""
        return onnx_bytes(self.architecture, self.weights, self.running, self.metadata)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network to an ONNX file, at once or not at all.

        Parameters
        ----------
        path : path-like
            As ``candidates.onnx``.

        Returns
        -------
        Path
            For `morelli.encoders.fingerprint.FingerprintEncoder`.
        """
        data = self.to_onnx()
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        return Path(path)

    def describe(self) -> dict[str, Any]:
        """Return what is known of it, JSON-ready."""
        return {
            **self.metadata,
            "parameters": self.n_parameters,
            "sha256": hashlib.sha256(self.to_onnx()).hexdigest(),
        }

    def scores(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the head makes of embeddings (n, dim): logits of the generators, (n, classes)."""
        return np.asarray(embeddings @ self.weights["head.weight"].T + self.weights["head.bias"], dtype=np.float32)
