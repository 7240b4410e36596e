"""The fingerprint encoder: a trained network, run by onnxruntime on patches of the native resolution."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.encoder import (
    N_CONTRASTS,
    Encoded,
    contrasts_of,
    decoder_fingerprint,
)
from morelli.encoders.fingerprint.crops import GRID
from morelli.encoders.fingerprint.graph import INPUT, OUTPUT
from morelli.encoders.fingerprint.model import FORMAT
from morelli.encoders.self_test import SELF_TEST_ATOL, SELF_TEST_RTOL, SelfTested
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.networks.onnx_files import open_session, read_onnx

__all__ = ["PATCHES_PER_SIDE", "REGIONS_PER_SIDE", "FingerprintEncoder", "patch_offsets"]

Float = NDArray[np.float32]

RECIPE_SCHEMA = 1
"""Raised when the meaning of a vector changes in a way that nothing else in the recipe says."""

PATCHES_PER_SIDE = 9
"""Patches along each side of an image, at most."""

REGIONS_PER_SIDE = 3
"""Parts that the patches along each side are dealt to: the regions of an image's contrasts."""

_BATCH = 16
"""Patches that are run together."""


def patch_offsets(length: int, patch: int) -> list[int]:
    """Return where patches begin along a side of `length` pixels: multiples of 8, evenly from one end to the other.

    Examples
    --------
    >>> patch_offsets(1024, 64), patch_offsets(200, 64), patch_offsets(64, 64)
    ([0, 120, 240, 360, 480, 600, 720, 840, 960], [0, 64, 136], [0])
    """
    count = min(PATCHES_PER_SIDE, length // patch)
    room = length - patch
    return [0] if count == 1 else [room * i // (count - 1) // GRID * GRID for i in range(count)]


class FingerprintEncoder(SelfTested):
    """A trained fingerprint network as an encoder.

    The image is looked at in at most 9 x 9 patches, and these in at most 3 x 3 regions. Of each region the mean and
    the standard deviation of the embedding over its patches are taken; their mean over the regions is the feature
    vector, and their contrasts go along.

    Parameters
    ----------
    path : path-like
        File of `FingerprintModel.save`.
    threads : int, default 1
        Of the network. Images are measured in several processes, which leave nothing for more.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the file.
    metadata : dict of str to str
        What the file says about itself.

    Raises
    ------
    MorelliError
        The file is missing, damaged, or not of a fingerprint network.

    Notes
    -----
    It pickles by its path: the process that unpickles it reads the file again, when it first measures, and refuses
    another one.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        self.path, self.threads = Path(path).absolute(), threads
        model = read_onnx(self.path)
        self.metadata = {each.key: each.value for each in model.metadata_props}
        inputs, outputs = model.graph.input, model.graph.output
        if (
            self.metadata.get("format") != FORMAT
            or [each.name for each in inputs] != [INPUT]
            or [each.name for each in outputs] != [OUTPUT]
        ):
            raise MorelliError(
                f"{self.path} is no file of a fingerprint network that this version of Morelli can read; train one "
                "with train_fingerprint."
            )
        self.patch = int(inputs[0].type.tensor_type.shape.dim[2].dim_value)
        self._size = int(outputs[0].type.tensor_type.shape.dim[1].dim_value)
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()
        if self.patch < GRID or self._size < 1:
            raise MorelliError(f"{self.path} does not say how large its patches and embeddings are; train it again.")
        self._loaded: Any = None

    @property
    def name(self) -> str:
        """``fingerprint.`` and the first 8 hexadecimal digits of the file's SHA-256."""
        return f"fingerprint.{self.sha256[:8]}"

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready."""
        return {
            "schema": RECIPE_SCHEMA,
            "encoder": "fingerprint",
            "sha256": self.sha256,
            "patches_per_side": PATCHES_PER_SIDE,
            "regions_per_side": REGIONS_PER_SIDE,
            "grid": GRID,
            "contrasts": self.n_contrasts,
            "decoder": decoder_fingerprint(),
        }

    @property
    def blocks(self) -> dict[str, slice]:
        """The columns of its one family, which has its name."""
        return {self.name: slice(0, self.dim)}

    @property
    def dim(self) -> int:
        """Twice the size of the embedding: means and standard deviations."""
        return 2 * self._size

    @property
    def n_contrasts(self) -> int:
        """One less than there are regions, and at most `N_CONTRASTS`."""
        return min(REGIONS_PER_SIDE**2 - 1, N_CONTRASTS)

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as decoded, in the native resolution.

        Raises
        ------
        NotEnoughDataError
            A side is shorter than a patch.
        MorelliError
            The file is gone or another one, or its values are not finite.
        TypeError
            These are no such pixels.
        """
        rows, columns = self._offsets(pixels)
        values = self._embeddings(pixels, rows, columns)
        regions = np.stack(
            [
                np.concatenate([part.mean(axis=(0, 1)), part.std(axis=(0, 1))])
                for band in np.array_split(values, min(REGIONS_PER_SIDE, len(rows)))
                for part in np.array_split(band, min(REGIONS_PER_SIDE, len(columns)), axis=1)
            ]
        )
        mean = np.asarray(regions.mean(axis=0, dtype=np.float64), dtype=np.float32)
        contrasts = contrasts_of(regions.astype(np.float32))
        return Encoded({self.name: mean}, {self.name: contrasts}, len(contrasts))

    def embeddings(self, pixels: NDArray[np.uint8]) -> Float:
        """Return the embedding of each patch, in reading order, float32 (rows, columns, size). Raises as `encode`."""
        return self._embeddings(pixels, *self._offsets(pixels))

    def _agrees(self, actual: Float, expected: NDArray[np.floating]) -> bool:
        # An embedding's values cancel to anything near 0: what counts is the size of its error beside its own spread.
        margin = SELF_TEST_ATOL + SELF_TEST_RTOL * max(1.0, float(np.abs(expected).max(initial=0.0)))
        return bool(np.abs(actual - expected).max(initial=0.0) <= margin)

    def _offsets(self, pixels: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise TypeError(
                f"an encoder takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}"
            )
        height, width = pixels.shape[:2]
        if min(height, width) < self.patch:
            raise NotEnoughDataError(
                f"{width}x{height} pixels are too few for a fingerprint network: both sides need {self.patch} or more."
            )
        return patch_offsets(height, self.patch), patch_offsets(width, self.patch)

    def _embeddings(self, pixels: NDArray[np.uint8], rows: list[int], columns: list[int]) -> Float:
        side = self.patch
        patches = np.stack([pixels[top : top + side, left : left + side] for top in rows for left in columns])
        patches = np.ascontiguousarray(patches.transpose(0, 3, 1, 2))
        parts = [
            self._session.run([OUTPUT], {INPUT: patches[start : start + _BATCH]})[0]
            for start in range(0, len(patches), _BATCH)
        ]
        values = np.concatenate(parts).reshape(len(rows), len(columns), self._size)
        if not np.isfinite(values).all():
            raise MorelliError(
                f"{self.path} gives values that are not finite; its weights are damaged. Train it again."
            )
        return np.asarray(values, dtype=np.float32)

    @property
    def _session(self) -> Any:
        if self._loaded is None:
            try:
                data = self.path.read_bytes()
            except OSError as error:
                raise MorelliError(f"{self.path} cannot be read: {error.strerror or error}.") from error
            if hashlib.sha256(data).hexdigest() != self.sha256:
                raise MorelliError(f"{self.path} is not the file any more that it was; make the encoder again.")
            self._loaded = open_session(data, self.threads)
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        keep = ("path", "threads", "metadata", "patch", "_size", "sha256")
        return {**{name: self.__dict__[name] for name in keep}, "_loaded": None}

    def __repr__(self) -> str:
        return f"FingerprintEncoder({str(self.path)!r})"
