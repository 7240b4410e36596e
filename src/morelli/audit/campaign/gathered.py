"""All images of an audit as arrays: what statements about the set are computed from."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.audit.campaign.parts import by_month
from morelli.audit.campaign.records import Records

__all__ = ["Gathered", "commonest_first", "gather"]

_ORDERED = (
    "SELECT verdicts.id, image_id, log_proba, open_set_p, phash, decision, label, agreement, min(seq) AS first "
    "FROM files JOIN verdicts USING (image_id) GROUP BY verdicts.id ORDER BY first"
)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The n different readable images of an audit, in the order of their first files, and its files.

    Some 4 (K + 10) bytes for each image and 8 for each file, whatever the verdicts hold.

    Attributes
    ----------
    number : ndarray of int64, shape (n,)
        Of the verdicts in the records.
    log_proba : ndarray of float32, shape (n, K)
    open_set_p : ndarray of float64, shape (n,)
    phash : ndarray of uint64, shape (n,)
        0 where there is none.
    in_references : ndarray of bool, shape (n,)
        Whether the bundle was fitted to this very file.
    decision : ndarray of int8, shape (n,)
        Number of each verdict's decision among `decision_names`.
    decision_names : tuple of str
    unknown : ndarray of bool, shape (n,)
        Whether the open-set p-value is below the bundle's level.
    image_of : ndarray of int32, shape (files,)
        Row of each file's image, -1 for one that could not be judged.
    part_of : dict of str to ndarray of int32, shape (files,)
        For each column that the campaign is divided by, a number of `part_names` for each file.
    part_names : dict of str to list of str
    decisions, named, outcomes : dict of str to int
        Different images by decision, by candidate where attributed, and by how declarations and pixels go together;
        the commonest first.
    """

    number: NDArray[np.int64]
    log_proba: NDArray[np.float32]
    open_set_p: NDArray[np.float64]
    phash: NDArray[np.uint64]
    in_references: NDArray[np.bool_]
    decision: NDArray[np.int8]
    decision_names: tuple[str, ...]
    unknown: NDArray[np.bool_]
    image_of: NDArray[np.int32]
    part_of: dict[str, NDArray[np.int32]]
    part_names: dict[str, list[str]]
    decisions: dict[str, int]
    named: dict[str, int]
    outcomes: dict[str, int]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def conflict(self) -> NDArray[np.bool_]:
        """Whether what is declared contradicts the pixels, shape (n,)."""
        known = np.array([name == "conflict" for name in self.decision_names], dtype=np.bool_)
        return np.asarray(known[self.decision]) if len(self) else np.zeros(0, np.bool_)

    @property
    def n_files(self) -> int:
        """Files of the campaign."""
        return len(self.image_of)

    @property
    def n_unreadable(self) -> int:
        """Files that could not be judged."""
        return int((self.image_of < 0).sum())

    @property
    def n_repeated(self) -> int:
        """Readable files whose bytes came before."""
        return self.n_files - self.n_unreadable - len(self)

    def rows_of(self, column: str, part: int) -> NDArray[np.intp]:
        """Return the rows of the different images that a part has."""
        rows = self.image_of[self.part_of[column] == part]
        return np.unique(rows[rows >= 0]).astype(np.intp)


def gather(
    records: Records, n_candidates: int, references: Collection[str] = (), open_set_level: float = 0.05
) -> Gathered:
    """Read the arrays of an audit whose images were all judged.

    Parameters
    ----------
    records : Records
    n_candidates : int
    references : collection of str
        sha256 of the files that the bundle was fitted to.
    open_set_level : float
        Of the bundle.
    """
    (n,) = next(
        records.query(
            "SELECT count(DISTINCT image_id) FROM files JOIN verdicts USING (image_id) WHERE log_proba NOT NULL"
        )
    )
    number, phash = np.zeros(n, np.int64), np.zeros(n, np.int64)
    log_proba, p = np.zeros((n, n_candidates), np.float32), np.zeros(n)
    in_references, decision_of = np.zeros(n, np.bool_), np.zeros(n, np.int8)
    words_used: dict[str, int] = {}
    decisions: dict[str, int] = {}
    named: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    row_of: dict[int, int] = {}
    for key, image_id, words, open_set_p, own_hash, decision, label, agreement, _ in records.query(_ORDERED):
        decisions[decision] = decisions.get(decision, 0) + 1
        if agreement is not None:
            outcomes[agreement] = outcomes.get(agreement, 0) + 1
        if words is None:
            continue
        if decision == "attributed":
            named[label] = named.get(label, 0) + 1
        i = row_of[key] = len(row_of)
        number[i], log_proba[i], p[i] = key, np.frombuffer(words, "<f4"), open_set_p
        phash[i] = own_hash or 0
        in_references[i] = image_id in references
        decision_of[i] = words_used.setdefault(decision, len(words_used))
    image_of, part_of, part_names = _files(records, row_of)
    return Gathered(
        number,
        log_proba,
        p,
        phash.view(np.uint64),
        in_references,
        decision_of,
        tuple(words_used),
        p < open_set_level,
        image_of,
        part_of,
        part_names,
        *map(commonest_first, (decisions, named, outcomes)),
    )


def _files(
    records: Records, row_of: dict[int, int]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.int32]], dict[str, list[str]]]:
    (n,) = next(records.query("SELECT count(*) FROM files"))
    by = list(records.about("by") or [])
    image_of = np.full(n, -1, np.int32)
    codes = np.zeros((len(by), n), np.int32)
    numbers: list[dict[str, int]] = [{} for _ in by]
    cells: dict[str, list[str | None]] = {}  # few parts, many files: each distinct text is parsed once
    query = "SELECT cells, verdicts.id FROM files LEFT JOIN verdicts ON verdicts.image_id = files.image_id ORDER BY seq"
    for i, (text, key) in enumerate(records.query(query)):
        image_of[i] = -1 if key is None else row_of.get(key, -1)
        if text not in cells:
            cells[text] = json.loads(text)
        for c, value in enumerate(cells[text]):
            codes[c, i] = numbers[c].setdefault(value or "", len(numbers[c]))
    part_of, names = {}, {}
    for column, own, known in zip(by, codes, numbers, strict=True):
        part_of[column], names[column] = by_month(own, list(known))
    return image_of, part_of, names


def commonest_first(counts: dict[str, int]) -> dict[str, int]:
    """Return counts by size, those of one size by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
