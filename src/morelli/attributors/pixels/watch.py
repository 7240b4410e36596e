"""An early look at the loss: it has to leave that of a network that knows nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.pixels.recipe import Recipe
from morelli.errors import MorelliError

__all__ = ["LossWatch"]

_MARGIN = 0.01
"""Share of the ignorant loss by which a training has to have fallen below it."""

_WINDOW = 0.1
"""Share of the training whose losses are averaged for that, and at least this many:"""

_FEWEST = 5


class LossWatch:
    """Stops a training that learns nothing, with advice, after a share of its steps.

    A network that knows only how frequent classes are has the entropy of that as its loss: ln(K) with K equally
    frequent classes, whatever the smoothing and mixing of labels.

    Parameters
    ----------
    recipe : Recipe
    codes : ndarray of int, shape (n,)
        Classes of the references.
    steps : int
        All steps.
    losses : sequence of float
        Of the steps that were done before a resume, as far as `kept` gave them.

    Attributes
    ----------
    ignorant : float
        The loss, in nats.
    """

    def __init__(self, recipe: Recipe, codes: NDArray[np.integer], steps: int, losses: list[float]) -> None:
        share = np.bincount(codes) / len(codes)
        smoothed = (1 - recipe.smoothing) * share + recipe.smoothing / len(share)
        self.ignorant = float(-(smoothed * np.log(smoothed)).sum())
        self._size = max(_FEWEST, round(_WINDOW * steps))
        self._at = max(self._size, round(recipe.check * steps)) if recipe.check else 0
        self._recipe, self._classes, self._losses = recipe, len(share), losses[-self._size :]

    @property
    def kept(self) -> list[float]:
        """The last losses, for a checkpoint."""
        return list(self._losses)

    def see(self, step: int, loss: float) -> None:
        """Note the loss of a step, which counts from 1.

        Raises
        ------
        MorelliError
            It is time, and nothing has been learned.
        """
        self._losses = [*self._losses, loss][-self._size :]
        if step != self._at:
            return
        mean = float(np.mean(self._losses))
        if mean <= (1 - _MARGIN) * self.ignorant:
            return
        advice = [
            "train for more epochs",
            "make smaller steps with the same learning rate (batch and rate_batch)",
            "raise learning_rate",
        ]
        if self._recipe.randaugment or self._recipe.mixup or self._recipe.cutmix:
            advice.append("do without randaugment, mixup and cutmix, which are meant for a hundred thousand images")
        raise MorelliError(
            f"After {step} steps the loss is {mean:.3f}, and ln({self._classes}) = {np.log(self._classes):.3f} is that "
            f"of a network that knows nothing ({self.ignorant:.3f} with these references). It learns nothing: check "
            f"the labels; {'; '.join(advice)}. With check=0 it would go on."
        )
