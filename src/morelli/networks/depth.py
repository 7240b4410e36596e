"""How far away each pixel is: Depth Anything and DPT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from morelli.networks.inputs import back_to, read_inputs
from morelli.networks.loading import told
from morelli.networks.places import Place
from morelli.networks.transformer import Transformer

__all__ = ["DepthNetwork"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]


class DepthNetwork(Transformer):
    """A network that gives depth.

    Parameters
    ----------
    place : Place
        Holds ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``.

    Raises
    ------
    NetworkError
        It is of another kind, or cannot be loaded.
    MissingExtraError
        torch or transformers are not installed.
    """

    classes: ClassVar[Mapping[str, str]] = {
        "depth_anything": "DepthAnythingForDepthEstimation",
        "dpt": "DPTForDepthEstimation",
    }

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.inputs = read_inputs(place.folder)
        # Networks for metres give distances, and all others their inverse.
        self._sign = -1.0 if getattr(self.model.config, "depth_estimation_type", "relative") == "metric" else 1.0

    def nearness(self, images: list[Pixels]) -> list[Float]:
        """Return for each image float32 (height, width): the greater, the nearer, in no unit.

        Raises
        ------
        MorelliError
            The network fails, or gives what is no number.
        """
        return self.in_batches(images, self.inputs, self._forward)

    def _forward(self, images: list[Pixels], values: NDArray[np.float32]) -> list[Float]:
        with told(self.name):
            depth = self.model(pixel_values=self.tensor(values)).predicted_depth.float().cpu().numpy()
        return [
            back_to(self.finite(plane * np.float32(self._sign)), *pixels.shape[:2])
            for plane, pixels in zip(depth, images, strict=True)
        ]
