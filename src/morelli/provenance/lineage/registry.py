"""The registry of an organisation's own images: hashes, and the generator that is declared, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli._sqlite import Layout, open_database, transaction
from morelli.errors import MorelliError
from morelli.images import hamming
from morelli.provenance.lineage.bands import MAX_INDEXED, bands_of, probes_of
from morelli.provenance.lineage.entries import Entry, Hashes, is_telling

__all__ = ["DEFAULT_DISTANCE", "MAX_DISTANCE", "Match", "Registry"]

DEFAULT_DISTANCE: Final = 4
"""Bits of 64 by which a copy may differ. What was measured is told with `morelli.catalog.duplicates.DEFAULT_RADIUS`."""

MAX_DISTANCE: Final = 15

_CHUNK = 10_000
_LAYOUT = Layout(
    application=0x4D4F4C49,  # "MOLI"
    version=1,
    statements=(
        """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
        phash INTEGER, band0 INTEGER, band1 INTEGER, band2 INTEGER, band3 INTEGER,
        model TEXT NOT NULL, prompt TEXT NOT NULL, time TEXT NOT NULL, note TEXT NOT NULL, added TEXT NOT NULL,
        UNIQUE (sha256, model, prompt, time, note)
    )""",
        *(f"CREATE INDEX by_band{k} ON entries (band{k}) WHERE band{k} IS NOT NULL" for k in range(4)),
        "CREATE INDEX by_model ON entries (model)",
    ),
)
_INSERT = "INSERT OR IGNORE INTO entries VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS = "id, sha256, phash, model, prompt, time, note, added"


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that an image matches.

    Attributes
    ----------
    entry : Entry
    added : str
        When it was registered, UTC.
    distance : int or None
        Differing bits of the perceptual hashes; None where the files are the same.
    """

    entry: Entry
    added: str
    distance: int | None


