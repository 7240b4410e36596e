"""Copies inside a set of images, and images of the set that were found among references."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.catalog.duplicates import DEFAULT_RADIUS, connected_through, near_duplicate_clusters, near_duplicate_pairs

__all__ = ["NearDuplicates", "find_near"]


@dataclass(frozen=True, slots=True, eq=False)
class NearDuplicates:
    """What is the same, or nearly, in a set of n images.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        Images of one number are copies of each other: equal files, or perceptual hashes within the radius, directly
        or by way of other images. Numbered from 0 in order of first appearance.
    first : ndarray of bool, shape (n,)
        The first image of each group: what is left when copies are counted once.
    in_references : ndarray of object, shape (n,)
        ``file``: a reference has the same bytes. ``near``: a reference has nearly the same picture. None: neither.
    reference : ndarray of int, shape (n,)
        Row of the closest reference by hash, -1 where there is none within the radius or no hashes were given.
    """

    group: NDArray[np.int64]
    first: NDArray[np.bool_]
    in_references: NDArray[np.object_]
    reference: NDArray[np.int64]

    def groups(self) -> list[NDArray[np.int64]]:
        """Return the rows of each group of two or more images, the largest first."""
        order = np.argsort(self.group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1) if len(order) else []
        return sorted((part for part in parts if len(part) > 1), key=lambda part: (-len(part), int(part[0])))


def find_near(
    image_ids: Sequence[str | None],
    phashes: ArrayLike,
    *,
    reference_ids: Collection[str] = (),
    reference_phashes: ArrayLike | None = None,
    radius: int = DEFAULT_RADIUS,
) -> NearDuplicates:
    """Find copies in a set and among references.

    Parameters
    ----------
    image_ids : sequence of (str or None), length n
        sha256 of each file; None where it could not be read.
    phashes : array-like of uint64, shape (n,)
        As :func:`morelli.images.perceptual_hash` makes them; 0 (a flat image, or none) is like nothing.
    reference_ids : collection of str
        sha256 of the references, as a bundle knows them.
    reference_phashes : array-like of uint64, shape (m,), optional
        Of the references; only a catalog knows them, a bundle does not.
    radius : int, default 4
        0 to 15 bits, see :data:`morelli.catalog.duplicates.DEFAULT_RADIUS` for what it was measured on.

    Raises
    ------
    CatalogError
        The radius is out of range.
    ValueError
        Lengths that do not fit.
    """
    hashes = np.asarray(phashes, dtype=np.uint64).reshape(-1)
    n = len(hashes)
    if len(image_ids) != n:
        raise ValueError(f"{len(image_ids)} images have {n} perceptual hashes; give one for each")
    files = _codes(image_ids)
    read = np.flatnonzero(files >= 0)
    seen = np.flatnonzero(hashes != 0)
    group = connected_through(n, [(seen, near_duplicate_clusters(hashes[seen], radius)), (read, files[read])])
    first = np.zeros(n, dtype=np.bool_)
    first[np.unique(group, return_index=True)[1]] = True
    known = frozenset(reference_ids)
    in_references = np.array(["file" if name is not None and name in known else None for name in image_ids], object)
    reference = np.full(n, -1, dtype=np.int64)
    if reference_phashes is not None:
        reference = _closest(hashes, np.asarray(reference_phashes, dtype=np.uint64).reshape(-1), radius)
        in_references[(reference >= 0) & (in_references == None)] = "near"  # noqa: E711 (an array of objects)
    return NearDuplicates(group, first, in_references.reshape(n), reference)


def _codes(names: Sequence[str | None]) -> NDArray[np.int64]:
    """Return numbers for names in order of first appearance, -1 for None."""
    numbers: dict[str, int] = {}
    return np.array([-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _closest(hashes: NDArray[np.uint64], references: NDArray[np.uint64], radius: int) -> NDArray[np.int64]:
    """Return the first of the closest references within `radius` of each hash, or -1."""
    closest = np.full(len(hashes), -1, dtype=np.int64)
    distinct, own = np.unique(hashes, return_inverse=True)
    others, where = np.unique(references, return_index=True)
    others, where = others[others != 0], where[others != 0]
    # Each side is free of repeats, so that pairs are few; a hash on both sides is its own pair.
    pairs = near_duplicate_pairs(np.concatenate([distinct, others]), radius)
    pairs = pairs[(pairs[:, 0] < len(distinct)) & (pairs[:, 1] >= len(distinct))]
    a, b = pairs[:, 0], pairs[:, 1] - len(distinct)
    if not len(a):
        return closest
    apart = np.bitwise_count(distinct[a] ^ others[b])
    order = np.lexsort((where[b], apart, a))
    a, b = a[order], b[order]
    best = np.full(len(distinct), -1, dtype=np.int64)
    keep = np.unique(a, return_index=True)[1]
    best[a[keep]] = where[b[keep]]
    best[distinct == 0] = -1
    return np.asarray(best[own], dtype=np.int64)
