"""Tables of images to register: CSV with hashes or paths, or a catalog."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from morelli._text import printable
from morelli.errors import ImageReadError, MorelliError
from morelli.images import Limits
from morelli.provenance.lineage.entries import Entry, check_texts, hash_images

__all__ = ["COLUMNS", "read_manifest"]

COLUMNS: Final = ("sha256", "phash", "model", "prompt", "time", "note")
"""Of an export, which is a manifest again."""

_KNOWN = (*COLUMNS, "path", "added")
Failed = Callable[[ImageReadError], None]


def read_manifest(
    path: Path,
    defaults: Mapping[str, str],
    failed: Failed,
    *,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Entry]:
    """Yield the entries that a table names, row by row.

    Parameters
    ----------
    path : pathlib.Path
        A CSV with a header, or a catalog. Of the columns ``sha256`` and ``path`` one is needed: where there is no
        sha256, the image at the path (from the table's folder) is read. ``phash`` has 16 hexadecimal digits; ``model``,
        ``prompt``, ``time`` and ``note`` may be there.
    defaults : mapping
        Values for rows that have none in a column.
    failed : callable
        Is told of images that cannot be read.

    Raises
    ------
    MorelliError
        The table or a row is malformed; the sentence names the row.
    """
    if path.suffix == ".parquet":
        yield from _from_catalog(path, defaults)
        return
    pending: list[dict[str, str]] = []
    for line, row in _rows(path):
        values = {name: row.get(name) or defaults.get(name, "") for name in ("model", "prompt", "time", "note")}
        if digest := (row.get("sha256") or "").strip().lower():
            with _told(f"{path}, line {line}"):
                entry = Entry(digest, _number(row.get("phash")), **values)
            yield entry
        elif place := row.get("path"):
            with _told(f"{path}, line {line}"):
                check_texts(**values)  # before images are read for an hour
            pending.append({**values, "path": str(path.parent / place)})
        else:
            raise MorelliError(f"{path}, line {line}: there is neither a sha256 nor a path.")
    paths = [row["path"] for row in pending]
    hashed = hash_images(paths, limits, progress=progress, total=len(paths))
    for row, (_, hashes) in zip(pending, hashed, strict=True):
        if isinstance(hashes, ImageReadError):
            failed(hashes)
        else:
            yield Entry(hashes.sha256, hashes.phash, **{name: value for name, value in row.items() if name != "path"})


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            if not {"sha256", "path"} & set(header):
                raise MorelliError(f'{path}: a table of images has a header with a column "sha256" or "path".')
            for row in reader:
                yield reader.line_num, {name: text for name, text in row.items() if name and isinstance(text, str)}
    except UnicodeDecodeError as error:
        raise MorelliError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}.") from None
    except csv.Error as error:
        raise MorelliError(f"{path} is no table: {error}.") from None
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say where the row is that something is wrong with."""
    try:
        yield
    except MorelliError as error:
        raise MorelliError(f"{where}: {error}") from None


def _number(phash: str | None) -> int | None:
    try:
        return int(phash, 16) if phash else None
    except ValueError:
        raise MorelliError(f"{printable(str(phash))[:40]!r} is no perceptual hash.") from None


def _from_catalog(path: Path, defaults: Mapping[str, str]) -> Iterator[Entry]:
    from morelli.catalog import Catalog

    catalog = Catalog.read(path)
    columns = [catalog.table[name].to_pylist() for name in ("image_id", "phash", "model", "prompt", "error")]
    for number, (digest, phash, model, prompt, error) in enumerate(zip(*columns, strict=True), start=1):
        if not digest or error:
            continue
        with _told(f"{path}, row {number}"):
            entry = Entry(
                digest,
                phash,
                model or defaults.get("model", ""),
                prompt or defaults.get("prompt", ""),
                defaults.get("time", ""),
                defaults.get("note", ""),
            )
        yield entry
