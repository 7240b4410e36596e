"""Whatever somebody does to the tables is found, and the first broken entry is named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morelli.audit.ledger import Head, Ledger
from morelli.audit.ledger._content import commitment_to, link_hash
from morelli.errors import LedgerError

from ._made import made_verdict

COLUMNS = ("seq", "at", "kind", "actor", "subject", "bundle", "about", "content", "previous")


@contextmanager
def tampering(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """Give whoever has the file a free hand: no trigger, no index that would refuse."""
    with closing(sqlite3.connect(ledger.name)) as connection:
        for kind, name in connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type = 'trigger' OR (type = 'index' AND sql IS NOT NULL)"
        ).fetchall():
            connection.execute(f"DROP {kind} {name}")
        with connection:
            yield connection


def reseal(connection: sqlite3.Connection, first: int, *, previous: str | None = None) -> None:
    """Compute the hashes of all entries from `first` on anew, as somebody would who knows how."""
    connection.row_factory = sqlite3.Row
    for row in connection.execute("SELECT * FROM ledger_entries WHERE seq >= ? ORDER BY seq", (first,)).fetchall():
        fields = {column: row[column] for column in COLUMNS}
        if previous is None:
            previous = fields["previous"]
        fields["previous"] = previous
        digest = link_hash(fields)
        connection.execute(
            "UPDATE ledger_entries SET previous = ?, hash = ? WHERE seq = ?", (previous, digest, row["seq"])
        )
        previous = digest


@pytest.fixture
def filled(in_file: Any) -> Ledger:
    in_file.append_verdicts(made_verdict(number) for number in range(8))
    in_file.decide(3, "Ada", "confirm", reason="fine")
    return in_file


def kinds(ledger: Ledger, **options: Any) -> list[tuple[int | None, str]]:
    found = ledger.verify(**options)
    assert found.ok == (not found.problems)
    return [(problem.seq, problem.kind) for problem in found.problems]


def test_an_untouched_chain_holds(filled):
    found = filled.verify(head=filled.head())
    assert found.ok
    assert (found.entries, found.redacted, found.head) == (10, 0, filled.head())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'Mallory'"), ("at", "'2020-01-01T00:00:00.000000Z'"), ("subject", "'ff'"), ("bundle", "NULL"),
        ("about", "3"), ("kind", "'note'"), ("hash", "'00'"), ("previous", "'00'"),
    ],
)  # fmt: skip
def test_an_edited_entry(filled, column, value):
    with tampering(filled) as connection:
        connection.execute(f"UPDATE ledger_entries SET {column} = {value} WHERE seq = 5")
    assert kinds(filled)[0] == (5, "edited")


def test_an_edited_content(filled):
    with tampering(filled) as connection:
        connection.execute(
            "UPDATE ledger_contents SET payload = replace(payload, 'flux-1', 'sdxl')"
            " WHERE commitment = (SELECT content FROM ledger_entries WHERE seq = 4)"
        )
    assert kinds(filled) == [(4, "content-edited")]
    with tampering(filled) as connection:
        connection.execute("UPDATE ledger_contents SET payload = '{', salt = 'zz'")
    assert kinds(filled)[0] == (1, "content-edited")
    assert filled.verify().n_problems == 10
    with pytest.raises(LedgerError, match="damaged or changed"):
        list(filled.entries())


@pytest.mark.parametrize(
    "payload", ["{}", "{", '{"verdict": {}, "folder": null}', '{"ruling": "none", "label": null, "reason": "x"}']
)
@pytest.mark.parametrize("seq", [3, 10])
def test_what_somebody_changed_is_not_shown_as_if_it_were_recorded(filled, seq, payload):
    """Neither a verdict nor a decision about it, also where the new content would be a valid one."""
    with tampering(filled) as connection:
        connection.execute("UPDATE ledger_contents SET payload = ? WHERE seq = ?", (payload, seq))
    for reading in (lambda: filled.incident(3), lambda: list(filled.incidents()), lambda: list(filled.entries())):
        with pytest.raises(LedgerError, match=f"entry {seq} was damaged or changed.*ledger verify"):
            reading()
    assert filled.incident(4).verdict is not None


def test_contents_that_were_exchanged(filled):
    with tampering(filled) as connection:
        rows = connection.execute("SELECT seq, content FROM ledger_entries WHERE seq IN (4, 5) ORDER BY seq").fetchall()
        for (_, here), (_, there) in (rows, rows[::-1]):
            connection.execute("UPDATE ledger_contents SET commitment = ? WHERE commitment = ?", (f"{there}!", here))
        connection.execute("UPDATE ledger_contents SET commitment = rtrim(commitment, '!')")
    assert kinds(filled) == [(4, "content-edited"), (5, "content-edited")]


def test_a_removed_content(filled):
    with tampering(filled) as connection:
        connection.execute(
            "DELETE FROM ledger_contents WHERE commitment = (SELECT content FROM ledger_entries WHERE seq = 4)"
        )
    assert kinds(filled) == [(4, "content-missing")]


def test_removed_entries(filled):
    with tampering(filled) as connection:
        connection.execute("DELETE FROM ledger_entries WHERE seq IN (5, 6)")
    assert kinds(filled) == [(5, "missing"), (None, "stray")]


def test_a_removed_entry_whose_gap_was_closed(filled):
    with tampering(filled) as connection:
        connection.execute("DELETE FROM ledger_entries WHERE seq = 5")
        connection.execute("UPDATE ledger_entries SET seq = -seq WHERE seq > 5")
        connection.execute("UPDATE ledger_entries SET seq = -seq - 1 WHERE seq < 0")
    assert kinds(filled)[0] == (5, "edited")


def test_the_beginning_was_removed(filled):
    with tampering(filled) as connection:
        connection.execute("DELETE FROM ledger_entries WHERE seq < 3")
    assert kinds(filled)[0] == (1, "missing")
    with tampering(filled) as connection:
        connection.execute("UPDATE ledger_entries SET seq = seq - 2")
        reseal(connection, 1, previous="0" * 64)
    assert kinds(filled)[0] == (1, "broken")


def test_everything_was_removed(filled):
    with tampering(filled) as connection:
        connection.execute("DELETE FROM ledger_entries")
        connection.execute("DELETE FROM ledger_contents")
    assert kinds(filled) == [(None, "truncated")]
    assert filled.id == ""
    with Ledger.open(filled.name, create=True) as again:  # it is not quietly begun anew
        assert kinds(again) == [(None, "truncated")]


def test_reordered_entries(filled):
    with tampering(filled) as connection:
        connection.execute("UPDATE ledger_entries SET seq = 1000 - seq WHERE seq IN (5, 7)")
        connection.execute("UPDATE ledger_entries SET seq = seq - 988 WHERE seq > 900")
    assert kinds(filled)[0] == (5, "moved")
    assert (6, "broken") in kinds(filled)


def test_a_fork(filled):
    """Entry 6 was written anew behind entry 4, as if entry 5 were not there."""
    with tampering(filled) as connection:
        before = connection.execute("SELECT hash FROM ledger_entries WHERE seq = 4").fetchone()[0]
        reseal(connection, 6, previous=before)
    assert kinds(filled) == [(6, "forked")]


def test_two_entries_with_one_number(filled):
    with tampering(filled) as connection:
        connection.execute("CREATE TABLE loose AS SELECT * FROM ledger_entries")
        connection.execute("INSERT INTO loose SELECT * FROM ledger_entries WHERE seq = 6")
        connection.execute("UPDATE loose SET hash = 'z' || hash WHERE rowid = (SELECT max(rowid) FROM loose)")
        connection.execute("DROP TABLE ledger_entries")
        connection.execute("ALTER TABLE loose RENAME TO ledger_entries")
    assert kinds(filled)[0] == (6, "forked")


def test_a_truncated_tail_needs_a_head_that_was_kept(filled):
    kept = filled.head()
    filled.append_verdict(made_verdict(99))
    assert filled.verify(head=kept).ok
    with tampering(filled) as connection:
        connection.execute(
            "DELETE FROM ledger_contents WHERE commitment IN (SELECT content FROM ledger_entries WHERE seq > 8)"
        )
        connection.execute("DELETE FROM ledger_entries WHERE seq > 8")
    assert filled.verify().ok
    assert kinds(filled, head=str(kept)) == [(None, "truncated")]
    assert kinds(filled, head=kept.hash) == [(None, "truncated")]


def test_a_chain_written_anew_needs_a_head_that_was_kept(filled):
    kept = filled.head()
    with tampering(filled) as connection:
        connection.execute("UPDATE ledger_entries SET actor = 'Mallory' WHERE seq = 4")
        reseal(connection, 4)
    assert filled.verify().ok
    assert kinds(filled, head=kept) == [(10, "rewritten")]
    assert kinds(filled, head=kept.hash) == [(None, "truncated")]


def test_content_written_anew_with_its_commitment(filled):
    with tampering(filled) as connection:
        (old,) = connection.execute("SELECT content FROM ledger_entries WHERE seq = 4").fetchone()
        salt, payload = connection.execute(
            "SELECT salt, payload FROM ledger_contents WHERE commitment = ?", (old,)
        ).fetchone()
        payload = payload.replace("ambiguous", "unknown")
        new = commitment_to(salt, payload)
        connection.execute(
            "UPDATE ledger_contents SET commitment = ?, payload = ? WHERE commitment = ?", (new, payload, old)
        )
        connection.execute("UPDATE ledger_entries SET content = ? WHERE seq = 4", (new,))
        kept = filled.head()
        reseal(connection, 4)
    # The whole chain is new, but what queries use of that content is not.
    assert kinds(filled) == [(4, "index")]
    assert kinds(filled, head=kept) == [(4, "index"), (10, "rewritten")]


@pytest.mark.parametrize("change", ["seq = 99", "priority = 0", "score = 0.99", "file = 'x'", "priority = NULL"])
def test_what_queries_use(filled, change):
    with tampering(filled) as connection:
        connection.execute(
            f"UPDATE ledger_contents SET {change} WHERE commitment = (SELECT content FROM ledger_entries WHERE seq = 4)"
        )
    assert kinds(filled) == [(4, "index")]


def test_redaction_does_not_excuse_what_came_later(filled):
    filled.redact(filled.incident(4).subject, actor="Ada", reason="asked for")
    assert filled.verify().ok
    with tampering(filled) as connection:
        redaction = connection.execute("SELECT content FROM ledger_entries WHERE kind = 'redaction'").fetchone()
        connection.execute("DELETE FROM ledger_contents WHERE commitment = ?", redaction)
    assert kinds(filled) == [(11, "content-missing")]


def test_redacted_content_that_came_back(filled, tmp_path):
    with closing(sqlite3.connect(filled.name)) as connection:
        rows = connection.execute(
            "SELECT * FROM ledger_contents WHERE commitment = (SELECT content FROM ledger_entries WHERE seq = 4)"
        ).fetchall()
    filled.redact(filled.incident(4).subject, actor="Ada", reason="asked for")
    with tampering(filled) as connection:
        connection.executemany("INSERT INTO ledger_contents VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    assert kinds(filled) == [(4, "content-left")]


def test_many_problems_are_counted_and_some_shown(in_file):
    in_file.append_verdicts(made_verdict(number) for number in range(150))
    with tampering(in_file) as connection:
        connection.execute("UPDATE ledger_entries SET actor = 'Mallory' WHERE seq > 1")
    found = in_file.verify()
    assert found.n_problems == 150
    assert len(found.problems) == 20
    assert json.loads(json.dumps(found.to_dict()))["problems"][0] == {
        "seq": 2, "kind": "edited", "detail": "Entry 2 was changed after it was written: its hash does not match.",
    }  # fmt: skip


def test_a_changed_row_in_postgresql(postgres, open_ledger):
    ledger = open_ledger(postgres.new_database())
    ledger.append_verdicts(made_verdict(number) for number in range(3))
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger_entries DISABLE TRIGGER ALL")
        connection.exec_driver_sql("UPDATE ledger_entries SET actor = 'Mallory' WHERE seq = 3")
    assert kinds(ledger) == [(3, "edited")]


@pytest.mark.parametrize("text", ["", "12", "0" * 63, "x:" + "0" * 64, "1:" + "G" * 64, "1" * 19 + ":" + "0" * 64])
def test_heads_that_are_none(in_file, text):
    with pytest.raises(LedgerError, match="A head is"):
        in_file.verify(head=text)


def test_a_head_is_read_back(filled):
    assert Head.parse(f" {filled.head()}\n") == filled.head()
    assert Head.parse(filled.head().hash) == Head(0, filled.head().hash)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_change_of_a_cell_goes_unseen(filled, data):
    """Any cell of any row, replaced by another text: found, whichever it is."""
    table = data.draw(st.sampled_from(["ledger_entries", "ledger_contents"]))
    with closing(sqlite3.connect(filled.name)) as connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
        column, row = data.draw(st.sampled_from(columns)), data.draw(st.sampled_from(rows))
        (before,) = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
    value = data.draw(st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda text: text != before))
    if column in ("seq", "about", "priority", "score"):
        # Another entry's number would be refused by the table; the exchange of two is a test of its own.
        numbers = st.integers(50, 90) if column == "seq" else st.integers(-5, 20)
        value = data.draw(numbers.filter(lambda number: number != before))
    statement = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
    with tampering(filled) as connection:
        connection.execute(statement, (value, row))
    try:
        assert not filled.verify().ok
    finally:
        with tampering(filled) as connection:
            connection.execute(statement, (before, row))
    assert filled.verify().ok
