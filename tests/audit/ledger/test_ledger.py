from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from morelli.attributors import Candidate, Verdict
from morelli.audit.ledger import Ledger
from morelli.errors import LedgerError, MissingExtraError

from ._made import image_id, made_verdict


def test_everything_is_in_the_chain(ledger):
    added = ledger.append_verdicts([made_verdict(1), made_verdict(2, "unknown")], actor="night shift", folder="/in")
    assert (added.added, added.known) == (2, 0)
    first, second = ledger.incidents()
    ledger.decide(first.seq, "Ada", "relabel", label=" sdxl ", reason="known seed")
    ledger.note(second.seq, "Ada", "asked the vendor")
    entries = list(ledger.entries())
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.kind for entry in entries] == ["opened", "verdict", "verdict", "decision", "note"]
    assert [entry.actor for entry in entries[1:]] == ["night shift", "night shift", "Ada", "Ada"]
    assert entries[0].previous == "0" * 64
    assert all(later.previous == earlier.hash for earlier, later in pairwise(entries))
    assert entries[1].at == "2026-03-01T09:30:02.000000Z"
    assert entries[1].subject == image_id(1)
    assert entries[1].bundle == "96d934906b1cc1a1"
    assert entries[1].payload == {"verdict": made_verdict(1), "folder": "/in"}
    assert entries[3].about == first.seq
    assert ledger.head().seq == 5
    assert ledger.head().hash == entries[-1].hash
    assert ledger.verify().ok
    assert [entry.seq for entry in ledger.entries(kind="verdict", after=2)] == [3]
    assert [entry.seq for entry in ledger.entries(subject=image_id(1))] == [2, 4]
    assert len(ledger.id) == 32


def test_an_incident_holds_what_was_recorded(ledger):
    seq = ledger.append_verdict(made_verdict(1, provenance={"facts": [{"layer": "c2pa"}]})).seq
    assert ledger.incident(seq).status == "open"
    ledger.decide(seq, "Ada", "none", reason="no trace of any")
    assert ledger.incident(seq).status == "decided"
    ledger.decide(seq, "Grace", "confirm")
    assert ledger.incident(seq).status == "disputed"
    ledger.decide(seq, "Ada", "relabel", label="flux-1", reason="looked again")
    found = ledger.incident(seq)
    assert found.status == "decided"
    assert [(one.reviewer, one.ruling, one.label, one.reason) for one in found.decisions] == [
        ("Grace", "confirm", "flux-1", ""),
        # The same label as the machine's is a confirmation, whatever it was called.
        ("Ada", "confirm", "flux-1", "looked again"),
    ]
    assert found.verdict["provenance"] == {"facts": [{"layer": "c2pa"}]}
    assert found.to_dict()["status"] == "decided"
    assert [one.seq for one in ledger.incidents(status="decided")] == [seq]
    assert list(ledger.incidents(status="open")) == []
    assert list(ledger.incidents(decision="unknown")) == []
    assert [one.seq for one in ledger.incidents(decision="ambiguous", subject=image_id(1))] == [seq]


def test_the_same_verdict_is_added_once(ledger):
    assert ledger.append_verdict(made_verdict(1)) is not None
    assert ledger.append_verdict(made_verdict(1, uri="moved/1.png")) is None
    other_bundle = made_verdict(1, bundle={"name": "few", "version": "2", "id": "ffff"})
    assert ledger.append_verdict(other_bundle) is not None
    unreadable = made_verdict(2, "unreadable")
    assert ledger.append_verdict(unreadable) is not None
    assert ledger.append_verdict(unreadable) is None
    assert ledger.append_verdict(made_verdict(3, "unreadable")) is not None
    counts = ledger.append_verdicts([unreadable, other_bundle, made_verdict(4), made_verdict(4)])
    assert (counts.added, counts.known) == (1, 3)
    subjects = [entry.subject for entry in ledger.entries(kind="verdict")]
    assert len({subject for subject in subjects if subject.startswith("file-")}) == 2


def test_a_verdict_object_is_taken_as_well(ledger):
    verdict = Verdict("caf\udce9.png", image_id(1), "attributed", "a", 0.9, candidates=(Candidate("a", 0.9, 1.0),))
    seq = ledger.append_verdict(verdict).seq
    assert ledger.incident(seq).verdict["uri"] == "caf\udce9.png"
    assert ledger.incident(seq).bundle == ""
    assert ledger.verify().ok


