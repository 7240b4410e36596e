"""How pixels become the input of a network: what its own configuration says, done by Pillow and numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.errors import MorelliError, NetworkError
from morelli.networks.weights import read_json

__all__ = ["Inputs", "back_to", "read_inputs"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]

_MODES = ("stretch", "scale", "longest", "crop")
_MAX_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Inputs:
    """How pixels become the input of a network.

    Attributes
    ----------
    mode : {"stretch", "scale", "longest", "crop"}
        ``stretch`` to `height` x `width`; ``scale`` both sides by the factor that is nearer to one of those that fit
        height or width (as DPT does); ``longest`` scales the longer side to `height`, and fills up below and to the
        right with zeros; ``crop`` scales the shorter side to `height` and cuts the middle out.
    height, width : int
        Pixels.
    mean, std : tuple of 3 floats
        Of the channels, in the scale of 0 to 1.
    resample : int
        Pillow's number of the filter.
    multiple : int
        Of ``scale``: sides are rounded to multiples of it.
    crop : int
        Of ``crop``: side of what is cut out.
    """

    mode: str
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: int = 3
    multiple: int = 1
    crop: int = 0

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width that an image is resized to.

        Examples
        --------
        >>> depth = Inputs("scale", 518, 518, (0.5,) * 3, (0.5,) * 3, multiple=14)
        >>> depth.size_for(480, 640), depth.size_for(1024, 1024)
        ((518, 686), (518, 518))
        """
        if self.mode == "stretch":
            return self.height, self.width
        if self.mode == "longest":
            scale = self.height / max(height, width)
            return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)
        if self.mode == "crop":
            short, long = sorted((height, width))
            longer = self.height * long // short
            return (self.height, longer) if height <= width else (longer, self.height)
        by_height, by_width = self.height / height, self.width / width
        factor = by_width if abs(1 - by_width) < abs(1 - by_height) else by_height
        return self._rounded(factor * height), self._rounded(factor * width)

    def _rounded(self, length: float) -> int:
        return max(round(length / self.multiple), 1) * self.multiple

    def prepare(self, pixels: Pixels) -> Float:
        """Return float32 (3, height, width): resized with all source pixels taken in, and normalised."""
        height, width = self.size_for(*pixels.shape[:2])
        if max(height, width) > _MAX_SIDE:
            raise MorelliError(f"A network would be given {width} x {height} pixels, more than {_MAX_SIDE} a side.")
        image = Image.fromarray(pixels).resize((width, height), Image.Resampling(self.resample))
        values = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
        mean, std = (np.array(of, dtype=np.float32)[:, None, None] for of in (self.mean, self.std))
        values = (values / np.float32(255) - mean) / std
        if self.mode == "longest":
            room = ((0, 0), (0, self.height - height), (0, self.width - width))
            values = np.pad(values, room)
        elif self.mode == "crop":
            top, left = (height - self.crop) // 2, (width - self.crop) // 2
            values = values[:, top : top + self.crop, left : left + self.crop]
        return np.ascontiguousarray(values)


def read_inputs(folder: Path) -> Inputs:
    """Read the ``preprocessor_config.json`` of a network.

    Raises
    ------
    NetworkError
        It is missing, damaged, or asks for what is not done here.
    """
    path = folder / "preprocessor_config.json"
    config = read_json(path)
    try:
        mean, std = (tuple(float(value) for value in config[name]) for name in ("image_mean", "image_std"))
        factor = float(config.get("rescale_factor") or 1 / 255)
        good = abs(factor * 255 - 1) < 1e-4 and config.get("do_normalize", True) and config.get("do_resize", True)
        inputs = Inputs(mean=mean, std=std, resample=int(config.get("resample", 3)), **_shape(config))  # type: ignore[arg-type]
        sides = (inputs.height, inputs.width)
        good = good and len(mean) == len(std) == 3 and min(std) > 0 and all(8 <= side <= _MAX_SIDE for side in sides)
        good = good and inputs.resample in (1, 2, 3) and 0 <= inputs.crop <= inputs.height
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(f"{path} does not say how images are prepared ({error}).") from error
    if not good:
        raise NetworkError(f"{path} asks for a preparation of images that is not done here.")
    return inputs


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    """Return the mode with its sizes."""
    size = config["size"]
    if isinstance(size, int):
        size = {"shortest_edge": size}
    if longest := size.get("longest_edge"):
        return {"mode": "longest", "height": int(longest), "width": int(longest)}
    if short := size.get("shortest_edge"):
        cut = config.get("crop_size", short)
        side = int(cut if isinstance(cut, int) else cut["height"])
        return {"mode": "crop", "height": int(short), "width": int(short), "crop": side}
    sides = {"height": int(size["height"]), "width": int(size["width"])}
    if config.get("keep_aspect_ratio"):
        return {"mode": "scale", **sides, "multiple": int(config.get("ensure_multiple_of") or 1)}
    if config.get("do_center_crop"):
        raise ValueError("a centre cut out of a stretched image")
    return {"mode": "stretch", **sides}


def back_to(values: Float, height: int, width: int) -> Float:
    """Resize a plane of numbers, float32 (h, w), to a size in pixels (bilinear, antialiased)."""
    plane = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
