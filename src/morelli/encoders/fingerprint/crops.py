"""Crops of the references, in bounded memory: a window that moves over an endless, reproducible stream of visits."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.fingerprint.settings import TrainingSettings
from morelli.errors import NotEnoughDataError
from morelli.images import read_image
from morelli.views import parse_view

__all__ = ["GRID", "CropWindow", "Visit", "random_degradation"]

Pixels = NDArray[np.uint8]

GRID = 8
"""Crops and patches begin at multiples of this."""

_SMALLEST_SCALE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One image, as it was looked at once.

    Attributes
    ----------
    image : int
        Row of the references.
    native, degraded : tuple of ndarray of uint8, shape (height, width, 3)
        Crops as they are, and others after one degradation that all of them share. They are views of the window's
        memory, and change when the window has moved on.
    """

    image: int
    native: tuple[Pixels, ...]
    degraded: tuple[Pixels, ...]


def random_degradation(rng: np.random.Generator, smallest: float) -> tuple[str, float]:
    """Draw what images meet on their way.

    Parameters
    ----------
    rng : Generator
    smallest : float
        Least factor of a resize, at most 1.

    Returns
    -------
    view : str
        As `morelli.views.parse_view` reads it.
    scale : float
        Factor by which it resizes.
    """
    kind = rng.random()
    scale = float(np.round(rng.uniform(max(_SMALLEST_SCALE, smallest), 1), 3))
    if rng.random() < 0.3:
        scale = max(0.5, smallest)  # half size is what services like to make
    quality = int(rng.integers(60, 96))
    blur = float(np.round(rng.uniform(0.4, 1.2), 2))
    if kind < 0.45:
        return f"scale:{scale}|jpeg:{quality}", scale
    if kind < 0.6:
        return f"scale:{scale}", scale
    if kind < 0.8:
        return f"jpeg:{quality}", 1.0
    if kind < 0.92:
        return f"webp:{quality}", 1.0
    return f"blur:{blur}", 1.0


class CropWindow:
    """The crops that training can draw from at a step.

    References are visited in one shuffled order, again and again; visit number v is a function of the seed and v
    alone, and a window over the last visits is kept. One visit is added at each step, the oldest leaves. So the
    memory is bounded, no image stays as it was cut once, and a run that is resumed sees what it would have seen.

    Parameters
    ----------
    paths : sequence of path-like
    settings : TrainingSettings
    seed : int

    Attributes
    ----------
    size : int
        Visits in the window: all references where the memory allows.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], settings: TrainingSettings, seed: int) -> None:
        self._paths, self._settings, self._seed = [Path(path) for path in paths], settings, seed
        self._order = np.random.default_rng([seed, 1]).permutation(len(self._paths))
        each = settings.crops * (2 if settings.degraded else 1)
        room = settings.memory // (each * 3 * settings.crop**2)
        self.size = min(len(self._paths), max(2 * settings.classes, room))
        # One piece for good: small arrays that come and go among large images would leave holes several times as large.
        self._memory = np.empty((self.size, each, settings.crop, settings.crop, 3), dtype=np.uint8)
        self._start = 0
        self._visits: deque[Visit] = deque()

    def at(self, step: int) -> deque[Visit]:
        """Return the visits at a step, which is no earlier than the last one that was asked for.

        Raises
        ------
        ImageReadError
            An image cannot be read.
        NotEnoughDataError
            An image is smaller than a patch.
        """
        if step >= self._start + len(self._visits) and self._visits:
            self._visits.clear()
        if not self._visits:
            self._start = step
        while self._start < step:
            self._visits.popleft()
            self._start += 1
        while len(self._visits) < self.size:
            self._visits.append(self._visit(self._start + len(self._visits)))
        return self._visits

    def _visit(self, number: int) -> Visit:
        image = int(self._order[number % len(self._order)])
        rng = np.random.default_rng([self._seed, 2, number])
        pixels = read_image(self._paths[image]).pixels
        settings, patch = self._settings, self._settings.architecture.patch
        short = min(pixels.shape[:2])
        if short < patch:
            raise NotEnoughDataError(
                f"{self._paths[image]}: {pixels.shape[1]}x{pixels.shape[0]} pixels are too few to train a fingerprint "
                f"network on: both sides need {patch} or more. Leave the image out."
            )
        crops = [_crop(pixels, settings.crop, rng) for _ in range(settings.crops)]
        if not settings.degraded:
            return Visit(image, self._keep(number, crops), ())
        name, scale = random_degradation(rng, min(1.0, (patch + 1) / short))
        view, side = parse_view(name), round(settings.crop / scale)
        for _ in range(settings.crops):
            seen = view(_crop(pixels, side, rng), int(rng.integers(1 << 31)))
            crops.append(seen[: settings.crop, : settings.crop])
        kept = self._keep(number, crops)
        return Visit(image, kept[: settings.crops], kept[settings.crops :])

    def _keep(self, number: int, crops: list[Pixels]) -> tuple[Pixels, ...]:
        """Copy crops to the place of a visit, which an older visit has left."""
        result = []
        for place, crop in zip(self._memory[number % self.size], crops, strict=True):
            kept = place[: crop.shape[0], : crop.shape[1]]
            kept[:] = crop
            result.append(kept)
        return tuple(result)


def _crop(pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    """Return a random crop on the grid, of `side` pixels or as many as there are."""
    height, width = pixels.shape[:2]
    top = GRID * int(rng.integers(max(0, height - side) // GRID + 1))
    left = GRID * int(rng.integers(max(0, width - side) // GRID + 1))
    return pixels[top : top + side, left : left + side]