def test_what_was_added_is_there_for_others(where, open_ledger):
    first = open_ledger(where)
    second = open_ledger(where, create=False)
    seq = first.append_verdict(made_verdict(1)).seq
    assert second.incident(seq).subject == image_id(1)
    second.decide(seq, "Ada", "confirm")
    assert first.head() == second.head()
    assert first.id == second.id


@pytest.mark.parametrize(
    ("ruling", "options", "sentence"),
    [
        ("maybe", {}, "A ruling is one of"),
        ("relabel", {}, "A label goes with"),
        ("confirm", {"label": "sdxl"}, "A label goes with"),
        ("relabel", {"label": "  "}, "A label has"),
        ("relabel", {"label": "a\x1b[31m"}, "A label has"),
        ("relabel", {"label": "a" * 501}, "A label has"),
        ("none", {"reason": "a" * 10_001}, "A reason has at most"),
    ],
)
def test_decisions_that_are_none(in_file, ruling, options, sentence):
    seq = in_file.append_verdict(made_verdict(1)).seq
    with pytest.raises(LedgerError, match=sentence):
        in_file.decide(seq, "Ada", ruling, **options)
    assert in_file.head().seq == seq


@pytest.mark.parametrize("decision", ["conflict", "unreadable"])
def test_no_answer_cannot_be_confirmed(in_file, decision):
    seq = in_file.append_verdict(made_verdict(1, decision)).seq
    with pytest.raises(LedgerError, match="has no answer to confirm"):
        in_file.decide(seq, "Ada", "confirm")
    assert in_file.decide(seq, "Ada", "relabel", label="flux-1").ruling == "relabel"


def test_unknown_is_confirmed_as_none_of_the_candidates(in_file):
    seq = in_file.append_verdict(made_verdict(1, "unknown")).seq
    assert in_file.decide(seq, "Ada", "confirm").label is None
    assert in_file.decide(seq, "Ada", "none").ruling == "confirm"


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "Ada\x1b[2J", "Ada\nroot", "caf\udce9"])
def test_names_that_are_none(in_file, name):
    seq = in_file.append_verdict(made_verdict(1)).seq
    with pytest.raises(LedgerError, match="A name of a person"):
        in_file.decide(seq, name, "confirm")
    with pytest.raises(LedgerError, match="A name of a person"):
        in_file.append_verdict(made_verdict(2), actor=name)


def test_a_decision_about_no_verdict(in_file):
    in_file.append_verdict(made_verdict(1))
    for number in (0, 1, 99):
        with pytest.raises(LedgerError, match=f"There is no incident {number}"):
            in_file.decide(number, "Ada", "confirm")
        with pytest.raises(LedgerError, match=f"There is no incident {number}"):
            in_file.incident(number)


def test_a_batch_is_added_whole_or_not(ledger):
    with pytest.raises(LedgerError, match="This is no verdict"):
        ledger.append_verdicts([made_verdict(1), {"decision": "unknown"}])
    assert ledger.head().seq == 1
    with pytest.raises(LedgerError, match="is not JSON"):
        ledger.append_verdicts([made_verdict(1), made_verdict(2, provenance={"found": {1, 2}})])
    assert ledger.head().seq == 1
    assert ledger.verify().ok


def test_images_are_found_by_their_first_digits(ledger):
    ledger.append_verdicts([made_verdict(number) for number in range(20)])
    assert [one.subject for one in ledger.find(image_id(3)[:8])] == [image_id(3)]
    assert [one.subject for one in ledger.find(image_id(3))] == [image_id(3)]
    with pytest.raises(LedgerError, match="There is no verdict"):
        ledger.find("0123456789")
    for short in ("", "ab", "%%%%%%", image_id(3)[:5], image_id(3).upper()):
        with pytest.raises(LedgerError, match="at least six"):
            ledger.find(short)


def test_several_images_that_begin_alike(in_file):
    in_file.append_verdicts([made_verdict(1, image_id="ab" * 31 + end) for end in ("00", "ff")])
    with pytest.raises(LedgerError, match="Several images"):
        in_file.find("ababab")
    assert len(in_file.find("ab" * 31 + "f")) == 1


