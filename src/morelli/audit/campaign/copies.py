"""Files that are there twice, pictures that nearly are, and images that the bundle was fitted to."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.campaign.gathered import Gathered
from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Copies
from morelli.audit.near import find_near

__all__ = ["find_copies"]

_MOST_GROUPS: Final = 50
_MOST_NAMES: Final = 10


def find_copies(
    records: Records, gathered: Gathered, reference_phashes: NDArray[np.uint64] | None = None
) -> tuple[Copies, int]:
    """Find copies in a set, and among references.

    Parameters
    ----------
    records : Records
    gathered : Gathered
    reference_phashes : ndarray of uint64, optional
        Of a catalog of references; a bundle knows only the hashes of whole files.

    Returns
    -------
    Copies
    int
        How many different pictures there are, when near-duplicates count once.
    """
    near = find_near([None] * len(gathered), gathered.phash, reference_phashes=reference_phashes)
    groups = near.groups()
    close = (near.reference >= 0) & ~gathered.in_references
    found = [(int(i), "file") for i in np.flatnonzero(gathered.in_references)[:_MOST_GROUPS]]
    found += [(int(i), "near") for i in np.flatnonzero(close)[: _MOST_GROUPS - len(found)]]
    repeated, n_repeated = _repeated(records)
    copies = Copies(
        repeated=repeated,
        near=tuple(
            tuple(_name(records, gathered, int(i)) for i in rows[:_MOST_NAMES]) for rows in groups[:_MOST_GROUPS]
        ),
        n_repeated=n_repeated,
        n_near=len(groups),
        in_references=tuple((_name(records, gathered, i), how) for i, how in found),
        n_file=int(gathered.in_references.sum()),
        n_close=int(close.sum()),
    )
    return copies, int(near.first.sum())


def _name(records: Records, gathered: Gathered, row: int) -> str:
    return records.first_file(int(gathered.number[row])).name


def _repeated(records: Records) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Return some groups of files with equal bytes, the largest first, and how many there are."""
    groups = "SELECT image_id, count(*) AS size, min(seq) AS first FROM files WHERE image_id NOT NULL GROUP BY image_id"
    (n,) = next(records.query(f"SELECT count(*) FROM ({groups} HAVING size > 1)"))
    largest = list(records.query(f"{groups} HAVING size > 1 ORDER BY size DESC, first LIMIT {_MOST_GROUPS}"))
    names = [
        tuple(
            os.fsdecode(name)
            for (name,) in records.query(
                "SELECT name FROM files WHERE image_id = ? ORDER BY seq LIMIT ?", (image_id, _MOST_NAMES)
            )
        )
        for image_id, *_ in largest
    ]
    return tuple(names), int(n)
