"""Opening the database of a ledger, and taking turns to write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from morelli._sqlite import PATIENCE, enter_wal
from morelli._text import printable
from morelli.errors import LedgerError, MissingExtraError

__all__ = ["Place", "connect", "reading", "writing"]

_LOCK: Final = 0x6D6F72656C6C69
"""Number of the advisory lock under which ledgers of a PostgreSQL database are written: "morelli" in ASCII."""

_HEADER: Final = b"SQLite format 3\0"


class Place:
    """Where a ledger is: a SQLite file, or a database server.

    Parameters
    ----------
    where : path-like or str
        A path, or a URL: ``sqlite:///file`` or ``postgresql://user@host/database`` (psycopg 3 is used for it).

    Attributes
    ----------
    url : sqlalchemy.engine.URL
    file : pathlib.Path or None
        The SQLite file.
    name : str
        For sentences; without the password.

    Raises
    ------
    LedgerError
        It is a URL of something else, or malformed.
    """

    def __init__(self, where: str | os.PathLike[str]) -> None:
        text = os.fspath(where)
        self.file: Path | None = None
        if "://" not in text:
            self.file = Path(text)
            self.url = URL.create("sqlite", database=str(self.file.absolute()))
            self.name = str(self.file)
            return
        try:
            url = make_url(text)
            family = url.get_backend_name()
        except (sa.exc.ArgumentError, ValueError) as error:
            raise LedgerError("This URL of a ledger is malformed; write postgresql://user@host/database.") from error
        if family == "sqlite" and url.database not in (None, "", ":memory:"):
            self.file = Path(str(url.database))
            self.url = URL.create("sqlite", database=str(self.file.absolute()))
            self.name = str(self.file)
        elif family in ("postgresql", "postgres"):
            self.url = url.set(drivername="postgresql+psycopg")
            self.name = url.render_as_string(hide_password=True)
        else:
            raise LedgerError(f"A ledger lies in a SQLite file or in PostgreSQL, not in {printable(family)}.")


def connect(place: Place, *, create: bool) -> sa.Engine:
    """Return an engine whose transactions begin when we say so. Nothing is laid out.

    Raises
    ------
    LedgerError
        There is no such file and none shall be made, or it is no database.
    MissingExtraError
        The driver of PostgreSQL is not installed.
    """
    if place.file is None:
        return _postgresql(place)
    file = place.file
    if not create and not file.is_file():
        raise LedgerError(f"There is no ledger at {place.name}. `morelli ledger add` begins one.")
    if file.is_dir():
        raise LedgerError(f"{place.name} is a folder; name the file of the ledger.")
    if file.is_file():
        with file.open("rb") as stream:
            start = stream.read(len(_HEADER))
        if start not in (b"", _HEADER):
            raise LedgerError(f"{place.name} is not a ledger: it is no SQLite file.")
    else:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(place.url, connect_args={"timeout": PATIENCE})

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # Python's sqlite3 would begin transactions by itself, and not before reads
        enter_wal(connection)
        # What was committed outlives a power cut: the journal is on the disk before COMMIT returns.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # on macOS fsync alone leaves data in the drive's cache
        connection.execute("PRAGMA secure_delete = ON")  # redacted content is overwritten, not only unlinked

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _postgresql(place: Place) -> sa.Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A ledger in PostgreSQL", "postgres") from error
    # A connection that the server has closed meanwhile is noticed before it is used, not by a lost entry.
    return sa.create_engine(place.url, pool_pre_ping=True)


@contextmanager
def reading(engine: sa.Engine, name: str) -> Iterator[sa.Connection]:
    """Give a connection that sees one state of the database, whatever is written meanwhile."""
    with _in_words(name), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: sa.Engine, name: str) -> Iterator[sa.Connection]:
    """Give the connection of the only writer, and commit what the block does, or nothing of it where an error passes.

    SQLite locks the file (``BEGIN IMMEDIATE``). PostgreSQL takes an advisory lock until the transaction ends; a lock on
    the table would also hold up its maintenance. All other writers wait: an entry names the hash of the one before.
    """
    with _in_words(name), engine.connect() as connection:
        connection.execution_options(begin="IMMEDIATE")
        with connection.begin():
            if connection.dialect.name == "postgresql":
                # Also where the server's own setting lets COMMIT return before the journal is on the disk.
                connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Say what a database refused in a sentence, without the statement and its parameters."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = printable(str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error).__name__)
        if "database is locked" in reason:
            raise LedgerError(
                f"{name}: another process has been writing to this ledger for more than {PATIENCE:.0f} seconds; "
                "try again when it is done."
            ) from error
        raise LedgerError(f"{name}: the database says: {reason}.") from error
    except sa.exc.SQLAlchemyError as error:
        raise LedgerError(f"{name}: {printable(str(error).splitlines()[0])}") from error