HOSTILE = [
    "\x00",
    "\x1b]0;owned\x07",
    "caf\udce9.png",
    "\u202egnp.exe",
    "a" * 100_000,
    "'; DROP TABLE ledger_entries; --",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_kept_as_it_is(ledger, text):
    verdict = made_verdict(1, uri=text, label=text, prediction_set=[text], provenance={text: [text]})
    seq = ledger.append_verdict(verdict).seq
    ledger.note(seq, "Ada", text[:10_000])
    unreadable = ledger.append_verdict(made_verdict(2, "unreadable", uri=text))
    assert ledger.append_verdict(made_verdict(3, "unreadable", uri=text)) is None
    assert ledger.incident(seq).verdict == verdict
    assert ledger.incident(unreadable.seq).verdict["uri"] == text
    assert ledger.verify().ok


def test_a_mebibyte_is_the_most(ledger):
    with pytest.raises(LedgerError, match="Attach large things as files"):
        ledger.append_verdict(made_verdict(1, uri="a" * (1 << 20)))
    assert ledger.append_verdict(made_verdict(1, uri="a" * ((1 << 20) - 5000))) is not None
    assert ledger.verify().ok


def test_a_clock_needs_a_zone(in_file, open_ledger):
    other = open_ledger(in_file.name, clock=lambda: datetime(2026, 1, 1))
    with pytest.raises(LedgerError, match="time zone"):
        other.append_verdict(made_verdict(1))


def test_long_ledgers_are_read_page_by_page(in_file):
    in_file.append_verdicts(made_verdict(number) for number in range(450))
    first = next(in_file.incidents())
    in_file.decide(first.seq, "Ada", "confirm")  # adding while somebody reads is nothing special
    assert [entry.seq for entry in in_file.entries()] == list(range(1, 453))
    assert len(list(in_file.incidents())) == 450
    assert len(list(in_file.incidents(decided=True))) == 1
    assert in_file.verify().entries == 452


@pytest.mark.parametrize("made", ["missing", "folder", "text", "empty", "foreign", "table"])
def test_what_is_no_ledger(tmp_path, made):
    import sqlite3

    path = tmp_path / "a b é"
    if made == "folder":
        path.mkdir()
    elif made != "missing":
        path.write_bytes({"text": b"not a database, and longer than a header" * 9}.get(made, b""))
    if made in ("foreign", "table"):
        with sqlite3.connect(path) as connection:
            connection.execute(
                "CREATE TABLE " + ("theirs (a)" if made == "foreign" else "ledger_version (version_num)")
            )
        connection.close()
    with pytest.raises(LedgerError, match="ledger"):
        Ledger.open(path)
    if made not in ("missing", "empty"):
        with pytest.raises(LedgerError, match="ledger"):
            Ledger.open(path, create=True)
    else:
        Ledger.open(path, create=True).close()
        Ledger.open(path).close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://a@b/c", "not in mysql"),
        ("://", "malformed"),
        ("sqlite://", "not in sqlite"),
        ("sqlite:///:memory:", "not in sqlite"),
        ("postgresql://a:secret@127.0.0.1:1/c", "the database says"),
    ],
)
def test_places_that_are_none(url, sentence):
    if "127.0.0.1" in url:
        pytest.importorskip("psycopg")
    with pytest.raises(LedgerError, match=sentence) as caught:
        Ledger.open(url)
    assert "secret" not in str(caught.value)


def test_a_sqlite_url_is_a_path(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path}/l.sqlite", create=True) as ledger:
        assert ledger.files == tmp_path / "l.sqlite.files"
    assert (tmp_path / "l.sqlite").is_file()


def test_a_missing_driver_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "morelli\[postgres\]"'):
        Ledger.open("postgresql://a@b/c")


def test_sqlite_is_set_to_survive_a_power_cut(in_file):
    from morelli.audit.ledger._database import writing

    with writing(in_file._engine, "") as connection:
        said = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
    assert said == {"journal_mode": "wal", "synchronous": 2}


def test_the_database_refuses_changes_by_mistake(where, open_ledger):
    import sqlalchemy as sa

    ledger = open_ledger(where)
    ledger.append_verdict(made_verdict(1))
    for statement in (
        "UPDATE ledger_entries SET actor = 'x'",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_contents SET payload = '{}'",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="only added to"), ledger._engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert ledger.verify().ok
