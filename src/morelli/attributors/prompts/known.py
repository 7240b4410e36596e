"""What an attacker has: images of known models, each with its prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Known", "deal_episode"]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Images of known classes.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    codes : ndarray of int64, shape (n,)
        Class of each image, 0 to K - 1.
    prompts : ndarray of int64, shape (n,)
        Any number, the same for the same prompt.
    n_classes : int
        K.
    texts : ndarray of object, shape (n,)
        What each prompt says; None where that is not known.
    """

    X: NDArray[np.floating]
    codes: NDArray[np.int64]
    prompts: NDArray[np.int64]
    n_classes: int
    texts: NDArray[np.object_] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.texts is None:
            object.__setattr__(self, "texts", np.full(len(self.X), None, dtype=np.object_))

    def take(self, index: ArrayLike) -> Known:
        """Return some of the images, by integers or a mask."""
        at = np.asarray(index)
        return Known(self.X[at], self.codes[at], self.prompts[at], self.n_classes, self.texts[at])

    def columns(self, block: slice | NDArray[np.int64]) -> Known:
        """Return the images with some columns only."""
        return Known(self.X[:, block], self.codes, self.prompts, self.n_classes, self.texts)

    def __len__(self) -> int:
        return len(self.X)

    def occupied(self, prompts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which classes have an image for each of these prompts, shape (len(prompts), K)."""
        names, number = np.unique(self.prompts, return_inverse=True)
        table = np.zeros((len(names) + 1, self.n_classes), dtype=np.bool_)
        table[number, self.codes] = True
        at = np.searchsorted(names, prompts)
        known = np.isin(prompts, names)
        return np.asarray(table[np.where(known, at, len(names))])


def deal_episode(
    codes: NDArray[np.int64],
    prompts: NDArray[np.int64],
    references: int,
    rng: np.random.Generator | None,
    *,
    judged: int | None = None,
    short: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Deal the images of each class and prompt to those that are judged and those that are known.

    Parameters
    ----------
    codes, prompts : ndarray of int64, shape (n,)
    references : int
        Images of each class and prompt that are known.
    rng : numpy.random.Generator or None
        Decides the order in which images are taken; None takes them as they come. Those that are known come first, so
        that fewer references are always a part of more.
    judged : int, optional
        Images of each class and prompt that are judged, taken from the end; by default all that are left.
    short : bool, default False
        Whether classes that have fewer images for a prompt stay in it, with those that there are: at least one is
        known, and one that is the only one is not judged. By default a class with no more than `references` images is
        no candidate for that prompt, so that all candidates have as many references.

    Returns
    -------
    judged, known : ndarray of int64
        Indices.
    """
    turn = np.arange(len(codes)) if rng is None else rng.permutation(len(codes))
    order = np.lexsort((turn, codes, prompts))
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (np.diff(codes[order]) != 0) | (np.diff(prompts[order]) != 0)
    number = np.cumsum(begins) - 1
    place = np.arange(len(order)) - np.flatnonzero(begins)[number]
    size = np.bincount(number, minlength=1)[number]
    n_known = np.minimum(references, np.maximum(size - 1, 1)) if short else np.where(size > references, references, 0)
    n_judged = np.where(n_known > 0, size - n_known, 0)
    if judged is not None:
        n_judged = np.minimum(n_judged, judged)
    return order[place >= size - n_judged], order[place < n_known]