class Registry:
    """The organisation's registry. Many processes and threads may share it; each thread has a connection of its own.

    Parameters
    ----------
    path : path-like
    create : bool, default False
        Make the file where there is none.

    Raises
    ------
    MorelliError
        There is no such file, it is another program's, a newer Morelli's, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise MorelliError(f"{self.path} is a folder; name the file of the registry.")
        if not create and not self.path.is_file():
            raise MorelliError(f"There is no registry {self.path}; morelli lineage add makes one.")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._scan: tuple[int, NDArray[np.int64], NDArray[np.uint64]] | None = None
        with self._open():
            pass

    def add(self, entries: Iterable[Entry]) -> tuple[int, int]:
        """Register images, in transactions of some thousand; the same entry twice is one.

        Returns
        -------
        tuple of (int, int)
            How many entries are new, and how many there were.
        """
        added, total = 0, 0
        remaining = iter(entries)
        while some := list(islice(remaining, _CHUNK)):
            rows = _rows(some)
            with self._open("IMMEDIATE") as connection:
                before = connection.total_changes
                connection.executemany(_INSERT, rows)
                added += connection.total_changes - before
            total += len(some)
        return added, total

    def find(self, hashes: Hashes, distance: int = DEFAULT_DISTANCE, *, limit: int = 1000) -> list[Match]:
        """Return the entries that an image matches: the same file first, then the nearest copies.

        Up to 7 bits the search goes by the indexed bands (multi-index hashing, Norouzi, Punjani and Fleet, CVPR 2012)
        and looks at some hundred rows of a hundred thousand; beyond, it compares all hashes. Both are exact. Images
        whose perceptual hash tells nothing, see `is_telling`, are found by their files alone.

        Parameters
        ----------
        hashes : Hashes
        distance : int, default 4
            Bits, 0 to 15.
        limit : int
            Most matches that are returned.
        """
        if not 0 <= distance <= MAX_DISTANCE:
            raise MorelliError(f"The distance of copies lies between 0 and {MAX_DISTANCE} bits, not {distance}.")
        digest = bytes.fromhex(hashes.sha256)
        with self._open() as connection:
            query = f"SELECT {_COLUMNS} FROM entries WHERE sha256 = ? ORDER BY id LIMIT ?"
            found = [_match(row, None) for row in connection.execute(query, (digest, limit))]
            if hashes.phash is not None and is_telling(hashes.phash):
                near = self._near(connection, hashes.phash, distance)
                rows = [
                    (apart, row)
                    for apart, key in near[: limit + len(found)]
                    for row in connection.execute(f"SELECT {_COLUMNS} FROM entries WHERE id = ?", (key,))
                ]
                found += [_match(row, apart) for apart, row in rows if row[1] != digest]
        return found[:limit]

    def entries(self, *, model: str | None = None, limit: int | None = None) -> Iterator[tuple[Entry, str]]:
        """Yield all entries, or those of a model, in the order in which they were added, with when that was."""
        last, left = 0, limit
        while left is None or left > 0:
            size = _CHUNK if left is None else min(_CHUNK, left)
            where, values = ("AND model = ?", (last, model, size)) if model is not None else ("", (last, size))
            with self._open() as connection:
                query = f"SELECT {_COLUMNS} FROM entries WHERE id > ? {where} ORDER BY id LIMIT ?"
                rows = connection.execute(query, values).fetchall()
            for row in rows:
                match = _match(row, None)
                yield match.entry, match.added
            if len(rows) < size:
                return
            last = rows[-1][0]
            left = None if left is None else left - len(rows)

    def remove(self, *, sha256: str | None = None, model: str | None = None) -> int:
        """Remove the entries of a file, of a model, or of a file for a model; return how many there were."""
        chosen = {"sha256": bytes.fromhex(sha256) if sha256 is not None else None, "model": model}
        given = {name: value for name, value in chosen.items() if value is not None}
        if not given:
            raise MorelliError("Say what to remove: an image, a sha256 or a model.")
        where = " AND ".join(f"{name} = ?" for name in given)
        with self._open("IMMEDIATE") as connection:
            return connection.execute(f"DELETE FROM entries WHERE {where}", tuple(given.values())).rowcount

    def counts(self) -> dict[str, int]:
        """Return the number of entries of each model."""
        with self._open() as connection:
            return dict(connection.execute("SELECT model, count(*) FROM entries GROUP BY model ORDER BY model"))

    def conflicts(self) -> list[str]:
        """Return the sha256 of files that are registered for more than one model."""
        query = "SELECT sha256 FROM entries GROUP BY sha256 HAVING count(DISTINCT model) > 1 ORDER BY min(id)"
        with self._open() as connection:
            return [bytes(digest).hex() for (digest,) in connection.execute(query)]

    def __len__(self) -> int:
        with self._open() as connection:
            (count,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        return int(count)

    def close(self) -> None:
        """Close this thread's connection; the next use opens it anew."""
        held = getattr(self._local, "held", None)
        if held is not None:
            self._local.held = None
            held[1].close()

    def _near(self, connection: sqlite3.Connection, phash: int, distance: int) -> list[tuple[int, int]]:
        """Return (distance, id) of all hashes within a distance, nearest first."""
        if distance <= MAX_INDEXED:
            keys: dict[int, int] = {}
            for k, values in enumerate(probes_of(phash, distance)):
                marks = ",".join("?" * len(values))
                query = f"SELECT id, phash FROM entries WHERE band{k} IN ({marks})"
                keys.update(connection.execute(query, values).fetchall())
            ids = np.fromiter(keys.keys(), np.int64, len(keys))
            hashes = np.fromiter(keys.values(), np.int64, len(keys)).view(np.uint64)
        else:
            ids, hashes = self._all_hashes(connection)
        apart = hamming(hashes, np.uint64(phash)).astype(np.int64)
        near = np.flatnonzero(apart <= distance)
        order = near[np.lexsort((ids[near], apart[near]))]
        return [(int(apart[i]), int(ids[i])) for i in order]

    def _all_hashes(self, connection: sqlite3.Connection) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return all ids and hashes, kept until the file changes."""
        with self._lock:
            # The number rises when another connection writes, the count of changes when this one does.
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            state = hash((id(connection), version, connection.total_changes))
            if self._scan is None or self._scan[0] != state:
                rows = connection.execute("SELECT id, phash FROM entries WHERE band0 IS NOT NULL").fetchall()
                table = np.array(rows, dtype=np.int64).reshape(-1, 2)
                self._scan = (state, table[:, 0].copy(), table[:, 1].copy().view(np.uint64))
            return self._scan[1], self._scan[2]

    @contextmanager
    def _open(self, kind: str = "DEFERRED") -> Iterator[sqlite3.Connection]:
        """Give this thread's connection in a transaction; say what is wrong with the file where something is."""
        try:
            connection = self._connection()
            with transaction(connection, kind):
                yield connection
        except sqlite3.OperationalError as error:
            raise MorelliError(
                f"The registry {self.path} cannot be used: {error}. Free the disk or the file, or name another."
            ) from error
        except sqlite3.DatabaseError as error:
            raise MorelliError(
                f"The registry {self.path} is no database or is damaged: {error}. "
                "Restore it from a copy, or name another."
            ) from error

    def _connection(self) -> sqlite3.Connection:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != os.getpid():  # a connection must not be used across a fork
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = open_database(
                self.path,
                _LAYOUT,
                foreign=f"{self.path} is a database of another program, not a registry of images.",
                other=lambda version: (
                    f"The registry {self.path} was written by a newer Morelli (layout {version}; this one knows "
                    f"{_LAYOUT.version}). Use it with that one."
                ),
            )
            held = self._local.held = (os.getpid(), connection)
        return held[1]


def _rows(entries: list[Entry]) -> list[tuple[object, ...]]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    hashes = np.array([entry.phash or 0 for entry in entries], dtype=np.uint64)
    bands, signed = bands_of(hashes).tolist(), hashes.view(np.int64).tolist()
    return [
        (
            bytes.fromhex(entry.sha256),
            None if entry.phash is None else number,
            *(four if is_telling(entry.phash) else (None,) * 4),
            *(entry.model, entry.prompt, entry.time, entry.note, now),
        )
        for entry, number, four in zip(entries, signed, bands, strict=True)
    ]


def _match(row: tuple[int, bytes, int | None, str, str, str, str, str], distance: int | None) -> Match:
    _, digest, phash, model, prompt, time, note, added = row
    unsigned = None if phash is None else phash & (1 << 64) - 1
    return Match(Entry(bytes(digest).hex(), unsigned, model, prompt, time, note), added, distance)
