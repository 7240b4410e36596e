"""The file that answers and accounts are kept in: one SQLite database that many processes share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from morelli._sqlite import Layout, open_database, transaction
from morelli.encoders.cache import default_cache_path
from morelli.errors import MorelliError

__all__ = ["Database", "default_answers_path"]

_LAYOUT: Final = Layout(
    application=0x4D4F4153,  # "MOAS"
    version=1,
    statements=(
        """CREATE TABLE answers (key TEXT PRIMARY KEY, account TEXT NOT NULL, reply TEXT NOT NULL) WITHOUT ROWID""",
        # state: open (under way, or its process was killed), lost (sent, and what it cost is not known), settled.
        """CREATE TABLE spending (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, state TEXT NOT NULL, expected INTEGER NOT NULL,
        tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, images INTEGER NOT NULL, money REAL NOT NULL)""",
        "CREATE INDEX spending_by_account ON spending (account, state, money)",
        "CREATE TABLE pace (account TEXT PRIMARY KEY, next REAL NOT NULL) WITHOUT ROWID",
    ),
)


class Database:
    """A file of answers and accounts, for any number of threads and processes at once.

    Parameters
    ----------
    path : path-like
        The file; it and its folder are made at the first use.

    Raises
    ------
    MorelliError
        By every method: the file is damaged, belongs to another program or to a newer Morelli, or cannot be read or
        written.

    Notes
    -----
    SQLite in WAL mode: a process that is killed leaves whole transactions only. Every thread has its own connection.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._local = threading.local()

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction that no other writer shares; committed unless an error passes.

        Whoever only reads says so, and waits for nobody.
        """
        try:
            connection = self._connection()
            with transaction(connection, "DEFERRED" if reading else "IMMEDIATE"):
                yield connection
        except sqlite3.OperationalError as error:
            raise MorelliError(
                f"The file of answers {self.path} cannot be used: {error}. Free the disk or the file, or choose "
                "another by the setting answers."
            ) from error
        except sqlite3.DatabaseError as error:
            raise MorelliError(
                f"The file of answers {self.path} is damaged: {error}. Move it away (with the files of the same name "
                "that end in -wal and -shm); what it held has to be asked for again."
            ) from error

    def close(self) -> None:
        """Close this thread's connection; the next use opens it anew."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
        return connection

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MorelliError(f"The file of answers {self.path} cannot be made: {error.strerror or error}.") from error
        choose = "choose another by the setting answers"
        return open_database(
            self.path,
            _LAYOUT,
            foreign=f"{self.path} is a database of another program; {choose}.",
            other=lambda version: (
                f"The file of answers {self.path} has layout {version}, and this Morelli knows {_LAYOUT.version}; "
                f"{choose}."
            ),
        )


def default_answers_path() -> Path:
    """Return the file that answers are kept in unless another is named: where features are kept too."""
    return default_cache_path().with_name("answers.sqlite")
