"""What was judged in an audit, in one SQLite file: an interrupted audit goes on, and nothing is judged twice.

Verdicts belong to the bytes of files, so that a file that was moved, or that is there twice, is judged once. Which
files a campaign consists of is written anew in every run, in the order of the walk.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morelli._sqlite import Layout, open_database, transaction
from morelli.attributors.verdict import Verdict, json_line
from morelli.errors import MorelliError

__all__ = ["AUDIT", "RECORDS", "FileRow", "Judged", "Records"]

AUDIT: Final = "audit.json"
"""Name of the document in the folder of an audit."""

RECORDS: Final = "records.sqlite"
"""Name of the file of verdicts there."""

_LAYOUT: Final = Layout(
    application=0x4D4F4341,  # "MOCA"
    version=1,
    statements=(
        "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, decision TEXT NOT NULL,
        label TEXT, agreement TEXT, log_proba BLOB, open_set_p REAL, phash INTEGER,
        declared TEXT NOT NULL, document BLOB NOT NULL)""",
        "CREATE INDEX by_length ON verdicts (bytes)",
        """CREATE TABLE seen (
        path BLOB PRIMARY KEY, bytes INTEGER NOT NULL, mtime INTEGER NOT NULL, image_id TEXT NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE files (
        seq INTEGER PRIMARY KEY, name BLOB NOT NULL, path BLOB NOT NULL, image_id TEXT, error TEXT,
        cells TEXT NOT NULL)""",
        "CREATE INDEX by_image ON files (image_id)",
    ),
)


_FIRST: Final = "SELECT {} FROM verdicts JOIN files USING (image_id) WHERE id = ? ORDER BY seq LIMIT 1"


class FirstFile(NamedTuple):
    """Name, path and sha256 of a file."""

    name: str
    path: str
    image_id: str


