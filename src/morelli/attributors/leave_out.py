"""Leaving classes out: what an attributor makes of models that it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors._checks import IntArray, check_groups, check_labels
from morelli.errors import NotEnoughDataError

__all__ = ["ClassesOut", "leave_classes_out"]


@dataclass(frozen=True, eq=False)
class ClassesOut:
    """One draw of `leave_classes_out`: which classes are hidden, and row indices."""

    hidden: tuple[int, ...]
    train: IntArray
    known_test: IntArray
    hidden_test: IntArray


def leave_classes_out(
    y: ArrayLike,
    n_hide: int,
    n_draws: int,
    seed: int,
    *,
    groups: ArrayLike | None = None,
    test_share: float = 0.25,
) -> Iterator[ClassesOut]:
    """Play unknown models: hide classes from training and see whether their images are called strange.

    Every class is hidden equally often, give or take one. No group of a test image, known or hidden, is in train;
    where all classes share the prompts, known and hidden test images therefore have the same prompts, and a hidden
    image is not strange for its content alone.

    Parameters
    ----------
    y : array-like of int, shape (n,)
        Class indices.
    n_hide : int
        Classes hidden in each draw; at least two must stay.
    n_draws : int
    seed : int
    groups : array-like, shape (n,), optional
        Prompts. None: every image is its own group, and all images of hidden classes are tested.
    test_share : float in (0, 1), default 0.25
        Share of the groups that is kept from training; less where a known class would have none left to train on.

    Yields
    ------
    ClassesOut

    Raises
    ------
    NotEnoughDataError
        Fewer than ``n_hide + 2`` classes, or no test image left.
    """
    labels = check_labels(y, None, np.size(y))
    ids, n_groups = check_groups(groups, len(labels))
    classes = np.unique(labels)
    if n_hide < 1 or n_draws < 1 or not 0 < test_share < 1:
        raise ValueError("n_hide and n_draws must be at least 1, test_share strictly between 0 and 1")
    if len(classes) < n_hide + 2:
        raise NotEnoughDataError(f"Hiding {n_hide} classes needs at least {n_hide + 2}, there are {len(classes)}.")
    return _draws(labels, ids, n_groups, classes, n_hide, n_draws, test_share, np.random.default_rng(seed))


def _draws(
    labels: IntArray,
    ids: IntArray,
    n_groups: int,
    classes: IntArray,
    n_hide: int,
    n_draws: int,
    test_share: float,
    rng: np.random.Generator,
) -> Iterator[ClassesOut]:
    queue: list[int] = []
    for _ in range(n_draws):
        hide: list[int] = []
        while len(hide) < n_hide:
            if not queue:
                # Classes already in this draw go last, so that none is drawn twice for it.
                fresh = rng.permutation(classes).tolist()
                queue = [c for c in fresh if c not in hide] + [c for c in fresh if c in hide]
            hide.append(queue.pop(0))
        hidden = np.isin(labels, hide)
        kept = _train_groups(labels[~hidden], ids[~hidden], n_groups, test_share, rng)
        train = kept[ids] & ~hidden
        trained = np.zeros(n_groups, dtype=np.bool_)
        trained[ids[train]] = True
        known_test = np.flatnonzero(~kept[ids] & ~hidden)
        hidden_test = np.flatnonzero(hidden & ~trained[ids])
        if len(known_test) == 0 or len(hidden_test) == 0:
            raise NotEnoughDataError("Too few groups to test known and hidden classes: add prompts or lower n_hide.")
        yield ClassesOut(tuple(sorted(hide)), np.flatnonzero(train), known_test, hidden_test)


def _train_groups(
    labels: IntArray, ids: IntArray, n_groups: int, test_share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which groups train, so that every class of `labels` keeps one at least."""
    present = np.zeros((n_groups, int(labels.max()) + 1), dtype=np.bool_)
    present[ids, labels] = True
    left = present.sum(axis=0)
    kept = np.ones(n_groups, dtype=np.bool_)
    candidates = rng.permutation(np.unique(ids))
    wanted = max(1, round(test_share * len(candidates)))
    for g in candidates:
        if wanted == 0:
            break
        if (left[present[g]] > 1).all():
            left -= present[g]
            kept[g] = False
            wanted -= 1
    return kept
