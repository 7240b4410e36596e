"""The feature cache: vectors that were measured once, in one SQLite file that many processes share.

A row is found by what was in the file (SHA-256), the view and the recipe; a changed image, view or recipe is another
row, so nothing in the cache ever becomes wrong. Everything in it can be computed again. Images that cannot be read are
not kept: why they failed depends on limits and installed decoders too, and to fail again is quick.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from morelli._files import cache_folder
from morelli._sqlite import Layout, open_database, transaction
from morelli._version import __version__
from morelli.errors import MorelliError
from morelli.images import Quality

__all__ = ["CacheKey", "CacheRow", "FeatureCache", "cache_view", "default_cache_path"]

_LAYOUT = Layout(
    application=0x4D4F5245,  # "MORE"
    version=2,  # of the tables and of the meaning of the quality beside a vector; an older cache is emptied
    statements=(
        "DROP TABLE IF EXISTS features",
        """
CREATE TABLE features (
    image_id TEXT NOT NULL, view TEXT NOT NULL, recipe TEXT NOT NULL,
    n_contrasts INTEGER NOT NULL, quality BLOB NOT NULL, checksum INTEGER NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (image_id, view, recipe)
)""",
    ),
)

_PAGE = 16_384
"""Bytes. Read against SQLite's usual 4096, with rows of 51 KB: 35 800 rows a second to 24 200 (checksums apart)."""

_DTYPE = np.dtype("<f4")

_INHERITED: list[sqlite3.Connection] = []
"""Connections that crossed a fork: the child must neither use its parent's nor, by forgetting them, close them."""

_SELECT = "SELECT n_contrasts, quality, checksum, vector FROM features WHERE image_id = ? AND view = ? AND recipe = ?"
_INSERT = "INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?, ?, ?)"


class CacheKey(NamedTuple):
    """What a vector is a function of.

    Attributes
    ----------
    image_id : str
        SHA-256 of the file.
    view : str
        As `cache_view` gives it.
    recipe_hash : str
        Of the encoder.
    """

    image_id: str
    view: str
    recipe_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class CacheRow:
    """What is kept of one image.

    Attributes
    ----------
    vector : ndarray of float32, shape (1 + n_contrasts, d)
        Mean and contrasts, as `morelli.encoders.encoder.Encoded.stack` gives them; read-only from a cache.
    n_contrasts : int
        How many contrasts there are.
    quality : morelli.images.Quality
        Of the pixels that were measured.
    """

    vector: NDArray[np.float32]
    n_contrasts: int
    quality: Quality


