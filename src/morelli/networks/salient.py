"""A mask of what stands out: any ONNX network that makes one from an image, with a small JSON file beside it.

``mask.json`` holds ``file`` (the ONNX file, inside the folder), ``size`` (height and width of its input), ``mean`` and
``std`` (of the three channels in levels of 0 to 255: the input is ``(level - mean) / std``), and where it is needed
``output`` (the name of the output; the first by default) and ``scale`` (``none``: the output is the mask, from 0 to 1,
which is the default; ``sigmoid``; or ``range``: its lowest value becomes 0 and its highest 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli._processes import processors
from morelli.errors import MorelliError, NetworkError
from morelli.networks.inputs import back_to
from morelli.networks.loading import told
from morelli.networks.onnx_files import open_session, read_onnx
from morelli.networks.places import Place
from morelli.networks.weights import read_json

__all__ = ["MaskFile", "SalientNetwork", "read_mask_file"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

_SCALES = ("none", "sigmoid", "range")
_EXAMPLE = '{"file": "model.onnx", "size": [1024, 1024], "mean": [128, 128, 128], "std": [256, 256, 256]}'


@dataclass(frozen=True, slots=True)
class MaskFile:
    """What ``mask.json`` says."""

    path: Path
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: str | None = None
    scale: str = "none"

    def prepare(self, pixels: Pixels) -> Float:
        """Return float32 (1, 3, height, width): stretched (bilinear, antialiased), and normalised."""
        height, width = self.size
        image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        mean, std = (np.array(of, dtype=np.float32) for of in (self.mean, self.std))
        values = (np.asarray(image, dtype=np.float32) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def read_mask_file(folder: Path) -> MaskFile:
    """Read the ``mask.json`` of a folder.

    Raises
    ------
    NetworkError
        It is missing, or says what makes no sense.
    """
    path = folder / "mask.json"
    if not path.is_file():
        raise NetworkError(f"{folder} lacks mask.json, which says how the network is used, as in: {_EXAMPLE}")
    state = read_json(path)
    try:
        height, width = (int(side) for side in state["size"])
        mean, std = (tuple(float(value) for value in state[name]) for name in ("mean", "std"))
        file = (folder / str(state["file"])).resolve()
        output, scale = state.get("output"), state.get("scale", "none")
        good = 8 <= height <= 4096 and 8 <= width <= 4096 and len(mean) == len(std) == 3 and min(std) > 0
        good = good and scale in _SCALES and (output is None or isinstance(output, str))
        good = good and (file.is_relative_to(folder.resolve()) or (folder / str(state["file"])).is_symlink())
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkError(f"{path} makes no sense ({error}); it is written as in: {_EXAMPLE}") from error
    if not good:
        raise NetworkError(f"{path} makes no sense; it is written as in: {_EXAMPLE}")
    return MaskFile(file, (height, width), mean, std, output, scale)  # type: ignore[arg-type]


class SalientNetwork:
    """An ONNX network that makes a mask, run by onnxruntime on the processor: no torch is needed.

    Parameters
    ----------
    place : Place
        Holds ``mask.json`` and the file that it names.

    Raises
    ------
    NetworkError
        The folder or the file is not what it should be.
    """

    def __init__(self, place: Place) -> None:
        self.name, self.spec = place.name, read_mask_file(place.folder)
        try:
            read_onnx(self.spec.path)
            self._session = open_session(self.spec.path, processors())
        except MorelliError as error:
            raise NetworkError(str(error)) from error
        inputs = self._session.get_inputs()
        outputs = [output.name for output in self._session.get_outputs()]
        if len(inputs) != 1 or (self.spec.output or outputs[0]) not in outputs:
            raise NetworkError(
                f"{self.spec.path}: a mask is made from one input; this network has {len(inputs)}, and the outputs "
                f"{', '.join(outputs)}."
            )
        self._input, self._output = inputs[0], self.spec.output or outputs[0]

    def masks(self, images: list[Pixels]) -> list[Float]:
        """Return for each image float32 (height, width), 0 to 1: what stands out is 1.

        Raises
        ------
        MorelliError
            The network fails, or gives no such mask.
        """
        return [back_to(self._mask(pixels), *pixels.shape[:2]) for pixels in images]

    def _mask(self, pixels: Pixels) -> Float:
        kind: Any = np.float16 if "float16" in self._input.type else np.float32
        with told(self.name):
            (values,) = self._session.run([self._output], {self._input.name: self.spec.prepare(pixels).astype(kind)})
        mask = np.asarray(values, dtype=np.float32)
        mask = (
            mask.reshape(mask.shape[-2:]) if mask.ndim >= 2 and mask.size == mask.shape[-1] * mask.shape[-2] else mask
        )
        if mask.ndim != 2 or not np.isfinite(mask).all():
            raise MorelliError(f"{self.name}: the network gives {mask.shape} or what is not finite, and no mask.")
        if self.spec.scale == "sigmoid":
            mask = np.float32(1) / (np.float32(1) + np.exp(-mask))
        elif self.spec.scale == "range":
            low, high = mask.min(), mask.max()
            mask = (mask - low) / max(high - low, np.float32(1e-12))
        return np.clip(mask, 0, 1)
