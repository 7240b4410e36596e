"""SQLite files that many threads and processes share: opened, laid out once, written in whole transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from morelli.errors import MorelliError

__all__ = ["PATIENCE", "Layout", "enter_wal", "open_database", "transaction"]

PATIENCE = 60.0
"""Seconds to wait for another process that writes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kind of file is laid out, and the marks that tell it from other programs' databases.

    Attributes
    ----------
    application, version : int
        SQLite's ``application_id`` and ``user_version``.
    statements : tuple of str
        Make the tables and indexes, in this order.
    """

    application: int
    version: int
    statements: tuple[str, ...]

    def is_there(self, connection: sqlite3.Connection, foreign: str, other: Callable[[int], str | None]) -> bool:
        """Say whether a file has this layout; False for an empty one and one to be laid out anew.

        Raises
        ------
        MorelliError
            It must not be touched; see `open_database`.
        """
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application == self.application:
            if version != self.version and (refusal := other(version)) is not None:
                raise MorelliError(refusal)
            return bool(version == self.version)
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise MorelliError(foreign)
        return False

    def lay_out(self, connection: sqlite3.Connection) -> None:
        """Make it."""
        for statement in self.statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self.application}")
        connection.execute(f"PRAGMA user_version = {self.version}")


def open_database(
    path: Path,
    layout: Layout,
    *,
    foreign: str,
    other: Callable[[int], str | None],
    page_size: int | None = None,
) -> sqlite3.Connection:
    """Connect to a file in WAL mode, and lay it out unless that was done.

    Parameters
    ----------
    path : pathlib.Path
        Its folder has to be there.
    layout : Layout
        Is made in a transaction that no other writer shares.
    foreign : str
        What to say of another program's database.
    other : callable
        What to say of a file of this kind with another version, which it is given; None to lay it out anew.
    page_size : int, optional
        In bytes; of effect on an empty file only.

    Raises
    ------
    MorelliError
        The file is another program's, or of a version that is refused.
    """
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        if page_size is not None:
            connection.execute(f"PRAGMA page_size = {page_size}")
        # In a transaction, because half of what is looked at might be from before another process lays the file out.
        with transaction(connection, "DEFERRED"):
            ready = layout.is_there(connection, foreign, other)
        if not ready:
            enter_wal(connection)
            with transaction(connection):
                if not layout.is_there(connection, foreign, other):  # nobody was faster
                    layout.lay_out(connection)
        # A power cut may cost the last transactions, never the file; a killed process costs nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit what the block does, or nothing of it where an error passes."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite itself may have rolled back, for instance on a full disk
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def enter_wal(connection: sqlite3.Connection) -> None:
    """Switch the journal to WAL. SQLite does not wait for others here as it does elsewhere, so that this has to."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