class FeatureCache:
    """A file of measured features, for any number of threads and processes at once.

    Parameters
    ----------
    path : path-like or None
        The file; it and its folder are made at the first use. None keeps nothing and finds nothing.

    Attributes
    ----------
    path : pathlib.Path or None
        The file.
    damaged : int
        Rows that `get_many` found unfit (wrong length, wrong checksum, unreadable quality) and left out, so far.

    Raises
    ------
    MorelliError
        By every method: the file is damaged, belongs to another program or to a newer Morelli, or cannot be read or
        written. The message names it and says what to do.

    Notes
    -----
    SQLite in WAL mode: a writer that is killed leaves whole rows only, and readers never wait. Each thread of each
    process has its own connection. Vectors are stored as they are: zlib would save a seventh of the room and cost a
    third of a millisecond per read, several times the read itself.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        self.damaged = 0
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"FeatureCache({None if self.path is None else str(self.path)!r})"

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[Path | None]]:
        return type(self), (self.path,)

    def get_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, CacheRow]:
        """Return the rows that are there and sound, by key."""
        found: dict[CacheKey, CacheRow] = {}
        if self.path is None:
            return found
        # One transaction: without it every SELECT takes and drops the locks of its own.
        with self._connection() as connection, transaction(connection, "DEFERRED"):
            for key in keys:
                values = connection.execute(_SELECT, key).fetchone()
                if values is None:
                    continue
                row = _decode(*values)
                if row is None:
                    self.damaged += 1
                else:
                    found[key] = row
        return found

    def put_many(self, rows: Mapping[CacheKey, CacheRow]) -> None:
        """Store rows in one transaction: all of them, or none when the program dies. Old rows are replaced."""
        if self.path is None or not rows:
            return
        values = [(*key, *_encode(row)) for key, row in rows.items()]
        with self._connection() as connection, transaction(connection):
            connection.executemany(_INSERT, values)

    def __len__(self) -> int:
        """Count the rows."""
        if self.path is None:
            return 0
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM features").fetchone()[0])

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache

    @property
    def size(self) -> int:
        """Bytes on disk, with SQLite's companion files; 0 when there is no file."""
        return 0 if self.path is None else sum(p.stat().st_size for p in self._files() if p.exists())

    def clear(self) -> None:
        """Delete all rows and give their room back."""
        if self.path is None:
            return
        with self._connection() as connection:
            with transaction(connection):
                connection.execute("DELETE FROM features")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close this thread's connection; the next use opens it anew."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.process == os.getpid():
            self._local.connection = None
            connection.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        assert self.path is not None
        return [self.path, *(self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-shm"))]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection; turn SQLite's errors into ours."""
        assert self.path is not None
        try:
            connection = getattr(self._local, "connection", None)
            if connection is not None and self._local.process != os.getpid():
                _INHERITED.append(connection)
                connection = None
            if connection is None:
                connection = _open(self.path)
                self._local.connection, self._local.process = connection, os.getpid()
            yield connection
        except sqlite3.OperationalError as error:
            raise MorelliError(
                f"The feature cache {self.path} cannot be used: {error}. Free the disk or the file, choose another "
                "place with MORELLI_CACHE, or work without a cache."
            ) from error
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise  # a fault of this module
        except sqlite3.DatabaseError as error:
            raise MorelliError(
                f"The feature cache {self.path} is damaged: {error}. Delete it (with the files of the same name that "
                "end in -wal and -shm): all that it holds can be computed again."
            ) from error
        except OSError as error:
            raise MorelliError(
                f"The feature cache {self.path} cannot be made: {error.strerror or error}. Choose another place with "
                "MORELLI_CACHE, or work without a cache."
            ) from error


def default_cache_path() -> Path:
    """Return the file of the user's cache: in the folder $MORELLI_CACHE, or where the platform keeps caches."""
    return cache_folder() / "features.sqlite"


def cache_view(name: str) -> str:
    """Return the key of a view (`morelli.views.View.key`) with what else its pixels depend on, for a `CacheKey`.

    What a view does depends on Pillow's encoders and resampling and on code of ours, which have versions but no recipe.
    """
    return name if name == "none" else f"{name} (morelli {__version__}, pillow {PIL.__version__})"


def _open(path: Path) -> sqlite3.Connection:
    """Connect, and lay the file out when it is new or of an older layout."""

    def other(version: int) -> str | None:
        if version < _LAYOUT.version:
            return None
        return (
            f"The feature cache {path} was written by a newer Morelli (layout {version}; this one knows "
            f"{_LAYOUT.version}). Choose another place with MORELLI_CACHE."
        )

    path.parent.mkdir(parents=True, exist_ok=True)
    foreign = f"{path} is a database of another program, not a feature cache; choose another file."
    return open_database(path, _LAYOUT, foreign=foreign, other=other, page_size=_PAGE)


def _encode(row: CacheRow) -> tuple[int, bytes, int, bytes]:
    vector = np.ascontiguousarray(row.vector, dtype=_DTYPE)
    if row.vector.dtype != np.float32 or vector.ndim != 2 or len(vector) != 1 + row.n_contrasts:
        rows = 1 + row.n_contrasts
        raise TypeError(f"a cache keeps float32 ({rows}, d) of this image, not {row.vector.dtype} {row.vector.shape}")
    data = vector.tobytes()
    quality = json.dumps(row.quality.to_dict(), sort_keys=True).encode()
    return row.n_contrasts, quality, _checksum(row.n_contrasts, quality, data), data


def _decode(n_contrasts: object, quality: object, checksum: object, data: object) -> CacheRow | None:
    """Return a row, or None when it is not as it was written."""
    if not (isinstance(n_contrasts, int) and isinstance(quality, bytes) and isinstance(data, bytes)):
        return None
    rows = 1 + n_contrasts
    if rows < 1 or len(data) % (rows * _DTYPE.itemsize) or checksum != _checksum(n_contrasts, quality, data):
        return None
    try:
        state = Quality(**json.loads(quality))
    except (ValueError, TypeError):
        return None
    vector = np.frombuffer(data, dtype=_DTYPE).reshape(rows, -1).astype(np.float32, copy=False)
    return CacheRow(vector, n_contrasts, state)


def _checksum(n_contrasts: int, quality: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(b"%d %b" % (n_contrasts, quality)))
