"""Roll-up from models to lineages: when the sister models cannot be told apart, the family often can.

The lineage of a class is the name of the family that it descends from, or None when nobody stated one. A class
without a lineage stands for itself under its own name; a class named like a lineage therefore belongs to it (the base
model of its family).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.verdict import Lineage

__all__ = ["lineage_labels", "lineage_probabilities", "roll_up", "set_lineage"]


def lineage_labels(lineages: Sequence[str | None], classes: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the distinct lineages in order of first appearance, and the lineage index of every class, shape (K,).

    Parameters
    ----------
    lineages : sequence of str or None, length K
    classes : sequence of str, length K
        Names, used for classes without a lineage.
    """
    if len(lineages) != len(classes):
        raise ValueError(f"there are {len(lineages)} lineages for {len(classes)} classes: give one (or None) for each")
    names = [name if line is None else line for line, name in zip(lineages, classes, strict=True)]
    labels = tuple(dict.fromkeys(names))
    position = {label: i for i, label in enumerate(labels)}
    return labels, np.array([position[name] for name in names], dtype=np.int64)


def lineage_probabilities(
    probs: ArrayLike, lineages: Sequence[str | None], classes: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Add up the probabilities of the members of every lineage.

    Probabilities are among the candidates given, each with the same prior unless the caller multiplied in another, so
    a lineage with many candidates starts with more probability than one with few.

    Parameters
    ----------
    probs : array-like, shape (n, K)
    lineages : sequence of str or None, length K
    classes : sequence of str, length K

    Returns
    -------
    labels : tuple of str, length L
        In order of first appearance.
    probabilities : ndarray, shape (n, L)

    Examples
    --------
    >>> lineage_probabilities([[0.5, 0.2, 0.3]], ["sd", "sd", None], ["sd-1.5", "sd-2.1", "flux"])
    (('sd', 'flux'), array([[0.7, 0.3]]))
    """
    labels, index = lineage_labels(lineages, classes)
    p = np.asarray(probs, dtype=np.float64)
    _check_columns(p, len(index), "probs")
    return labels, p @ np.eye(len(labels))[index]


def set_lineage(sets: ArrayLike, lineages: Sequence[str | None], classes: Sequence[str]) -> list[str | None]:
    """Return the lineage that all members of each prediction set share.

    Parameters
    ----------
    sets : array-like of bool, shape (n, K)
    lineages : sequence of str or None, length K
    classes : sequence of str, length K

    Returns
    -------
    list of str or None, length n
        None when the members differ, and for an empty set.

    Examples
    --------
    >>> sets = [[True, True, False], [False, True, True], [False, False, True], [False, False, False]]
    >>> set_lineage(sets, ["sd", "sd", None], ["sd-1.5", "sd-2.1", "flux"])
    ['sd', None, 'flux', None]
    """
    labels, index = lineage_labels(lineages, classes)
    members = np.asarray(sets)
    _check_columns(members, len(index), "sets")
    if members.dtype != np.bool_:
        raise ValueError(f"sets must be boolean, not {members.dtype}")
    present = members.astype(np.int64) @ np.eye(len(labels), dtype=np.int64)[index] > 0
    only = present.sum(axis=1) == 1
    return [labels[i] if one else None for i, one in zip(present.argmax(axis=1).tolist(), only.tolist(), strict=True)]


def roll_up(
    probs: ArrayLike,
    sets: ArrayLike,
    lineages: Sequence[str | None],
    classes: Sequence[str],
    certain: Sequence[bool],
) -> list[Lineage]:
    """Return what a verdict says of the lineage, for each image or set of images.

    Parameters
    ----------
    probs : array-like, shape (n, K)
    sets : array-like of bool, shape (n, K)
    lineages : sequence of str or None, length K
    classes : sequence of str, length K
    certain : sequence of bool, length n
        False where the maker is unknown, so that nothing is settled.
    """
    if all(lineage is None for lineage in lineages):
        return [Lineage() for _ in certain]
    names, summed = lineage_probabilities(probs, lineages, classes)
    result = []
    for shared, proba, sure in zip(set_lineage(sets, lineages, classes), summed, certain, strict=True):
        best = names[int(proba.argmax())] if shared is None else shared
        result.append(Lineage(best, float(proba[names.index(best)]), sure and shared is not None))
    return result


def _check_columns(matrix: NDArray[np.generic], n_classes: int, name: str) -> None:
    if matrix.ndim != 2 or matrix.shape[1] != n_classes or n_classes == 0:
        raise ValueError(f"{name} must have one column for each of the {n_classes} classes, not shape {matrix.shape}")
