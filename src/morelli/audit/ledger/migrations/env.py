"""What Alembic runs to migrate a ledger; the connection comes from `morelli.audit.ledger._migrating`.

It also serves ``alembic.command`` for people who write migrations: an Alembic configuration needs nothing but a
``script_location`` that names this folder, and the connection among its attributes.
"""

from __future__ import annotations

from alembic import context

from morelli.audit.ledger._tables import METADATA, VERSION_TABLE

__all__ = ["run"]


def run() -> None:
    """Run the migrations that were asked for, in the transaction that the connection is in."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        render_as_batch=True,
    )
    context.run_migrations()


if __name__ == "env_py":  # so Alembic calls it; whoever only imports this file is in no migration
    run()
