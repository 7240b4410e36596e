"""A small neural network on a vector."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from morelli.attributors.registry import register_attributor
from morelli.attributors.rivals._base import Blocks, Float, Rival

__all__ = ["Perceptron"]

_TINY = 1e-30


class Perceptron(Rival):
    """A multilayer perceptron on standardised features.

    Training stops when the loss does, not by held-out images: of a dozen references none can be spared.

    Parameters
    ----------
    hidden : sequence of int, default (256,)
        Units of the hidden layers.
    decay : float, default 1.0
        Weight of the quadratic penalty; features are many and references few.
    epochs : int, default 200
        At most.
    random_state : int, default 0
        Of the first weights and of the order of the images.
    """

    def __init__(
        self, *, hidden: Sequence[int] = (256,), decay: float = 1.0, epochs: int = 200, random_state: int = 0
    ) -> None:
        self.hidden = hidden
        self.decay = decay
        self.epochs = epochs
        self.random_state = random_state

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        self.scaler_ = StandardScaler().fit(X)
        self.model_ = MLPClassifier(
            tuple(self.hidden),
            alpha=self.decay,
            max_iter=self.epochs,
            random_state=self.random_state,
            early_stopping=False,
        )
        # One thread: the sums of several come out differently on machines of different size.
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model_.fit(self.scaler_.transform(X), codes)

    def _logits(self, X: NDArray[Any]) -> Float:
        with threadpool_limits(limits=1, user_api="blas"):
            proba = self.model_.predict_proba(self.scaler_.transform(X))
        return np.asarray(np.log(np.maximum(proba, _TINY)))


@register_attributor(
    "mlp",
    summary="Multilayer perceptron with one hidden layer.",
    source="Naseh et al. 2026, Identifying models behind text-to-image leaderboards",
    encoder="forensic",
)
def _mlp(blocks: Blocks, *, seed: int, level: float, **options: Any) -> Perceptron:
    return Perceptron(**{"random_state": seed, **options})
