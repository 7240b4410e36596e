"""Splits by group, saved with a hash, so that a result can say exactly which images it was tested on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from morelli._files import atomic_path, write_text
from morelli.catalog.catalog import Catalog
from morelli.catalog.duplicates import DEFAULT_RADIUS, cluster_ids
from morelli.catalog.folds import deal_groups
from morelli.catalog.groups import Groups, group_catalog
from morelli.catalog.reviewed import reviewed_rows
from morelli.errors import CatalogError, NotEnoughDataError

__all__ = ["Split", "split_catalog"]

_KEY = b"morelli.split"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Split:
    """Which image is in which part.

    Attributes
    ----------
    image_id : tuple of str
        Distinct images, sorted.
    group : ndarray of int64, shape (n,)
        Leak-proof group of every image.
    fold : ndarray of int64, shape (n,)
        Part of every image: an index into `names`.
    names : tuple of str
        ``("train", "test")`` or ``("fold0", "fold1", ...)``.
    label, seed, radius
        What the split was made with.
    leak_free : bool
        Whether all prompts were known; see `Groups`.
    notes : tuple of str
        Sentences for whoever reads a result made with this split.
    """

    image_id: tuple[str, ...]
    group: NDArray[np.int64]
    fold: NDArray[np.int64]
    names: tuple[str, ...]
    label: str
    seed: int
    radius: int
    leak_free: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image_id)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the content, the same for JSON and Parquet."""
        digest = hashlib.sha256(json.dumps(self._head(), sort_keys=True).encode())
        for row in zip(self.image_id, self.group.tolist(), self.fold.tolist(), strict=True):
            digest.update(f"\n{row[0]} {row[1]} {row[2]}".encode())
        return digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the number of images of every part."""
        sizes = np.bincount(self.fold, minlength=len(self.names))
        return dict(zip(self.names, sizes.tolist(), strict=True))

    def folds(self, catalog: Catalog) -> NDArray[np.int64]:
        """Return the part of every row of a catalog, shape (n,): an index into `names`, -1 for unreadable rows.

        The catalog may hold fewer images than the split, not others.

        Raises
        ------
        CatalogError
            A readable image of the catalog is not in the split.
        """
        known = dict(zip(self.image_id, self.fold.tolist(), strict=True))
        readable = catalog.table["error"].is_null().to_numpy()
        ids = catalog.column("image_id")
        parts = np.array([known.get(image, -1) for image in ids], dtype=np.int64)
        strangers = np.flatnonzero((parts < 0) & readable)
        if len(strangers):
            uri = catalog.table["uri"][int(strangers[0])].as_py()
            raise CatalogError(
                f"{len(strangers)} of {len(catalog)} images are not in the split (the first is {uri}): it was made "
                "from other images. Split this catalog anew."
            )
        parts[~readable] = -1
        return parts

    def assign(self, catalog: Catalog) -> Catalog:
        """Write the part's name into the ``split`` column; null for unreadable rows. Raises as `folds` does."""
        names = np.array([*self.names, None], dtype=object)
        return catalog.with_column("split", names[self.folds(catalog)])

    # -- disk ----------------------------------------------------------------------------------------------------------

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write to ``.json`` or ``.parquet``, atomically, with the hash."""
        path = Path(path)
        head = {**self._head(), "hash": self.hash}
        columns = {"image_id": list(self.image_id), "group": self.group.tolist(), "fold": self.fold.tolist()}
        try:
            if _is_parquet(path):
                table = pa.table({name: pa.array(values) for name, values in columns.items()})
                note = json.dumps(head, sort_keys=True).encode()
                with atomic_path(path) as temporary:
                    pq.write_table(table.replace_schema_metadata({_KEY: note}), temporary, compression="zstd")
            else:
                rows = ",\n".join(json.dumps(row) for row in zip(*columns.values(), strict=True))
                opening = json.dumps(head, indent=1, sort_keys=True).rstrip("}\n")
                write_text(path, f'{opening},\n "columns": {json.dumps(list(columns))},\n "rows": [\n{rows}\n]\n}}\n')
        except OSError as error:
            raise CatalogError(f"The split cannot be written to {path}: {error.strerror or error}.") from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Split:
        """Read a split and check its hash.

        Raises
        ------
        CatalogError
            The file is missing, is not a split, or was changed after it was written.
        """
        path = Path(path)
        if not path.is_file():
            raise CatalogError(f"There is no split at {path}.")
        try:
            head, image_id, group, fold = _load(path)
            if int(head["version"]) > _VERSION:
                raise CatalogError(f"{path} was written by a newer Morelli.")
            split = cls(
                tuple(str(image) for image in image_id),
                np.array(group, dtype=np.int64),
                np.array(fold, dtype=np.int64),
                names=tuple(head["names"]),
                label=str(head["label"]),
                seed=int(head["seed"]),
                radius=int(head["radius"]),
                leak_free=bool(head["leak_free"]),
                notes=tuple(head["notes"]),
            )
            expected = str(head["hash"])
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
            raise CatalogError(
                f"{path} is not a split that Morelli wrote ({type(error).__name__}: {error})."
            ) from error
        if split.hash != expected:
            raise CatalogError(
                f"{path} was changed after it was written: its content does not match its hash. Split anew."
            )
        return split

    def _head(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "names": list(self.names),
            "label": self.label,
            "seed": self.seed,
            "radius": self.radius,
            "leak_free": self.leak_free,
            "notes": list(self.notes),
        }


def split_catalog(
    catalog: Catalog,
    *,
    test: float | None = None,
    folds: int | None = None,
    label: str = "model",
    seed: int = 0,
    radius: int = DEFAULT_RADIUS,
) -> Split:
    """Split a catalog's readable images by group, balanced by class as far as whole groups allow.

    Images whose label is a reviewer's (`reviewed_rows`) never come into the test part, nor what has to stay with them;
    `test` is then the share among the others. Folds hold them, because a fold is also learned from; whoever judges
    by folds leaves them out.

    Parameters
    ----------
    catalog : Catalog
    test : float, optional
        Share of the test part, between 0 and 1.
    folds : int, optional
        Number of folds, at least 2. Exactly one of `test` and `folds` is given.
    label : str
        The column to balance.
    seed : int
        Decides among equals.
    radius : int
        Of near-duplicates, in bits of 64.

    Raises
    ------
    CatalogError
        An argument is out of range, or the label's column does not exist.
    NotEnoughDataError
        There are fewer groups than parts: the sentence says what ties the images together.
    """
    if (test is None) == (folds is None):
        raise CatalogError("Say either the share of the test part or the number of folds.")
    if test is not None:
        if not 0.0 < test < 1.0:
            raise CatalogError(f"The share of the test part must lie between 0 and 1, not {test}.")
        names, shares = ["train", "test"], np.array([1.0 - test, test])
    else:
        assert folds is not None
        if folds < 2:
            raise CatalogError("There must be at least 2 folds.")
        names, shares = [f"fold{number}" for number in range(folds)], np.full(folds, 1.0 / folds)
    readable = catalog.readable
    if len(readable) == 0:
        raise NotEnoughDataError("The catalog has no readable image to split.")
    groups = group_catalog(readable, radius)
    classes, values = readable.codes(label)
    if groups.n_groups < len(names):
        raise NotEnoughDataError(_why_too_few(readable, groups, len(names), radius))
    reviewed = reviewed_rows(readable)
    pinned = np.isin(groups.ids, groups.ids[reviewed]) if test is not None else np.zeros(len(readable), dtype=np.bool_)
    if len(np.unique(groups.ids[~pinned])) < len(names):
        raise NotEnoughDataError(
            "Too few groups of images are free of labels by reviewers, who saw a machine's answer: such labels must "
            "not measure it. Add images whose maker is known otherwise."
        )
    parts = np.zeros(len(readable), dtype=np.int64)
    parts[~pinned] = deal_groups(groups.ids[~pinned], classes[~pinned], shares, seed)
    images, first = np.unique(readable.column("image_id").astype(str), return_index=True)
    notes = (
        groups.note,
        *_imbalances(parts, classes, [str(value) for value in values], names, label),
        *_about_reviewed(int(reviewed.sum()), int(pinned.sum()), test is not None),
    )
    return Split(
        tuple(images.tolist()),
        groups.ids[first],
        parts[first],
        tuple(names),
        label,
        seed,
        radius,
        groups.leak_free,
        notes,
    )


def _is_parquet(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".json", ".parquet"):
        raise CatalogError(f"A split is saved as .json or .parquet, not as {path.name!r}.")
    return suffix == ".parquet"


def _load(path: Path) -> tuple[dict[str, Any], Sequence[str], Sequence[int], Sequence[int]]:
    if _is_parquet(path):
        table = pq.read_table(path, memory_map=False)
        head = json.loads((table.schema.metadata or {})[_KEY])
        return head, *(table[name].to_pylist() for name in ("image_id", "group", "fold"))
    head = json.loads(path.read_text(encoding="utf-8"))
    rows = head["rows"]
    return head, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _imbalances(
    parts: NDArray[np.int64], classes: NDArray[np.int64], values: list[str], names: list[str], label: str
) -> list[str]:
    """Say which classes are not in every part."""
    counts = np.zeros((len(names), len(values)), dtype=np.int64)
    np.add.at(counts, (parts[classes >= 0], classes[classes >= 0]), 1)
    notes = []
    for part, name in enumerate(names):
        absent = np.flatnonzero(counts[part] == 0)
        if len(absent):
            shown = ", ".join(values[index] for index in absent[:5]) + (", ..." if len(absent) > 5 else "")
            notes.append(f"{name} has no image of {len(absent)} {label} values: {shown}.")
    return notes


def _about_reviewed(reviewed: int, pinned: int, kept: bool) -> list[str]:
    """Say what became of labels by reviewers."""
    if not reviewed:
        return []
    if kept:
        return [
            f"{reviewed} images have a reviewer's label: they and what belongs to them, {pinned} in all, are in train."
        ]
    return [f"{reviewed} images have a reviewer's label: they may be learned from, and must not be judged."]


def _why_too_few(catalog: Catalog, groups: Groups, parts: int, radius: int) -> str:
    """Explain what ties the images into so few groups."""
    prompts, _ = catalog.codes("prompt_id")
    n_prompts = len(np.unique(prompts[prompts >= 0]))
    have = "one group" if groups.n_groups == 1 else f"{groups.n_groups} groups"
    start = f"{parts} parts need at least {parts} groups of images that share no prompt and no near-duplicate, but the "
    start += f"{len(catalog)} images make {have}"
    if n_prompts <= groups.n_groups:
        return f"{start}: they have {n_prompts} different prompts. Add images of other prompts."
    clusters = cluster_ids(catalog, radius)
    ties = np.unique(np.column_stack([clusters, prompts])[prompts >= 0], axis=0)[:, 0]
    bridge = int(np.argmax(np.bincount(ties)))
    members = np.flatnonzero(clusters == bridge)
    uri = catalog.table["uri"][int(members[0])].as_py()
    return (
        f"{start}, because near-duplicates tie their {n_prompts} prompts together. The worst cluster has "
        f"{len(members)} images of {int(np.bincount(ties).max())} prompts; one of them is {uri}. Remove such images "
        f"(often blank or refused ones), or use a smaller radius than {radius}."
    )
