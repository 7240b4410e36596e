from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.defence import ImageQuality, defence_section, evaluate_container
from morelli.studies.findings import BarChart, ScatterChart

from .test_results import HALF, RIGHT, WRONG, encounter, judged

QUALITY = ImageQuality(np.array([4, 2]), *(np.array([a, b]) for a, b in (
    (30.0, 40.0), (0.9, 0.7), (0.1, 0.2), (0.01, 0.03), (3.0, 8.0))))  # fmt: skip


def results():
    first = judged(quality=QUALITY, notes=["common"])
    weak = judged(adaptive={"retrains": [encounter(WRONG)]}, notes=["common", "of one"])
    return [replace(first, name="one"), replace(weak, name="two", details={"held out": "no"})]


def test_the_conclusion_comes_first_and_has_its_numbers():
    section = defence_section(results(), encoder="clip", references=3)
    first = section.findings.sentences[0]
    assert "two" in first and "0.0%" in first and "100.0%" in first and "n = 16" in first and "50.0%" in first
    assert "chance alone" not in first and "of 2 defences two takes most from the attack, 100.0 points" in first
    assert any("does not know" in sentence and "50.0%" in sentence for sentence in section.findings.sentences)
    assert any("two was made against the attack's own encoder" in sentence for sentence in section.findings.sentences)
    assert section.findings.notes == ("common", "two: of one")


def test_a_defence_that_does_nothing_is_said_to():
    useless = judged(adaptive={"retrains": [encounter(RIGHT)]})
    first = defence_section([useless], encoder="clip", references=3).findings.sentences[0]
    assert "x takes from the attack, 0.0 points" in first and "chance alone" in first


def test_tables_and_charts_hold_the_results():
    section = defence_section(results(), encoder="clip", references=3)
    summary, attackers = section.findings.tables
    names = [column.name for column in summary.columns]
    rows = [dict(zip(names, row, strict=True)) for row in summary.rows]
    assert [row["defence"] for row in rows] == ["two", "one"]
    assert rows[1]["ssim"] == pytest.approx(0.8) and rows[1]["psnr"] == 35 and rows[1]["largest"] == 8
    assert rows[0]["ssim"] is None and rows[1]["best"] == 0.5 and rows[1]["unaware"] == 0
    assert all(len(row) == len(attackers.columns) for row in attackers.rows) and len(attackers.rows) == 4 + 3
    bars, frontier = section.findings.charts
    assert isinstance(bars, BarChart) and len(bars.bars) == 4 and isinstance(frontier, ScatterChart)
    assert {name: (x, y) for name, x, y in frontier.points} == {
        "no defence": (1.0, 1.0), "one": (pytest.approx(0.8), 0.5), "two": (1.0, 0.0),
    }  # fmt: skip


def test_long_tables_hold_all_that_was_measured():
    long = defence_section(results(), encoder="clip", references=3).long
    rows = long["defence-attackers"].to_pylist()
    assert [row["role"] for row in rows[:6]] == ["before", "unaware", "adaptive", "adaptive", "best", "optimistic"]
    assert all(row["knows"] for row in rows if row["role"] in ("adaptive", "best"))
    quality = long["defence-quality"].to_pylist()
    assert [(row["row"], row["ssim"], row["largest"]) for row in quality] == [(4, 0.9, 3.0), (2, 0.7, 8.0)]


def test_figures_that_are_undefined_are_none():
    endless = ImageQuality(np.array([1]), *(np.array([v]) for v in (np.inf, np.nan, np.nan, 0.0, 0.0)))
    result = judged(quality=endless)
    section = defence_section([result], encoder="clip", references=1)
    assert section.findings.values["defences"]["x"]["quality"]["psnr"] is None
    assert len(section.findings.charts) == 1
    assert section.long["defence-quality"].to_pylist()[0]["psnr"] is None


def test_containers_have_their_own_sentence(catalog, folder):
    container = evaluate_container(catalog, folder)
    alone = defence_section([], container, encoder="clip", references=3)
    assert "before" in alone.findings.sentences[0] and "length of the files" in alone.findings.sentences[0]
    assert alone.findings.tables[0].rows[0][1] == container.before.accuracy and alone.long == {}
    both = defence_section(results(), container, encoder="clip", references=3)
    assert len(both.findings.tables) == 3 and "container" in both.findings.values


def test_bad_arguments():
    with pytest.raises(MorelliError, match="nothing to report"):
        defence_section([], encoder="clip", references=1)
    with pytest.raises(MorelliError, match="reported once"):
        defence_section([judged(), judged(adaptive={"r": [encounter(HALF)]})], encoder="clip", references=1)
