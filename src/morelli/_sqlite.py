"""SQLite files that many threads and processes share: opened, laid out once, written in whole transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PATIENCE", "open_database", "transaction"]

PATIENCE = 60.0
"""Seconds to wait for another process that writes."""


def open_database(
    path: Path,
    is_ours: Callable[[sqlite3.Connection], bool],
    lay_out: Callable[[sqlite3.Connection], None],
    *,
    page_size: int | None = None,
) -> sqlite3.Connection:
    """Connect to a file in WAL mode, and lay it out unless that was done.

    Parameters
    ----------
    path : pathlib.Path
        Its folder has to be there.
    is_ours : callable
        Says whether a file has our layout, and raises an error for one that must not be touched.
    lay_out : callable
        Makes the layout, in a transaction that no other writer shares.
    page_size : int, optional
        In bytes; of effect on an empty file only.
    """
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        if page_size is not None:
            connection.execute(f"PRAGMA page_size = {page_size}")
        # In a transaction, because half of what is looked at might be from before another process lays the file out.
        with transaction(connection, "DEFERRED"):
            ready = is_ours(connection)
        if not ready:
            _enter_wal(connection)
            with transaction(connection):
                if not is_ours(connection):  # nobody was faster
                    lay_out(connection)
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


def _enter_wal(connection: sqlite3.Connection) -> None:
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
