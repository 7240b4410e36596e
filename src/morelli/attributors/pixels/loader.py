"""What each step of a training sees: order, augmentation and mixing as functions of the seed and the step alone.

Pictures are read from an array or a memory-mapped file, and augmented by threads while the network learns (Pillow lets
go of Python's lock while it works). Neither the number of threads, nor that of processes, nor how much a device sees at
once changes what is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.pixels.crops import augmented
from morelli.attributors.pixels.mixing import Mix, draw_mixes, soft_labels
from morelli.attributors.pixels.recipe import Recipe
from morelli.attributors.pixels.schedule import Schedule

__all__ = ["Loader", "Portion"]

Pixels = NDArray[np.uint8]
Rows = NDArray[np.int64]

_AHEAD = 3
"""Portions that are made before they are asked for."""

_ORDER, _AUGMENT, _MIX = 1, 2, 3
"""Keep streams of random numbers apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """What a device sees at once: a part of a step, or all of it.

    Attributes
    ----------
    step : int
    of : int
        Pictures of the whole step, in all processes.
    last : bool
        Whether the step ends with it, in this process.
    pixels : ndarray of uint8, shape (n, side, side, 3)
        Augmented; n may be 0 where there are more processes than pairs of pictures.
    labels : ndarray of float32, shape (n, n_classes)
        Smoothed and mixed.
    mix : Mix
        How the pictures are to be mixed; the labels are already.
    """

    step: int
    of: int
    last: bool
    pixels: Pixels
    labels: NDArray[np.float32]
    mix: Mix


class Loader:
    """Portions of a training, one after the other.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, patches, side, side, 3)
    codes : ndarray of int, shape (n,)
        Class of each image.
    rows : ndarray of int, shape (m,)
        Images to learn from.
    n_classes : int
    recipe : Recipe
    seed : int
    rank, world : int
        Which of how many processes this one is: each sees its share of a step.
    threads : int
    """

    def __init__(
        self,
        pictures: Pixels,
        codes: Rows,
        rows: Rows,
        n_classes: int,
        recipe: Recipe,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        threads: int = 1,
    ) -> None:
        self._pictures, self._codes, self._rows, self._n_classes = pictures, codes, rows, n_classes
        self._recipe, self._seed, self._rank, self._world = recipe, seed, rank, world
        self._threads = threads
        self.schedule = Schedule.of(recipe, len(rows))

    def portions(self, first: int) -> Generator[Portion, None, None]:
        """Yield the portions of all steps from `first`; closing the iterator stops the threads."""
        with ThreadPoolExecutor(self._threads) as pool:
            waiting: deque[tuple[_Plan, list[Future[Pixels]]]] = deque()
            plans = (plan for step in range(first, self.schedule.steps) for plan in self._plans(step))
            try:
                for plan in plans:
                    seen = [pool.submit(self._see, plan.epoch, int(row)) for row in plan.rows]
                    waiting.append((plan, seen))
                    if len(waiting) > _AHEAD:
                        yield self._portion(*waiting.popleft())
                while waiting:
                    yield self._portion(*waiting.popleft())
            finally:
                for _, seen in waiting:
                    for future in seen:
                        future.cancel()

    def rows(self, step: int) -> Rows:
        """Return the images of a step, in the order in which they are paired."""
        epoch, number = divmod(step, self.schedule.steps_per_epoch)
        order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(self._rows)
        return np.array_split(order, self.schedule.steps_per_epoch)[number]

    def _plans(self, step: int) -> Iterator[_Plan]:
        """Yield what this process does of a step. It is cut between pairs only, for pairs are mixed."""
        rows = self.rows(step)
        mixes = draw_mixes(len(rows) // 2, self._recipe, np.random.default_rng([self._seed, _MIX, step]))
        pairs = np.array_split(np.arange((len(rows) + 1) // 2), self._world)[self._rank]
        parts = np.array_split(pairs, max(1, -(-2 * len(pairs) // max(2, self._recipe.at_once))))
        for number, part in enumerate(parts):
            own = rows[2 * part[0] : 2 * part[-1] + 2] if len(part) else rows[:0]
            mix = mixes.take(part[part < len(mixes.share)])
            yield _Plan(step, step // self.schedule.steps_per_epoch, own, mix, len(rows), number == len(parts) - 1)

    def _see(self, epoch: int, row: int) -> Pixels:
        rng = np.random.default_rng([self._seed, _AUGMENT, epoch, row])
        patch = int(rng.integers(self._pictures.shape[1]))
        return augmented(self._pictures[row, patch], self._recipe, rng)

    def _portion(self, plan: _Plan, seen: list[Future[Pixels]]) -> Portion:
        side = self._recipe.side
        pixels = np.empty((len(seen), side, side, 3), dtype=np.uint8)
        for number, future in enumerate(seen):
            pixels[number] = future.result()
        labels = soft_labels(self._codes[plan.rows], self._n_classes, self._recipe.smoothing, plan.mix)
        return Portion(plan.step, plan.of, plan.last, pixels, labels, plan.mix)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A portion before its pixels."""

    step: int
    epoch: int
    rows: Rows
    mix: Mix
    of: int
    last: bool
