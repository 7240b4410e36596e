"""Entries, their contents, and names of files without readable bytes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and triggers against changes by mistake."""
    op.create_table(
        "ledger_entries",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("bundle", sa.Text),
        sa.Column("about", sa.BigInteger),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    # A fork needs two entries with one predecessor. Writers take turns, and this holds if they ever do not.
    op.create_index("ledger_no_fork", "ledger_entries", ["previous"], unique=True)
    op.create_index("ledger_hash", "ledger_entries", ["hash"], unique=True)
    op.create_index("ledger_content", "ledger_entries", ["content"], unique=True)
    op.create_index("ledger_subject", "ledger_entries", ["subject", "kind", "seq"])
    op.create_index("ledger_about", "ledger_entries", ["about", "kind", "actor"])
    op.create_index("ledger_kind", "ledger_entries", ["kind", "seq"])
    only_verdicts = sa.text("kind = 'verdict'")
    op.create_index(
        "ledger_verdict_once",
        "ledger_entries",
        ["subject", "bundle"],
        unique=True,
        sqlite_where=only_verdicts,
        postgresql_where=only_verdicts,
    )
    op.create_table(
        "ledger_contents",
        sa.Column("commitment", sa.Text, primary_key=True),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("priority", sa.Integer),
        sa.Column("score", sa.Float),
        sa.Column("file", sa.Text),
    )
    op.create_index("ledger_queue", "ledger_contents", ["priority", "score", "seq"])
    op.create_index("ledger_file", "ledger_contents", ["file"])
    op.create_table(
        "ledger_names",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
    )
    op.create_index("ledger_named", "ledger_names", ["subject"])
    for table, verbs in (("ledger_entries", ("UPDATE", "DELETE")), ("ledger_contents", ("UPDATE",))):
        _forbid(table, verbs)


def _forbid(table: str, verbs: tuple[str, ...]) -> None:
    """Let the database refuse what this program never does: a guard against mistakes, not against its owner."""
    sentence = f"{table}: a ledger is only added to"
    if op.get_bind().dialect.name == "postgresql":
        name = f"{table}_keep"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {' OR '.join(verbs)} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
        return
    for verb in verbs:
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
        )


def downgrade() -> None:
    """Refuse: there is nothing before the first revision."""
    raise NotImplementedError("A ledger has no revision before the first.")
