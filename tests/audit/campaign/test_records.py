from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from morelli.audit.campaign import RECORDS, FileRow, Records, for_review
from morelli.audit.campaign.gathered import gather
from morelli.errors import MorelliError

from .conftest import CLASSES, IDENTITY, made_up


def fill(records, n=5, **kinds):
    rng = np.random.default_rng(0)
    made = [made_up(i, rng, **kinds) for i in range(n)]
    records.write([(file, (judged.bytes, 7)) for file, judged in made], [judged for _, judged in made])
    return made


def test_verdicts_come_back_as_they_were(records):
    made = fill(records)
    records.finish(by=[])
    found = list(records.verdicts())
    assert [file for file, _ in found] == [file for file, _ in made]
    assert [verdict.to_dict() for _, verdict in found] == [
        {**judged.verdict.to_dict(), "uri": file.path} for file, judged in made
    ]


def test_arrays_are_those_of_the_verdicts(records):
    made = fill(records)
    records.finish(by=[])
    gathered = gather(records, len(CLASSES), {f"{2:064x}"}, 0.05)
    assert np.array_equal(gathered.log_proba, np.stack([judged.log_proba for _, judged in made]))
    assert gathered.phash.tolist() == [judged.phash for _, judged in made]
    assert gathered.open_set_p.tolist() == [judged.verdict.open_set_p for _, judged in made]
    assert gathered.in_references.tolist() == [False, False, True, False, False]
    assert (gathered.n_files, gathered.n_unreadable, gathered.n_repeated, len(gathered)) == (5, 0, 0, 5)
    assert sum(gathered.decisions.values()) == 5


def test_copies_and_unreadable_files_are_counted_and_not_gathered(records):
    made = fill(records, 2)
    copy = made[0][0]._replace(seq=2, name="copy.png", path="/campaign/copy.png")
    lost = FileRow(3, "lost.png", "/campaign/lost.png", None, "lost.png: there is no such file", ())
    records.write([(copy, None), (lost, None)], [])
    records.finish(by=[])
    gathered = gather(records, len(CLASSES))
    assert gathered.image_of.tolist() == [0, 1, 0, -1]
    assert (gathered.n_files, gathered.n_unreadable, gathered.n_repeated, len(gathered)) == (4, 1, 1, 2)
    unreadable = list(records.verdicts())[3][1]
    assert (unreadable.decision, unreadable.error) == ("unreadable", lost.error)


def test_known_by_path_length_and_time_or_by_content(records):
    fill(records)
    assert records.identify("/campaign/1.png", 1001, 7) == f"{1:064x}"
    assert records.identify("/campaign/1.png", 1001, 8) is None
    assert records.identify("/campaign/1.png", 1002, 7) is None
    assert records.identify("/elsewhere/1.png", 1001, 7) is None
    assert (records.has_length(1001), records.has_length(99)) == (True, False)
    assert (records.has(f"{1:064x}"), records.has(f"{99:064x}")) == (True, False)


def test_what_is_gone_is_forgotten(records):
    made = fill(records)
    records.finish(by=[])
    records.begin(IDENTITY)
    assert next(records.query("SELECT count(*) FROM verdicts")) == (5,)
    records.write([(made[3][0]._replace(seq=0), (1003, 7))], [])
    records.finish(by=[])
    assert [file.name for file, _ in records.verdicts()] == ["3.png"]
    assert not records.has(f"{1:064x}")
    assert records.identify("/campaign/1.png", 1001, 7) is None


def test_another_bundle_is_refused_unless_all_begins_anew(records):
    fill(records)
    other = {**IDENTITY, "bundle": {**IDENTITY["bundle"], "id": "1" * 16}}
    with pytest.raises(MorelliError, match=r"another bundle.*--anew"):
        records.begin(other)
    assert records.has(f"{1:064x}"), "a refusal costs nothing"
    records.begin(other, anew=True)
    assert next(records.query("SELECT count(*) FROM verdicts")) == (0,)


def test_files_of_others_are_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE precious (x)")
    with pytest.raises(MorelliError, match="another program"):
        Records(tmp_path / "other.sqlite")
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(MorelliError, match="damaged"):
        Records(tmp_path / "text.sqlite")
    with Records(tmp_path / RECORDS) as own:
        own.begin(IDENTITY)
    with sqlite3.connect(tmp_path / RECORDS) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MorelliError, match="another version"):
        Records(tmp_path / RECORDS)


def test_names_that_are_no_text_survive(records):
    file, judged = made_up(0, np.random.default_rng(0))
    odd = file._replace(name="caf\udce9.png", path="/campaign/caf\udce9.png")
    records.write([(odd, None)], [judged])
    records.finish(by=[])
    assert next(records.verdicts())[0] == odd
    assert records.files_of(1) == ["caf\udce9.png"]


def test_parts_by_column_and_month(records):
    rng = np.random.default_rng(0)
    cells = [("v", "2026-01-02"), ("w", "2026-01-30 10:00"), (None, "2026-03-01"), ("v", None)]
    made = [made_up(i, rng) for i in range(4)]
    files = [(file._replace(values=own), None) for (file, _), own in zip(made, cells, strict=True)]
    records.write(files, [judged for _, judged in made])
    records.finish(by=["vendor", "date"])
    gathered = gather(records, len(CLASSES))
    assert gathered.part_names == {"vendor": ["v", "w", ""], "date": ["2026-01", "2026-03", ""]}
    assert gathered.rows_of("vendor", 0).tolist() == [0, 3]
    assert gathered.rows_of("date", 0).tolist() == [0, 1]


def test_a_person_gets_what_is_not_settled_once(records):
    rng = np.random.default_rng(0)
    kinds = ("attributed", "ambiguous", "unknown", "conflict")
    made = [made_up(i, rng, kinds[i % 4]) for i in range(40)]
    copy = made[1][0]._replace(seq=40, name="copy.png", path="/campaign/copy.png")
    lost = FileRow(41, "lost.png", "/campaign/lost.png", None, "lost.png: there is no such file", ())
    records.write([(file, None) for file, _ in made] + [(copy, None), (lost, None)], [judged for _, judged in made])
    records.finish(by=[])
    labels = [judged.verdict.label for _, judged in made[::4]]
    claimed = labels[0]
    found = list(for_review(records, {claimed}))
    settled = {file.path for (file, _), label in zip(made[::4], labels, strict=True) if label == claimed}
    assert 0 < len(settled) < 10
    assert [verdict.uri for verdict in found] == [
        *(file.path for file, _ in made if file.path not in settled), "/campaign/lost.png"
    ]  # fmt: skip
