from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morelli.errors import MorelliError
from morelli.report.sections import render_sections, section_tables, sections_headline, write_sections
from morelli.studies.findings import Findings
from morelli.studies.section import Section

from .pages import EVIL, check_self_contained
from .study_results import BARS, HEAT, LINES, SCATTER, TABLE

ABOUT = {"command": "morelli leaderboard exposure café.parquet", "seed": 3, "settings": {"tau": 0.9}}


def section(name="exposure", **changes):
    findings = Findings(("Most is exposed.", "More."), (TABLE,), (LINES, BARS, HEAT, SCATTER), ("Mind this.",))
    long = {"prompts": pa.table({"prompt": ["=1+1", "b"], "share": [0.5, float("nan")]})}
    return replace(Section(name, "Exposure", "How much?", findings, long), **changes)


def test_two_sections_of_equal_tables_do_not_overwrite_each_other(tmp_path):
    files = write_sections([section(), section("votes", title="Votes")], tmp_path, title="Board", provenance=ABOUT)
    assert len(files) == len(set(files)) and all(path.is_file() for path in files)
    names = {path.relative_to(tmp_path).as_posix() for path in files}
    assert {f"tables/exposure-{TABLE.name}.csv", f"tables/votes-{TABLE.name}.csv"} <= names
    page = check_self_contained(files[0].read_text(encoding="utf-8"), names)
    assert "Votes" in page.text and ABOUT["command"] in page.text
    assert pq.read_table(tmp_path / "votes-prompts.parquet").num_rows == 2
    assert "'=1+1" in (tmp_path / "exposure-prompts.csv").read_text(encoding="utf-8")
    document = json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))
    assert [part["name"] for part in document["sections"]] == ["exposure", "votes"]
    assert document["provenance"]["settings"] == {"tau": 0.9}
    assert document["sections"][0]["findings"]["sentences"][0] == "Most is exposed."


def test_a_second_run_removes_what_it_does_not_make(tmp_path):
    write_sections([section(), section("votes")], tmp_path, title="Board", provenance={})
    (tmp_path / "figures" / "own.png").write_bytes(b"mine")
    write_sections([section()], tmp_path, title="Board", provenance={})
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert "own.png" in left and not any(name.startswith("votes-") for name in left)


def test_the_same_sections_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write_sections([section()], tmp_path / folder, title="Board", provenance=ABOUT)
    ours = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(ours) > 8
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in ours)


def test_hostile_text_stays_text():
    evil = section(title=EVIL, question=EVIL, findings=Findings((EVIL,), notes=(EVIL,)))
    page = render_sections([evil], title=EVIL, provenance={"command": EVIL, "catalog": EVIL})
    assert EVIL not in page
    check_self_contained(page, {"leaderboard.json", "exposure-prompts.csv", "exposure-prompts.parquet"})


def test_a_section_that_found_nothing_says_so():
    empty = section(findings=Findings(), long={})
    assert "Nothing could be measured." in render_sections([empty], title="Board", provenance={})
    assert sections_headline([empty, section("more")]) == "Most is exposed."
    assert sections_headline([empty]) == "Nothing could be measured."


@pytest.mark.parametrize("sections", [[], [section(), section()]])
def test_sections_need_names_of_their_own(tmp_path, sections):
    with pytest.raises(MorelliError, match="different names"):
        write_sections(sections, tmp_path, title="Board", provenance={})
    assert not any(tmp_path.iterdir())


def test_tables_for_the_terminal():
    assert len(section_tables(section())) == 1


def test_the_audit_desk_has_its_own_names(tmp_path):
    files = write_sections([section()], tmp_path, title="Drift", provenance=ABOUT, desk="audit")
    assert [path.name for path in files[:2]] == ["audit.html", "audit.json"]
    page = files[0].read_text(encoding="utf-8")
    assert "leaderboard.json" not in page and 'href="audit.json"' in page
    with pytest.raises(ValueError, match="desk"):
        write_sections([section()], tmp_path, title="Drift", provenance=ABOUT, desk="../x")
