"""Several images by one maker: what they say together.

If images were independent, their log-probabilities would add up. They are not: what an attributor mistakes in one image
of a model it tends to mistake in the next. So the sum is divided by a design effect (Kish 1965), ``1 + (n - 1) r``: n
images with dependence r are worth ``n / (1 + (n - 1) r)`` independent ones. And an image may be worth nothing at all,
however sure its answer sounds; a share of doubt, spread evenly, keeps it from overruling all others. Both numbers are
learned from out-of-fold answers, on sets of images of one model that were drawn from different prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from morelli.errors import NotEnoughDataError

__all__ = ["SetPooling", "draw_sets", "learn_pooling"]

Float = NDArray[np.float64]

SIZES = (2, 4, 8)
"""Images in the sets that the dependence is learned on, as far as there are prompts enough."""

DOUBTS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Shares of doubt that are tried."""


@dataclass(frozen=True, slots=True)
class SetPooling:
    """How to pool the answers for images that are known to be of one model.

    Attributes
    ----------
    dependence : float
        0 (each image counts in full) to 1 (all together count as one).
    doubt : float
        Share of each answer that is spread evenly over the candidates, above 0 and below 1.

    Examples
    --------
    >>> import numpy as np
    >>> answers = np.array([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.6, 0.2, 0.2]])
    >>> SetPooling(dependence=0.0, doubt=0.01).pool(answers).round(2).tolist()
    [0.93, 0.03, 0.04]
    >>> SetPooling(dependence=1.0, doubt=0.01).pool(answers).round(2).tolist()
    [0.59, 0.19, 0.21]
    """

    dependence: float
    doubt: float

    def __post_init__(self) -> None:
        if not (0 <= self.dependence <= 1 and 0 < self.doubt < 1):
            raise ValueError(f"dependence {self.dependence} or doubt {self.doubt} is no share")

    @classmethod
    def fit(
        cls,
        proba: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike,
        *,
        conditions: ArrayLike | None = None,
        sizes: Sequence[int] = SIZES,
        n_draws: int = 40,
        seed: int = 0,
    ) -> SetPooling:
        """Learn from answers for images that the attributor had not seen.

        Parameters
        ----------
        proba : array-like, shape (n, K)
            Calibrated probabilities; rows sum to 1.
        y : array-like of int, shape (n,)
            True candidates.
        groups : array-like of int, shape (n,)
            Prompts; no two images of a set share one.
        conditions : array-like of int, shape (n,), optional
            All images of a set are in one, as what is wrong in a condition is wrong with all of them.
        sizes : sequence of int
            Of the sets.
        n_draws : int, default 40
            Sets of each candidate and size.
        seed : int, default 0

        Raises
        ------
        NotEnoughDataError
            No candidate has images of two prompts.
        """
        values, truth = np.asarray(proba, dtype=np.float64), np.asarray(y)
        strata = truth
        if conditions is not None and len(truth):
            strata = np.unique(np.stack([truth, np.asarray(conditions)]), axis=1, return_inverse=True)[1].ravel()
        drawn = [draw_sets(strata, groups, size, n_draws, seed) for size in sizes if size > 1]
        drawn = [sets for sets in drawn if len(sets)]
        if not drawn:
            raise NotEnoughDataError(
                "Pooling is learned from models with images of several prompts, and none has them."
            )

        def loss(dependence: float, doubt: float, sums: list[Float]) -> float:
            pooling = cls(float(dependence), doubt)
            pooled = [pooling.of_words(total, sets.shape[1]) for total, sets in zip(sums, drawn, strict=True)]
            right = [-np.log(p)[np.arange(len(p)), truth[sets[:, 0]]] for p, sets in zip(pooled, drawn, strict=True)]
            return float(np.mean([one.mean() for one in right]))

        tried = []
        for doubt in DOUBTS:
            words = cls(0.0, doubt).words(values)
            sums = [words[sets].sum(axis=-2) for sets in drawn]  # what is searched over only divides them
            best = minimize_scalar(loss, bounds=(0.0, 1.0), args=(doubt, sums), method="bounded")
            tried.append((float(best.fun), doubt, float(best.x)))
        _, doubt, dependence = min(tried)
        return cls(dependence, doubt)

    def pool(self, proba: ArrayLike) -> Float:
        """Return the probabilities of each candidate to have made all images of a set.

        Parameters
        ----------
        proba : array-like, shape (..., n, K)
            Calibrated probabilities for each image by itself.

        Returns
        -------
        ndarray, shape (..., K)
        """
        words = self.words(proba)
        return self.of_words(words.sum(axis=-2), words.shape[-2])

    def words(self, proba: ArrayLike) -> Float:
        """Return what each image adds to the sum of its set, for probabilities of shape (..., K); same shape.

        With :meth:`of_words` this is :meth:`pool` for whoever meets the images one by one.
        """
        values = np.asarray(proba, dtype=np.float64)
        return np.asarray(np.log((1 - self.doubt) * values + self.doubt / values.shape[-1]))

    def of_words(self, total: ArrayLike, n: int) -> Float:
        """Return pooled probabilities, shape (..., K), from the sum of the words of `n` images, of the same shape."""
        return np.asarray(np.exp(log_softmax(np.asarray(total) / self.design_effect(n), axis=-1)))

    def design_effect(self, n: int) -> float:
        """Return by how much fewer independent images `n` images of one model are worth: 1 for one image."""
        return 1 + (n - 1) * self.dependence

    def to_dict(self) -> dict[str, float]:
        """Return the state as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SetPooling:
        """Rebuild from :meth:`to_dict`."""
        return cls(float(state["dependence"]), float(state["doubt"]))


def learn_pooling(proba: ArrayLike, y: ArrayLike, groups: ArrayLike | None, seed: int = 0) -> SetPooling | None:
    """Return what :meth:`SetPooling.fit` learns, or None where no candidate has images of two prompts.

    Parameters
    ----------
    proba, y, groups, seed
        As there; without `groups` every image counts as one of its own.
    """
    own = np.arange(len(np.asarray(y))) if groups is None else groups
    try:
        return SetPooling.fit(proba, y, own, seed=seed)
    except NotEnoughDataError:
        return None


def draw_sets(y: ArrayLike, groups: ArrayLike, size: int, n_draws: int, seed: int) -> NDArray[np.int64]:
    """Draw sets of images of one candidate, each image from another group.

    Parameters
    ----------
    y, groups : array-like of int, shape (n,)
    size : int
        Images in a set.
    n_draws : int
        Sets of each candidate that has images in so many groups.
    seed : int

    Returns
    -------
    ndarray of int64, shape (sets, size)
        Rows of `y`.
    """
    labels, clusters = np.asarray(y), np.asarray(groups)
    drawn = []
    for name in np.unique(labels):
        rng = np.random.default_rng([seed, size, int(name)])
        rows = np.flatnonzero(labels == name)
        found = np.unique(clusters[rows])
        if len(found) < size:
            continue
        for _ in range(n_draws):
            # Shuffled rows, of which the first of each group counts: a random image of each, in a random order.
            shuffled = rng.permutation(rows)
            first = np.unique(clusters[shuffled], return_index=True)[1]
            drawn.append(shuffled[rng.permutation(first)[:size]])
    return np.array(drawn, dtype=np.int64).reshape(-1, size)
