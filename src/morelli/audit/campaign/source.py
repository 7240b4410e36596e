"""What a campaign is: a folder, a manifest or a catalog of images, and what its parts are named after."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from morelli.catalog import Catalog
from morelli.catalog._folder import walk_folder
from morelli.catalog.manifest import read_source
from morelli.errors import CatalogError, MorelliError

__all__ = ["Campaign", "Item", "open_campaign"]

_FOLDER: Final = re.compile(r"folder(?::([1-9]\d?))?")


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a campaign, before it is opened.

    Attributes
    ----------
    name : str
        Its path relative to the campaign, with forward slashes; may hold lone surrogates.
    path : str
        What is opened.
    values : tuple of (str or None)
        For each column that the campaign is divided by, what it says of this image.
    problem : str or None
        Why it cannot even be tried.
    """

    name: str
    path: str
    values: tuple[str | None, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """Where images come from. Iterating anew walks anew.

    Attributes
    ----------
    source : pathlib.Path
        As the caller named it.
    by : tuple of str
        Columns that it is divided by; ``folder`` or ``folder:N`` for sub-folders.
    passed_over : list of int
        One number: files of the last walk that are no images by their suffix, such as captions.
    """

    source: Path
    by: tuple[str, ...]
    _items: Callable[[], Iterator[Item]]
    passed_over: list[int] = field(default_factory=lambda: [0])

    def items(self) -> Iterator[Item]:
        """Walk the images, in one order."""
        self.passed_over[0] = 0
        return self._items()


def open_campaign(
    source: str | os.PathLike[str], by: Sequence[str] = (), *, without: str | os.PathLike[str] | None = None
) -> Campaign:
    """Find out what a campaign is; no image is opened.

    Parameters
    ----------
    source : path-like
        A folder: all files below it are tried, sorted, without those whose names begin with a dot or whose suffixes
        stand for captions, tables and the like. A manifest as :func:`morelli.catalog.read_source` reads it. A catalog.
    by : sequence of str
        Columns to divide by. ``folder`` are the folders just below `source`, ``folder:2`` those two levels below.
    without : path-like, optional
        A folder whose files are no part of the campaign, such as the one that the audit is written to.

    Raises
    ------
    MorelliError
        There is nothing there, or no such column.
    """
    path = Path(source)
    columns = [name for name in by if not _FOLDER.fullmatch(name)]
    twice = sorted({name for name in by if list(by).count(name) > 1})
    if twice:
        raise MorelliError(f"Divide the campaign by each column once, not twice by {', '.join(twice)}.")
    if path.is_dir():
        if columns:
            raise MorelliError(
                f"{path} is a folder and has no column {columns[0]!r}; divide it by folder, or audit a manifest: a "
                "table with a path column and others beside it."
            )
        passed_over = [0]
        return Campaign(path, tuple(by), lambda: _walk(path, by, passed_over, _below(path, without)), passed_over)
    if path.is_file() and path.suffix == ".parquet" and Catalog.is_catalog(path):
        rows = _from_catalog(Catalog.read(path), columns)
    else:
        rows = _from_manifest(path, columns)
    return Campaign(path, tuple(by), lambda: _divided(rows, by, columns))


_Row = tuple[str, str, tuple[str | None, ...], str | None]
"""Name, path, values of the columns, problem."""


def _below(root: Path, folder: str | os.PathLike[str] | None) -> tuple[str, ...] | None:
    """Return the way from one folder down to another, None where that lies elsewhere."""
    if folder is None or not Path(folder).resolve().is_relative_to(root.resolve()):
        return None
    return Path(folder).resolve().relative_to(root.resolve()).parts or None


def _walk(root: Path, by: Sequence[str], passed_over: list[int], without: tuple[str, ...] | None) -> Iterator[Item]:
    def inside(parts: tuple[str, ...]) -> bool:
        return without is not None and parts[: len(without)] == without

    def note(parts: tuple[str, ...]) -> None:
        passed_over[0] += not inside(parts)

    try:
        for parts, closed in walk_folder(root, note):
            if inside(parts):
                continue
            name = "/".join(parts)
            problem = None
            if closed is not None:
                problem = f"{name}: the folder cannot be listed ({closed.strerror or closed})"
            yield Item(name, os.path.join(root, *parts), _folders(name, by), problem)  # noqa: PTH118
    except OSError as error:
        raise CatalogError(f"The folder {error.filename} cannot be listed: {error.strerror}.") from error


def _from_manifest(path: Path, columns: Sequence[str]) -> list[_Row]:
    rows = read_source(path, extra=columns)
    return [
        (
            rows.uris[i],
            rows.path(i) if i not in rows.problems else "",
            tuple(rows.labels[name][i] for name in columns),
            None if i not in rows.problems else f"{rows.uris[i]}: {rows.problems[i].detail}",
        )
        for i in range(len(rows))
    ]


def _from_catalog(catalog: Catalog, columns: Sequence[str]) -> list[_Row]:
    values = [[None if v is None else str(v) for v in catalog.table.column(name).to_pylist()]
              if name in catalog.table.column_names else _missing(name, catalog) for name in columns]  # fmt: skip
    uris = catalog.table.column("uri").to_pylist()
    cells = list(zip(*values, strict=True)) if values else [()] * len(uris)
    return [(uri, str(path), own, None) for uri, path, own in zip(uris, catalog.paths, cells, strict=True)]


def _missing(name: str, catalog: Catalog) -> list[str | None]:
    raise MorelliError(f"The catalog has no column {name!r}. Its columns: {', '.join(catalog.table.column_names)}.")


def _divided(rows: Sequence[_Row], by: Sequence[str], columns: Sequence[str]) -> Iterator[Item]:
    for name, path, cells, problem in rows:
        own = dict(zip(columns, cells, strict=True))
        folders = dict(zip(by, _folders(name, by), strict=True))
        yield Item(name, path, tuple(own.get(column, folders[column]) for column in by), problem)


def _folders(name: str, by: Sequence[str]) -> tuple[str | None, ...]:
    """Return for each of `by` the sub-folder that a name lies in, ``.`` for the campaign's own; None for columns."""
    above = name.split("/")[:-1]
    found: list[str | None] = []
    for word in by:
        match = _FOLDER.fullmatch(word)
        found.append(None if match is None else "/".join(above[: int(match[1] or 1)]) or ".")
    return tuple(found)
