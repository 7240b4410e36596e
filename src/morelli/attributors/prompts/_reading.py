"""Which features an attributor reads, and in which units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["EMBEDDING", "Reading", "choose_families", "embedding_of"]

EMBEDDING = "embedding"
"""Last part of the name of a family that is a network's final embedding."""

_CLIP = 5.0
"""Standardised features are brought in to this: single outliers would move means of few references."""


def embedding_of(blocks: Mapping[str, slice]) -> str | None:
    """Return the family that is an embedding, or None where there is none."""
    return next((name for name in blocks if name.rpartition("/")[2] == EMBEDDING), None)


def choose_families(blocks: Mapping[str, slice] | None, width: int, family: str | None) -> dict[str, slice]:
    """Return the families that are read, and their columns.

    Parameters
    ----------
    blocks : mapping of str to slice, or None
        None is one family, ``embedding``, of all columns.
    width : int
        Columns that there are.
    family : str or None
        How the names of those that are read begin, as ``clip-vit-b16.openai-int8`` or ``colour+layout``; None reads
        all.

    Raises
    ------
    MorelliError
        No name begins so.
    """
    there = {EMBEDDING: slice(0, width)} if blocks is None else dict(blocks)
    begin = ("",) if family is None else tuple(part for part in family.split("+") if part)
    chosen = {name: block for name, block in there.items() if name.startswith(begin)}
    if not chosen:
        raise MorelliError(f"No family of features begins with {family!r}; there are: {', '.join(there)}.")
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Columns that are read, and how they are scaled.

    Attributes
    ----------
    columns : ndarray of int64, shape (r,)
    mean, scale : ndarray, shape (r,)
        Subtracted and divided by; then values are brought in to 5 in either direction, unless they are read raw.
    raw : bool
        Whether values stay as they are.
    """

    columns: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    raw: bool

    @classmethod
    def learn(cls, X: NDArray[np.floating], families: Mapping[str, slice], *, raw: bool) -> Reading:
        """Learn the scale from images, shape (n, d)."""
        columns = np.concatenate([np.arange(X.shape[1])[block] for block in families.values()])
        own = X[:, columns]
        mean, scale = own.mean(axis=0, dtype=np.float64), own.std(axis=0, dtype=np.float64)
        # A feature that is the same in all images stays so.
        scale = np.where(scale > 1e-9 * max(float(scale.max(initial=0.0)), 1e-30), scale, 1.0)
        return cls(columns, mean, scale, raw)

    def read(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what is read of images, shape (n, r)."""
        own = np.asarray(X[:, self.columns], dtype=np.float64)
        return own if self.raw else np.clip((own - self.mean) / self.scale, -_CLIP, _CLIP)