class FileRow(NamedTuple):
    """One file of the campaign.

    Attributes
    ----------
    seq : int
        Its place in the walk, from 0.
    name, path : str
        As in :class:`~morelli.audit.campaign.source.Item`.
    image_id : str or None
        sha256; None where the bytes could not be read.
    error : str or None
        Why they could not.
    values : tuple of (str or None)
        Of the columns that the campaign is divided by.
    """

    seq: int
    name: str
    path: str
    image_id: str | None
    error: str | None
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A verdict, and what statements about the set need of it.

    Attributes
    ----------
    verdict : Verdict
    bytes : int
        Length of the file.
    log_proba : ndarray, shape (K,), or None
        Of the candidates in the bundle's order; None where the image could not be judged.
    phash : int or None
    statuses : dict of str to str
        What each layer of provenance came to.
    generators : tuple of str
        What is declared as the generator.
    """

    verdict: Verdict
    bytes: int
    log_proba: NDArray[np.float32] | None
    phash: int | None
    statuses: dict[str, str]
    generators: tuple[str, ...] = ()


class Records:
    """The records of one audit; one process writes.

    Parameters
    ----------
    path : pathlib.Path
        The file; it is laid out where it is new.

    Raises
    ------
    MorelliError
        The file belongs to another program or another Morelli, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_database(
                path,
                _LAYOUT,
                foreign=f"{path} is a database of another program; name another folder.",
                other=lambda _: f"{path} was written by another version of Morelli; name another folder.",
                page_size=16_384,
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one run -------------------------------------------------------------------------------------------------------

    def begin(self, identity: Mapping[str, Any], *, anew: bool = False) -> None:
        """Begin a run: verdicts of earlier ones stay, and which files there are is forgotten.

        Parameters
        ----------
        identity : mapping
            JSON-able: what verdicts depend on besides the file. Those of another identity are never mixed with it.
        anew : bool
            Throw all earlier verdicts away.

        Raises
        ------
        MorelliError
            The verdicts that are there are of another identity; the sentence says what differs.
        """
        wanted = json.loads(json.dumps(identity))
        with _told(self.path), transaction(self._connection):
            before = self.about("identity")
            if anew:
                self._connection.execute("DELETE FROM verdicts")
                self._connection.execute("DELETE FROM seen")
            elif before is not None and before != wanted:
                names = [name for name in wanted if not isinstance(before, dict) or before.get(name) != wanted[name]]
                others = [f"other {name}" if name.endswith("s") else f"another {name}" for name in names or ["content"]]
                raise MorelliError(
                    f"{self.path.parent} holds an audit with {' and '.join(others)}. "
                    "Name another folder, or judge all images anew with --anew."
                )
            self._connection.execute("DELETE FROM files")
            self._set("identity", wanted)
            self._set("complete", False)

    def identify(self, path: str, size: int, mtime: int) -> str | None:
        """Return the sha256 of a file whose verdict is here and that is as it was, None for any other."""
        found = self._connection.execute(
            "SELECT image_id FROM seen JOIN verdicts USING (image_id) WHERE path = ? AND seen.bytes = ? AND mtime = ?",
            (os.fsencode(path), size, mtime),
        ).fetchone()
        return None if found is None else str(found[0])

    def has_length(self, size: int) -> bool:
        """Say whether a file of this length was judged: only then can another one be its copy."""
        return bool(self._connection.execute("SELECT 1 FROM verdicts WHERE bytes = ? LIMIT 1", (size,)).fetchone())

    def has(self, image_id: str) -> bool:
        """Say whether a verdict for these bytes is here."""
        return bool(self._connection.execute("SELECT 1 FROM verdicts WHERE image_id = ?", (image_id,)).fetchone())

    def write(self, files: Sequence[tuple[FileRow, tuple[int, int] | None]], judged: Sequence[Judged]) -> None:
        """Write files, each with its length and time of change where known, and verdicts, in one transaction."""
        with _told(self.path), transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO verdicts "
                "(image_id, bytes, decision, label, agreement, log_proba, open_set_p, phash, declared, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_verdict_row, judged),
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (f.seq, os.fsencode(f.name), os.fsencode(f.path), f.image_id, f.error, json.dumps(f.values))
                    for f, _ in files
                ),
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                ((os.fsencode(f.path), *state, f.image_id) for f, state in files if state and f.image_id is not None),
            )

    def finish(self, **about: Any) -> None:
        """Note that the walk came to its end, with JSON-able facts about it, and forget what is there no more."""
        with _told(self.path), transaction(self._connection):
            self._connection.execute("DELETE FROM seen WHERE path NOT IN (SELECT path FROM files)")
            self._connection.execute(
                "DELETE FROM verdicts WHERE image_id NOT IN (SELECT image_id FROM files WHERE image_id IS NOT NULL)"
            )
            for key, value in about.items():
                self._set(key, value)
            self._set("complete", True)

    def about(self, key: str) -> Any:
        """Return what is noted under a key, or None."""
        found = self._connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    # -- reading -------------------------------------------------------------------------------------------------------

    def query(self, text: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT one by one."""
        with _told(self.path):
            yield from self._connection.execute(text, values)

    def attach(self, path: Path, name: str) -> None:
        """Make the tables of other records readable under a name of ours."""
        with Records(path):  # complains where they are none
            pass
        with _told(path):
            self._connection.execute(f"ATTACH DATABASE ? AS {name}", (os.fspath(path),))

    def verdict(self, number: int) -> Verdict:
        """Return the verdict with this number, for the first file with these bytes."""
        document, path = next(self.query(_FIRST.format("document, path"), (number,)))
        return _verdict_of(document, os.fsdecode(path))

    def first_file(self, number: int) -> FirstFile:
        """Return the first file with the bytes of a verdict."""
        name, path, image_id = next(self.query(_FIRST.format("name, path, image_id"), (number,)))
        return FirstFile(os.fsdecode(name), os.fsdecode(path), image_id)

    def files_of(self, number: int, most: int = 10) -> list[str]:
        """Return names of the files with the bytes of a verdict, in their order."""
        rows = self.query(
            "SELECT name FROM files WHERE image_id = (SELECT image_id FROM verdicts WHERE id = ?) ORDER BY seq LIMIT ?",
            (number, most),
        )
        return [os.fsdecode(name) for (name,) in rows]

    def verdicts(self) -> Iterator[tuple[FileRow, Verdict]]:
        """Yield every file with its verdict, in the order of the walk; of one that cannot be read with its error."""
        rows = self.query(
            "SELECT seq, name, path, files.image_id, error, cells, document FROM files "
            "LEFT JOIN verdicts ON verdicts.image_id = files.image_id ORDER BY seq"
        )
        bundle = (self.about("identity") or {}).get("bundle", {})
        for seq, name, path, image_id, error, cells, document in rows:
            file = FileRow(seq, os.fsdecode(name), os.fsdecode(path), image_id, error, tuple(json.loads(cells)))
            if document is None:
                yield file, Verdict(file.path, image_id, "unreadable", bundle=bundle, error=error or "not judged")
            else:
                yield file, _verdict_of(document, file.path)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _set(self, key: str, value: Any) -> None:
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, json.dumps(value)))


def _verdict_row(judged: Judged) -> tuple[Any, ...]:
    verdict = judged.verdict
    words = None if judged.log_proba is None else np.ascontiguousarray(judged.log_proba, dtype="<f4").tobytes()
    # SQLite's integers have a sign.
    phash = None if judged.phash is None else judged.phash - (1 << 64 if judged.phash >> 63 else 0)
    agreement = verdict.provenance.get("outcome")
    document = zlib.compress(json_line({**verdict.to_dict(), "uri": ""}).encode(), 6)
    return (verdict.image_id, judged.bytes, verdict.decision, verdict.label, agreement,
            words, verdict.open_set_p, phash, json.dumps([judged.statuses, judged.generators]), document)  # fmt: skip


def _verdict_of(document: bytes, uri: str) -> Verdict:
    return Verdict.from_dict({**json.loads(zlib.decompress(document)), "uri": uri})


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise MorelliError(f"The records {path} cannot be used: {error}. Free the disk or the file.") from error
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # a fault of this module
    except sqlite3.DatabaseError as error:
        raise MorelliError(
            f"The records {path} are damaged: {error}. Delete the file (with those of the same name that end in -wal "
            "and -shm); the images are then judged anew."
        ) from error
