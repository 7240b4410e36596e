"""The learning rate of each step: linear warm-up, then half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from morelli.attributors.pixels.recipe import FEW, Recipe

__all__ = ["Schedule", "schedule_notes"]

_LOW_RATE = 1e-4
"""Below this a network from random weights has hardly moved after some dozens of steps."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of a training and their learning rates.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts;
    linear scaling and warm-up after P. Goyal et al., "Accurate, large minibatch SGD", 2017.

    Attributes
    ----------
    steps_per_epoch, epochs : int
    images : int
        Of a full step.
    warm : int
        Steps of the warm-up.
    highest, last : float
        Learning rates, scaled to the images of a step.
    """

    steps_per_epoch: int
    epochs: int
    images: int
    warm: int
    highest: float
    last: float

    @classmethod
    def of(cls, recipe: Recipe, n_images: int) -> Schedule:
        """Return the schedule of a recipe for so many references."""
        per_epoch = math.ceil(n_images / min(recipe.batch, n_images))
        images = math.ceil(n_images / per_epoch)
        scale = images / recipe.rate_batch
        return cls(
            steps_per_epoch=per_epoch,
            epochs=recipe.epochs,
            images=images,
            warm=round(min(recipe.warm_up, recipe.epochs / 2) * per_epoch),
            highest=recipe.learning_rate * scale,
            last=min(recipe.last_rate, recipe.learning_rate) * scale,
        )

    @property
    def steps(self) -> int:
        """All steps."""
        return self.steps_per_epoch * self.epochs

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, which counts from 0.

        Examples
        --------
        >>> schedule = Schedule(steps_per_epoch=10, epochs=10, images=8, warm=20, highest=1.0, last=0.1)
        >>> [round(schedule.rate(step), 3) for step in (0, 19, 20, 60, 99)]
        [0.05, 1.0, 1.0, 0.55, 0.1]
        """
        if step < self.warm:
            return self.highest * (step + 1) / self.warm
        done = (step - self.warm) / max(1, self.steps - self.warm)
        return self.last + (self.highest - self.last) * 0.5 * (1 + math.cos(math.pi * done))


def schedule_notes(recipe: Recipe, n_images: int) -> tuple[str, ...]:
    """Return what is to be said of a recipe that is meant for more images: one sentence with advice, or none.

    Parameters
    ----------
    recipe : Recipe
    n_images : int
        To learn from.

    Examples
    --------
    >>> schedule_notes(FEW, 640)
    ()
    >>> schedule_notes(FEW, 50)[0].partition(": ")[0]
    '50 images are fewer than the 64 of a step'
    """
    schedule = Schedule.of(recipe, n_images)
    rate = f"the learning rate is scaled down to {schedule.highest:.3g}"
    if n_images < recipe.batch:
        what = f"{n_images} images are fewer than the {recipe.batch} of a step: an epoch is one step"
        what += f", and {rate}" if schedule.highest < recipe.learning_rate else ""
    elif schedule.highest < _LOW_RATE <= recipe.learning_rate:  # a low rate that was asked for is nobody's mistake
        what = f"In steps of {schedule.images}, {rate}"
    else:
        return ()
    if recipe.rate_batch > FEW.rate_batch:
        return (f"{what}. So little is learned; take the recipe few, or processor without a GPU (--recipe).",)
    return (f"{what}. Smaller steps (--batch) or more epochs (--epochs) may learn more.",)
