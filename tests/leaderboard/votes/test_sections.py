from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.leaderboard.votes import (
    LEFT,
    Price,
    Recognition,
    Votes,
    detection_section,
    detection_study,
    fit_ratings,
    judge_voters,
    manipulation_section,
    online_elo,
    ratings_section,
    simulate_board,
    simulate_votes,
    spread_strengths,
    voters_section,
    votes_needed,
)
from morelli.report.sections import write_sections

NAMES = ("a", "<b>", "c, d", "ü", "=e")


@pytest.fixture(scope="module")
def votes():
    return simulate_votes(spread_strengths(5, 100), 3000, models=NAMES, voters=60, seed=0)


@pytest.fixture(scope="module")
def rigging(votes):
    return votes_needed(
        votes,
        Recognition(NAMES, np.column_stack([40 * np.eye(5) + 2, np.zeros(5)])),
        "c, d",
        ranks=(1, 2, 3),
        defences=("none", "probation:5", "remove:presence"),
        price=Price(0.1, 2, 5, 1.0, 40),
        simulations=3,
        budget=3000,
    )


@pytest.fixture(scope="module")
def study(votes):
    return detection_study(
        votes,
        Recognition.perfect(NAMES),
        "c, d",
        defences=("none", "probation:5", "remove:presence"),
        votes_per_account=(10, 40),
        accounts=10,
        voters=60,
        repeats=2,
    )


def sound(section):
    """Every row fits its columns, shares are shares, and values are JSON."""
    findings = section.findings
    assert findings.sentences
    json.dumps(findings.values, allow_nan=True)
    for table in findings.tables:
        assert len({column.name for column in table.columns}) == len(table.columns)
        for row in table.rows:
            assert len(row) == len(table.columns)
            for value, column in zip(row, table.columns, strict=True):
                if column.kind == "share" and value is not None:
                    assert 0 <= value <= 1, (table.name, column.name)
    for chart in findings.charts:
        for series in getattr(chart, "series", ()):
            assert all(0 <= point.y <= 1 for point in series.points)
    return findings


def test_ratings(votes):
    ratings = fit_ratings(votes)
    section = ratings_section(ratings, online_elo(votes, orders=5))
    findings = sound(section)
    assert findings.sentences[0].startswith("a leads 5 models with a rating of ")
    assert "3,000 votes by" in findings.sentences[0]
    assert "Online Elo with K = 4" in findings.sentences[2]
    table = findings.tables[0]
    assert [row[1] for row in table.rows] == [NAMES[i] for i in ratings.order]
    assert table.rows[0][2] == pytest.approx(ratings.rating.max())
    assert section.long["models"].num_rows == 5
    bars = findings.charts[0].bars
    assert all(bar.low <= bar.value <= bar.high for bar in bars)
    heat = findings.charts[1]
    assert heat.values[0][1] + heat.values[1][0] == pytest.approx(1)
    anchored = ratings_section(fit_ratings(votes, anchor=("ü", 500.0))).findings.charts[0].bars
    assert [bar.value for bar in anchored] == pytest.approx([bar.value for bar in bars])


def test_ratings_that_do_not_tell_models_apart():
    votes = Votes.of(["a", "b"], ["b", "a"], [LEFT, LEFT])
    findings = sound(ratings_section(fit_ratings(votes)))
    assert "1 other model may be the first as well" in findings.sentences[0]


def test_manipulation(rigging):
    section = manipulation_section(rigging)
    findings = sound(section)
    first = findings.sentences[0]
    row = min((r for r in rigging.rows if r.ranks == 1 and r.defence == "none"), key=lambda r: r.battles)
    assert first.startswith(f"{row.battles:,.0f} battles looked at (95% of 3 simulations ")
    assert f"for ${row.dollars:,.0f}." in first
    assert "cannot move up by 3 ranks from rank 3 of 5" in findings.sentences[2]
    assert "recognise 84 in 100 images (95% interval" in findings.sentences[3]
    assert "n 250, chance 20" in findings.sentences[3]
    assert {r[0] for r in findings.tables[0].rows} == {"target-only:abstain", "omnipresent:abstain"}
    assert not findings.unanswered
    assert section.long["needed"].num_rows == len(rigging.rows)


def test_manipulation_that_cannot_be():
    board = simulate_board(NAMES, 3000, "a", rank=1, seed=1)
    found = votes_needed(board, Recognition.perfect(NAMES), "a", ranks=(1,), simulations=1)
    findings = sound(manipulation_section(found))
    assert findings.sentences[0] == "a is first already and cannot move up."
    assert findings.unanswered
    assert "assumed and not measured" in findings.sentences[1]
    last = votes_needed(board, Recognition.chance(NAMES), "a", ranks=(1,), direction="down", simulations=2, budget=50)
    words = sound(manipulation_section(last)).sentences[0]
    assert words == "Within 50 battles no strategy moves a down by 1 rank from rank 1 for sure."


def test_detection(rigging, study):
    section = detection_section(study, rigging)
    findings = sound(section)
    assert findings.sentences[0].startswith("Of target-only:abstain, the best test finds ")
    assert [table.name for table in findings.tables] == ["defences", "power", "roc", "pace"]
    assert len(findings.tables[0].rows) == 6
    assert section.long["detected"].num_rows == len(study.detected)
    assert section.long["roc"].num_rows == len(study.roc)
    alone = sound(detection_section(study))
    assert [table.name for table in alone.tables] == ["power", "roc", "pace"]


def test_voters(votes):
    section = voters_section(votes, *judge_voters(votes), "combined")
    findings = sound(section)
    assert "of 60 voters" in findings.sentences[0]
    assert len(findings.tables[0].rows) == 20
    tested = section.long["tested"].to_pydict()
    assert tested["p"] == sorted(tested["p"])
    assert sum(tested["n"]) == len(votes)


def test_all_are_written_and_alike_the_second_time(votes, rigging, study, tmp_path):
    def write(name):
        sections = [
            manipulation_section(rigging),
            detection_section(study, rigging),
            ratings_section(fit_ratings(votes)),
            voters_section(votes, *judge_voters(votes), "combined"),
        ]
        write_sections(sections, tmp_path / name, title="Votes", provenance={"command": "none"})
        return {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}

    first = write("one")
    assert first == write("two")
    page = (tmp_path / "one" / "leaderboard.html").read_text(encoding="utf-8")
    assert "<b>" not in page.replace("<b></b>", "")
    assert "&lt;b&gt;" in page
