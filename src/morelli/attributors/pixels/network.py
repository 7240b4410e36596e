"""Networks on pixels in the manners of scikit-learn: fitted to pictures, or to rows of packed pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from morelli.attributors._folding import check_classes
from morelli.attributors.pixels.judging import judge_pictures, torch_judge
from morelli.attributors.pixels.pictures import are_pictures, as_pictures
from morelli.attributors.pixels.recipe import FEW, Recipe
from morelli.attributors.pixels.training import train_pictures
from morelli.attributors.rivals._base import Float, Rival
from morelli.networks.devices import choose_device
from morelli.networks.loading import require_libraries

__all__ = ["PixelNetwork"]

_TIMED_STEPS = 2
"""Of an estimate: the first warms up, and an epoch has at least one."""

_FEW_AT_ONCE = 4
"""Pictures of a step of an estimate on a processor, which is not much faster with more, and slow enough."""


class PixelNetwork(Rival):
    """A network on pictures, trained by a recipe. It judges the middle of a picture, and the mean of several patches.

    Parameters
    ----------
    recipe : Recipe, optional
        `FEW` by default: the published recipe in steps of 64 images.
    patches : int, default 1
        Pictures of each image.
    device : {"auto", "cpu", "cuda"}
        ``auto`` is $MORELLI_DEVICE, or a CUDA device where there is one.
    threads : int, optional
        That augment pictures; one for each processor by default.
    random_state : int, default 0
        Of weights, order, augmentation and mixing. The same seed gives the same network on the same machine; sums come
        out differently in their last digits on another.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    trained_ : Trained
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        patches: int = 1,
        device: str = "auto",
        threads: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.recipe = recipe
        self.patches = patches
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> PixelNetwork:
        """Train on references.

        Parameters
        ----------
        X : array-like
            Rows of packed pixels, or uint8 pictures of the shape (n, side, side, 3) or (n, patches, side, side, 3), in
            memory or memory-mapped; see `as_pictures`.
        y : array-like, shape (n,)
        groups : array-like, shape (n,), optional
            Not used.

        Raises
        ------
        NotEnoughDataError
            One class only.
        ValueError
            These are no such pictures, or there is not one label for each.
        MorelliError
            As :func:`~morelli.attributors.pixels.training.train_pictures`.
        """
        if not are_pictures(X):
            super().fit(X, y, groups)
            return self
        labels = column_or_1d(y)
        check_classification_targets(labels)
        if len(labels) != len(np.asanyarray(X)):
            raise ValueError(f"there are {len(np.asanyarray(X))} pictures and {len(labels)} labels")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        check_classes(self.classes_, codes, 1)
        self._learn(np.asanyarray(X), codes, groups)
        return self

    def seconds_to_fit(self, X: ArrayLike, n_images: int, n_classes: int) -> float:
        """Estimate how long `fit` would take: a training is stopped after two steps, and the second is counted on from.

        Parameters
        ----------
        X : array-like
            Some pictures, for the same kinds of X as `fit`; on a processor four of them are looked at in a step.
        n_images, n_classes : int
            Of the training that is asked about.
        """
        (torch,) = require_libraries("A network on pixels", "torch")
        pictures, recipe = as_pictures(X, self.patches), self._recipe
        cuda = choose_device(torch, self.device) == "cuda"
        few = min(recipe.batch, recipe.at_once if cuda else _FEW_AT_ONCE, len(pictures))
        trained = train_pictures(
            pictures,
            np.arange(len(pictures)) % n_classes,
            n_classes,
            replace(recipe, batch=few, at_once=few, epochs=_TIMED_STEPS, check=0.0),
            seed=self.random_state,
            device=self.device,
            threads=self.threads,
            stop_after=_TIMED_STEPS,
        )
        return n_images * recipe.epochs / trained.images_per_second

    def predict_log_proba(self, X: ArrayLike) -> Float:
        """Return the logarithms of the probabilities, shape (n, K), for the same kinds of X as `fit`."""
        if not are_pictures(X):
            return super().predict_log_proba(X)
        check_is_fitted(self)
        return self._logits(np.asanyarray(X))

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        self.trained_ = train_pictures(
            as_pictures(X, self.patches),
            codes,
            len(self.classes_),
            self._recipe,
            seed=self.random_state,
            device=self.device,
            threads=self.threads,
        )

    def _logits(self, X: NDArray[Any]) -> Float:
        recipe = self._recipe
        judge = torch_judge(self.trained_.network, self.trained_.device, recipe.kind)
        pictures = as_pictures(X, self.patches)
        return judge_pictures(judge, pictures, recipe.side, recipe.at_once, len(self.classes_))

    @property
    def _recipe(self) -> Recipe:
        return FEW if self.recipe is None else self.recipe
