"""Laying out a ledger and bringing an older one up to date, by Alembic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from morelli.audit.ledger import _tables
from morelli.audit.ledger._database import writing
from morelli.errors import LedgerError

__all__ = ["MIGRATIONS", "check_revision", "migrate", "revision_of"]

MIGRATIONS: Final = Path(__file__).with_name("migrations")
"""Folder of the migrations."""


def revision_of(connection: sa.Connection) -> str | None:
    """Return the revision of a ledger; None where nothing was laid out."""
    if not sa.inspect(connection).has_table(_tables.VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {_tables.VERSION_TABLE}").scalars().all()
    return str(found[0]) if len(found) == 1 else None


def check_revision(connection: sa.Connection, name: str) -> None:
    """Refuse what this Morelli cannot read.

    Raises
    ------
    LedgerError
        It is no ledger, or one of an older or newer revision; the sentence says what to do.
    """
    found = revision_of(connection)
    if found == _tables.REVISION:
        return
    if found is None:
        raise LedgerError(
            f"{name} is not a ledger. `morelli ledger add` begins one in a new file or an empty database."
        )
    if found in known_revisions():
        raise LedgerError(
            f"{name} is a ledger of revision {found}, and this Morelli reads {_tables.REVISION}. "
            f"Copy it to a safe place, then run `morelli ledger upgrade {name}`."
        )
    raise LedgerError(
        f"{name} is a ledger of revision {found}, which this Morelli does not know ({_tables.REVISION} is its newest). "
        "Open it with the newer Morelli that wrote it."
    )


def known_revisions() -> list[str]:
    """Return the revisions that can be migrated from, the oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    return [revision.revision for revision in script.walk_revisions()][::-1]


def migrate(
    engine: sa.Engine, name: str, *, create: Callable[[sa.Connection], object] | None
) -> tuple[str | None, str]:
    """Bring a ledger to the newest revision, in one transaction: it is migrated, or it stays as it was.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
        For sentences.
    create : callable or None
        Makes a ledger of what was an empty database, in the same transaction; None where it shall be one already.

    Returns
    -------
    tuple of (str or None, str)
        The revision before and after.

    Raises
    ------
    LedgerError
        It is no ledger, or a newer one.
    """
    with writing(engine, name) as connection:
        before = revision_of(connection)
        if before == _tables.REVISION:  # another process was faster
            return before, before
        if (before is None and create is None) or (before is not None and before not in known_revisions()):
            check_revision(connection, name)  # says what is wrong
        if before is None and _has_other_tables(connection):
            raise LedgerError(f"{name} is not a ledger, and holds other tables. Name a new file or another database.")
        _run(connection)
        if before is None and create is not None:
            create(connection)
        return before, _tables.REVISION


def _has_other_tables(connection: sa.Connection) -> bool:
    """Whether a SQLite file is somebody else's. A database on a server may well hold other tables than ours."""
    found = set(sa.inspect(connection).get_table_names())
    return bool(found) if connection.dialect.name == "sqlite" else bool(found & set(_tables.METADATA.tables))


def _run(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
