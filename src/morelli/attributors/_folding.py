"""What every attributor asks of its references before it judges them out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.catalog.folds import deal_groups
from morelli.errors import NotEnoughDataError

__all__ = ["check_classes", "check_group_ids", "deal_references"]


def check_classes(classes: NDArray[Any], codes: NDArray[np.integer], least: int) -> None:
    """Refuse one class alone, and classes with fewer than `least` images.

    Raises
    ------
    NotEnoughDataError
    """
    if len(classes) < 2:
        raise NotEnoughDataError(
            f"All references are of one class ({classes[0]}); attribution needs at least two candidates."
        )
    counts = np.bincount(codes)
    few = [f"{name} ({n})" for name, n in zip(classes, counts, strict=True) if n < least]
    if few:
        raise NotEnoughDataError(
            f"Every candidate needs at least {least} reference images; too few of: {', '.join(few[:10])}."
        )


@overload
def check_group_ids(groups: None, n: int) -> None: ...


@overload
def check_group_ids(groups: ArrayLike, n: int) -> NDArray[np.int64]: ...


def check_group_ids(groups: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    """Return groups numbered from 0, shape (n,), or None for None; ValueError where there is not one for each image."""
    if groups is None:
        return None
    if np.shape(groups) != (n,):
        raise ValueError(f"groups has shape {np.shape(groups)}; expected one entry for each of {n} images")
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def deal_references(
    codes: NDArray[np.integer],
    groups: NDArray[np.integer] | None,
    classes: NDArray[Any],
    n_folds: int,
    seed: int,
    images: NDArray[np.integer] | None = None,
    shares: Sequence[float] | None = None,
) -> tuple[NDArray[np.int64], list[str]]:
    """Deal images to folds by group.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Class of each image.
    groups : ndarray of int, shape (n,), or None
        As `check_group_ids` gives them.
    classes : ndarray, shape (K,)
        Names of the classes.
    n_folds : int
        Most folds; at least 2.
    seed : int
    images : ndarray of int, shape (n,), optional
        Image that each row shows; by default each shows its own. Where groups are of no use, images are groups.
    shares : sequence of float, optional
        Of the `n_folds` folds, as near as whole groups allow; equal by default.

    Returns
    -------
    ndarray of int64, shape (n,)
        Fold of each image.
    list of str
        A sentence for each way in which prompts may leak.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, not {n_folds}")
    notes = []
    own = np.arange(len(codes)) if images is None else images
    if groups is None:
        groups = own
        notes.append("Prompts are not known: leakage between references and held-out images cannot be excluded.")
    else:
        # A class whose images are all in one group would be missing from the folds that hold the group out.
        pairs = np.unique(np.stack([codes, groups]), axis=1)
        lonely = np.flatnonzero(np.bincount(pairs[0]) == 1)
        if len(lonely):
            alone = np.isin(codes, lonely)
            groups = np.where(alone, groups.max() + 1 + own, groups)
            names = ", ".join(str(name) for name in classes[lonely][:10])
            notes.append(f"All references of {names} share one prompt: leakage cannot be excluded for them.")
    k = int(min(n_folds, len(np.unique(groups))))
    wanted = np.full(k, 1 / k) if shares is None else np.array(shares)
    return deal_groups(groups.astype(np.int64), codes.astype(np.int64), wanted, seed), notes
