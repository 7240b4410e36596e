"""Masks of all things and parts of things in an image, by a grid of points: Segment Anything and Segment Anything 2.

After Kirillov et al., *Segment Anything* (2023), automatic mask generation without crops: every point of a grid gives
three masks; those that the network is sure of and whose outline is sharp stay, and of nearly equal ones the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.networks.inputs import read_inputs
from morelli.networks.loading import told
from morelli.networks.places import Place
from morelli.networks.transformer import Transformer

__all__ = ["MaskNetwork", "Masks", "grid_of", "stability", "suppress"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

IOU, STABILITY, OFFSET, OVERLAP = 0.88, 0.95, 1.0, 0.7
"""Thresholds of the authors: of the predicted overlap, of the stability and its offset, and of suppression."""

_POINTS = 64
"""Points that are asked for together."""


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Masks of one image, the largest first.

    Attributes
    ----------
    logits : ndarray of float32, shape (k, h, w)
        Above 0 inside, in the network's own resolution.
    content : tuple of float
        Height and width of the part of a plane that the image fills.
    size : tuple of int
        Height and width of the image.
    """

    logits: Float
    content: tuple[float, float]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.logits)

    def __iter__(self) -> Iterator[Bool]:
        """Yield each mask in the image's size, bool (height, width): one at a time, for they are large."""
        (bottom, right), (height, width) = self.content, self.size
        for plane in self.logits:
            image = Image.fromarray(np.ascontiguousarray(plane))
            resized = image.resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, right, bottom))
            yield np.asarray(resized) > 0


class MaskNetwork(Transformer):
    """A network that gives masks at points.

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

    classes: ClassVar[Mapping[str, str]] = {"sam": "SamModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.inputs = read_inputs(place.folder)

    def masks(self, images: list[Pixels], points: int) -> list[Masks]:
        """Return the masks of each image.

        Parameters
        ----------
        images : list of ndarray
            uint8 (height, width, 3).
        points : int
            On each side of the grid.

        Raises
        ------
        MorelliError
            The network fails, or gives what are no numbers.
        """
        found = []
        for pixels in images:  # one image is many points, which fill a batch
            found += self.in_batches([pixels], self.inputs, lambda some, values: [self._of(some[0], values, points)])
        return found

    def _of(self, pixels: Pixels, values: Float, points: int) -> Masks:
        height, width = pixels.shape[:2]
        inner = self.inputs.size_for(height, width)
        kept, scores = [], []
        with told(self.name):
            seen = self.model.get_image_embeddings(self.tensor(values))
        grid = grid_of(points, inner)
        for begin in range(0, len(grid), _POINTS):
            logits, sure = self._at(seen, grid[begin : begin + _POINTS])
            share = (inner[0] / values.shape[2], inner[1] / values.shape[3])
            content = (share[0] * logits.shape[1], share[1] * logits.shape[2])
            inside = logits[:, : int(np.ceil(content[0])), : int(np.ceil(content[1]))]
            good = (sure > IOU) & (stability(inside) >= STABILITY) & (inside > 0).any(axis=(1, 2))
            kept.append(inside[good])
            scores.append(sure[good])
        masks = np.concatenate(kept)
        best = suppress(
            (masks > 0).reshape(len(masks), masks.shape[1] * masks.shape[2]), np.concatenate(scores), OVERLAP
        )
        masks = masks[best]
        area = (masks > 0).sum(axis=(1, 2))
        return Masks(masks[np.argsort(-area, kind="stable")], content, (height, width))

    def _at(self, seen: object, points: Float) -> tuple[Float, Float]:
        """Return logits (n, h, w) and predicted overlaps (n,) of three masks at each point."""
        import torch

        with told(self.name):
            # Places of pixels are kept in full precision, which half of it could not tell apart.
            places = torch.from_numpy(points).to(self.device)[None, :, None, :]
            result = self.model(image_embeddings=seen, input_points=places, multimask_output=True)
            logits = result.pred_masks[0].flatten(0, 1).float().cpu().numpy()
            sure = result.iou_scores[0].flatten().float().cpu().numpy()
        return self.finite(logits), self.finite(sure)


def grid_of(points: int, size: tuple[int, int]) -> Float:
    """Return the middles of `points` x `points` equal fields of an area, as x and y in pixels, float32 (n, 2).

    Examples
    --------
    >>> grid_of(2, (100, 200)).tolist()
    [[50.0, 25.0], [150.0, 25.0], [50.0, 75.0], [150.0, 75.0]]
    """
    middles = (np.arange(points) + 0.5) / points
    x, y = np.meshgrid(middles * size[1], middles * size[0])
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def stability(logits: Float) -> NDArray[np.float64]:
    """Return how little each mask depends on its threshold: the overlap of the masks at +1 and at -1, from 0 to 1.

    Parameters
    ----------
    logits : ndarray of float32, shape (n, h, w)
    """
    inner = (logits > OFFSET).sum(axis=(1, 2))
    outer = (logits > -OFFSET).sum(axis=(1, 2))
    return np.asarray(inner / np.maximum(outer, 1), dtype=np.float64)


def suppress(masks: Bool, scores: Float, overlap: float) -> NDArray[np.int64]:
    """Return which masks stay: from the best score on, each that overlaps with no better one that stays.

    Parameters
    ----------
    masks : ndarray of bool, shape (n, pixels)
    scores : ndarray of float32, shape (n,)
        Of equal ones the first is better.
    overlap : float
        Greatest share of common pixels in those of either (intersection over union) that two may have.

    Returns
    -------
    ndarray of int64
        From the best on.
    """
    area = masks.sum(axis=1)
    kept: list[int] = []
    # Whole numbers below 2**24 are exact in float32.
    planes = np.zeros((0, masks.shape[1]), dtype=np.float32)
    for number in np.argsort(-scores, kind="stable"):
        plane = masks[number].astype(np.float32)
        common = planes @ plane
        union = area[kept] + area[number] - common
        if not len(kept) or (common <= overlap * union).all():
            kept.append(int(number))
            planes = np.concatenate([planes, plane[None]])
    return np.array(kept, dtype=np.int64)
