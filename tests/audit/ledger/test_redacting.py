"""Content goes for good, from the files of the database too; the chain still verifies."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from morelli.audit.ledger import Ledger, redacting
from morelli.errors import LedgerError

from ._made import image_id, made_verdict

SECRET = "weekend-party-in-lyon"


def bytes_of(ledger: Ledger) -> bytes:
    """Return all bytes of a SQLite ledger and its journal."""
    path = Path(ledger.name)
    return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*") if part.is_file())


def test_an_image_is_redacted(ledger, tmp_path):
    ledger.append_verdicts([made_verdict(1, uri=f"{SECRET}.png"), made_verdict(2)])
    ledger.append_verdict(made_verdict(1, uri=f"{SECRET}.png", bundle={"id": "other"}))
    ledger.decide(2, "Ada", "confirm", reason=SECRET)
    ledger.note(2, "Ada", SECRET)
    (tmp_path / "photo.txt").write_text(SECRET)
    file = ledger.attach(2, tmp_path / "photo.txt", "Ada", SECRET).file
    kept = ledger.head()
    done = ledger.redact(image_id(1), actor="Grace", reason="asked for by the person shown")
    assert (done.images, done.contents, done.files) == (1, 5, 1)
    assert [one.status for one in ledger.incidents()] == ["redacted", "open", "redacted"]
    assert ledger.incident(2).decisions == ()
    assert list(ledger.files.rglob(f"{file[:10]}*")) == []
    found = ledger.verify(head=kept, attachments=True)
    assert found.ok
    assert (found.redacted, found.files) == (5, 0)
    last = list(ledger.entries())[-1]
    assert (last.kind, last.actor, last.subject) == ("redaction", "Grace", image_id(1))
    assert last.payload == {"reason": "asked for by the person shown", "contents": 5, "files": 1}


def test_no_byte_is_left_in_sqlite(in_file):
    in_file.append_verdicts([made_verdict(number, uri=f"{SECRET}-{number}" * 500) for number in range(5)])
    in_file.append_verdict(made_verdict(6, "unreadable", uri=SECRET))
    assert SECRET.encode() in bytes_of(in_file)
    done = in_file.redact_older(timedelta(0), actor="Ada", reason="retention")
    assert (done.images, done.contents, done.wiped) == (6, 6, True)
    assert SECRET.encode() not in bytes_of(in_file)
    assert in_file.verify().ok


def test_the_journal_is_kept_while_somebody_reads(in_file):
    in_file.append_verdict(made_verdict(1, uri=SECRET))
    in_file.append_verdict(made_verdict(2))
    with closing(sqlite3.connect(in_file.name, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM ledger_entries").fetchone()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redacting, "WIPE_PATIENCE", 0.2)
            assert not in_file.redact(image_id(1), actor="Ada", reason="r").wiped
    assert in_file.redact(image_id(2), actor="Ada", reason="r").wiped
    assert SECRET.encode() not in bytes_of(in_file)


def test_what_remains_fits_any_content(in_file):
    """The salt goes with the content: the commitment cannot be tried against what the content may have been."""
    seq = in_file.append_verdict(made_verdict(1)).seq
    in_file.decide(seq, "Ada", "none", reason="yes")
    salts = [row[0] for row in _rows(in_file, "SELECT salt FROM ledger_contents")]
    assert len(set(salts)) == 3
    in_file.redact(image_id(1), actor="Ada", reason="r")
    raw = bytes_of(in_file)
    assert [salt.encode() in raw for salt in salts] == [True, False, False]


def _rows(ledger: Ledger, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(ledger.name)) as connection:
        return connection.execute(query).fetchall()


def test_only_what_is_old_goes(ledger, clock):
    ledger.append_verdicts([made_verdict(1), made_verdict(2), made_verdict(3)])
    clock.forward(days=300)
    ledger.decide(3, "Ada", "confirm")
    ledger.append_verdict(made_verdict(4))
    clock.forward(days=100)
    done = ledger.redact_older(timedelta(days=365), actor="Ada", reason="retention of one year")
    assert (done.images, done.contents) == (2, 2)
    # The second was decided 100 days ago; the fourth is as young.
    assert [one.status for one in ledger.incidents()] == ["redacted", "decided", "redacted", "open"]
    assert ledger.redact_older(timedelta(days=365), actor="Ada", reason="again").images == 0
    assert ledger.verify().ok


def test_many_images_go_in_several_transactions(in_file):
    in_file.append_verdicts(made_verdict(number) for number in range(450))
    seen = []
    done = in_file.redact_older(timedelta(0), actor="Ada", reason="r", progress=seen.append)
    assert done.images == 450
    assert seen == [200, 400, 450]
    assert in_file.verify().ok


def test_nothing_can_be_added_to_it_afterwards(ledger, tmp_path):
    ledger.append_verdict(made_verdict(1))
    ledger.redact(image_id(1), actor="Ada", reason="r")
    (tmp_path / "a").write_text("a")
    for add in (
        lambda: ledger.decide(2, "Ada", "confirm"),
        lambda: ledger.note(2, "Ada", "x"),
        lambda: ledger.attach(2, tmp_path / "a", "Ada"),
    ):
        with pytest.raises(LedgerError, match="was removed"):
            add()
    assert ledger.append_verdict(made_verdict(1)) is None, "a redacted image does not come back with its next verdict"
    with pytest.raises(LedgerError, match="There is no content"):
        ledger.redact(image_id(1), actor="Ada", reason="r")
    assert list(ledger.files.rglob("*.part")) == []


def test_an_unreadable_file_is_forgotten_by_name(in_file):
    subject = in_file.append_verdict(made_verdict(1, "unreadable")).subject
    in_file.redact(subject, actor="Ada", reason="r")
    assert _rows(in_file, "SELECT count(*) FROM ledger_names") == [(0,)]
    again = in_file.append_verdict(made_verdict(1, "unreadable"))
    assert again is not None
    assert again.subject != subject


@pytest.mark.parametrize("image", ["", "x", image_id(1).upper(), "file-", "../../etc/passwd", image_id(9)])
def test_images_that_are_none(in_file, image):
    in_file.append_verdict(made_verdict(1))
    with pytest.raises(LedgerError):
        in_file.redact(image, actor="Ada", reason="r")
    assert in_file.head().seq == 2


def test_a_reason_is_needed(in_file):
    in_file.append_verdict(made_verdict(1))
    with pytest.raises(LedgerError, match="A reason has to be given"):
        in_file.redact(image_id(1), actor="Ada", reason=" ")
