"""The class of each pixel: SegFormer and UPerNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from morelli.networks.inputs import read_inputs
from morelli.networks.loading import told
from morelli.networks.places import Place
from morelli.networks.transformer import Transformer

__all__ = ["SemanticNetwork"]

Pixels = NDArray[np.uint8]

_CLASSES = 16
"""Classes that are enlarged together: all of them at once would not fit in memory."""


class SemanticNetwork(Transformer):
    """A network that gives the class of each pixel.

    Parameters
    ----------
    place : Place

    Raises
    ------
    NetworkError
        It is of another kind, or cannot be loaded.
    MissingExtraError
        torch or transformers are not installed.
    """

    classes: ClassVar[Mapping[str, str]] = {
        "segformer": "SegformerForSemanticSegmentation",
        "upernet": "UperNetForSemanticSegmentation",
    }

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.inputs = read_inputs(place.folder)

    def labels(self, images: list[Pixels]) -> list[NDArray[np.int64]]:
        """Return for each image the number of a class at each pixel, int64 (height, width).

        Raises
        ------
        MorelliError
            The network fails, or gives what are no numbers.
        """
        return self.in_batches(images, self.inputs, self._forward)

    def _forward(self, images: list[Pixels], values: NDArray[np.float32]) -> list[NDArray[np.int64]]:
        with told(self.name):
            logits = self.model(pixel_values=self.tensor(values)).logits.float()
            return [self._best(plane, *pixels.shape[:2]) for plane, pixels in zip(logits, images, strict=True)]

    def _best(self, logits: object, height: int, width: int) -> NDArray[np.int64]:
        """Return the highest class at each pixel, after enlarging (k, h, w)."""
        import torch

        self.finite(logits.cpu().numpy())  # type: ignore[attr-defined]
        best = torch.full((height, width), -torch.inf, device=self.device)
        number = torch.zeros((height, width), dtype=torch.int64, device=self.device)
        for begin in range(0, len(logits), _CLASSES):  # type: ignore[arg-type]
            part = logits[None, begin : begin + _CLASSES]  # type: ignore[index]
            part = torch.nn.functional.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]
            value, place = part.max(dim=0)
            above = value > best
            best, number = torch.where(above, value, best), torch.where(above, place + begin, number)
        return np.asarray(number.cpu().numpy(), dtype=np.int64)
