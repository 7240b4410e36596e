"""Ledgers of other revisions, with a migration that only these tests have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

import sqlalchemy as sa

from morelli.audit.ledger import Ledger, _migrating, _tables, upgrade
from morelli.errors import LedgerError

from ._made import made_verdict

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{before}"

def upgrade():
    op.add_column("ledger_contents", sa.Column("colour", sa.Text))
    {more}
"""


@pytest.fixture
def old(where, open_ledger) -> str:
    """A ledger as this Morelli makes it, with entries."""
    open_ledger(where).append_verdicts([made_verdict(1), made_verdict(2)])
    return where


def newer(patch: pytest.MonkeyPatch, folder: Path, more: str = "") -> None:
    """Make this a newer Morelli, with one more migration."""
    shutil.copytree(_migrating.MIGRATIONS, folder / "migrations")
    text = NEXT.format(before=_tables.REVISION, more=more)
    (folder / "migrations" / "versions" / "r9999_next.py").write_text(text)
    patch.setattr(_migrating, "MIGRATIONS", folder / "migrations")
    patch.setattr(_tables, "REVISION", "9999")


def test_the_newest_revision_is_the_last_migration():
    assert _migrating.known_revisions()[-1] == _tables.REVISION


def test_the_migrations_make_the_tables_that_are_used(where, open_ledger):
    engine = open_ledger(where)._engine
    found = sa.inspect(engine)
    for table in _tables.METADATA.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [key.name for key in table.primary_key]


def test_an_older_ledger_is_upgraded_on_request(old, monkeypatch, tmp_path):
    with Ledger.open(old) as ledger:
        kept = ledger.head()
    newer(monkeypatch, tmp_path)
    with pytest.raises(LedgerError, match="run `morelli ledger upgrade"):
        Ledger.open(old)
    with pytest.raises(LedgerError, match="run `morelli ledger upgrade"):
        Ledger.open(old, create=True)
    assert upgrade(old) == ("0001", "9999")
    with Ledger.open(old) as ledger:
        assert ledger.verify(head=kept).ok
        assert ledger.append_verdict(made_verdict(3)) is not None
        assert "colour" in {column["name"] for column in sa.inspect(ledger._engine).get_columns("ledger_contents")}
    assert upgrade(old) == ("9999", "9999")


def test_an_upgrade_that_fails_changes_nothing(old, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        newer(patch, tmp_path, more='op.execute("INSERT INTO nowhere VALUES (1)")')
        with pytest.raises(LedgerError, match="the database says"):
            upgrade(old)
    with Ledger.open(old) as ledger:
        assert "colour" not in {column["name"] for column in sa.inspect(ledger._engine).get_columns("ledger_contents")}
        assert ledger.verify().ok


def test_a_newer_ledger_is_refused(old, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        newer(patch, tmp_path)
        upgrade(old)
    for call in (Ledger.open, upgrade):
        with pytest.raises(LedgerError, match="revision 9999, which this Morelli does not know"):
            call(old)


def test_what_is_no_ledger_is_not_upgraded(tmp_path, postgres):
    (tmp_path / "empty").touch()
    for where in (tmp_path / "empty", postgres.new_database()):
        with pytest.raises(LedgerError, match="is not a ledger"):
            upgrade(where)
    with pytest.raises(LedgerError, match="There is no ledger"):
        upgrade(tmp_path / "missing")


def test_other_tables_of_a_server_are_left_alone(postgres, open_ledger):
    url = postgres.new_database()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    ledger = open_ledger(url)
    assert ledger.append_verdict(made_verdict(1)) is not None
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == ["theirs"]
    engine.dispose()


def test_a_path_with_percent_signs(tmp_path, monkeypatch):
    folder = tmp_path / "50%% of %(here)s"
    folder.mkdir()
    newer(monkeypatch, folder)
    with Ledger.open(folder / "l 100%.sqlite", create=True) as ledger:
        assert ledger.append_verdict(made_verdict(1)) is not None
