from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from morelli.report.robustness import (
    render_robustness,
    robustness_csv,
    robustness_figure,
    robustness_headline,
    robustness_table,
    write_robustness,
)
from morelli.trials import Robustness, RobustnessRow

from .pages import EVIL, check_self_contained


def row(trained: str, view: str | None, known: bool | None, accuracy: float | None, bucket: str | None = None):
    sets = 0 if view is None else 40
    together = None if view is None else accuracy
    return RobustnessRow(
        trained, view, bucket, known, 50, accuracy, accuracy, accuracy, accuracy, 1.2, 0.04, 0.5, 0.9, 3.2, 0.05,
        0.01 if trained == "views" else None, sets, together, together, together,
    )  # fmt: skip


@pytest.fixture
def study() -> Robustness:
    rows = (
        row("clean", "none", True, 0.8), row("views", "none", True, 0.81),
        row("clean", "noise:4", False, 0.2), row("views", "noise:4", False, 0.4),
        row("clean", "jpeg:85", False, 0.3), row("views", "jpeg:85", True, 0.6),
        row("clean", None, None, 0.4, "small/clean"), row("views", None, None, None, "small/clean"),
    )  # fmt: skip
    return Robustness(
        rows, ("none", "jpeg:85"), ("none", "noise:4", "jpeg:85"), "model", "forensic", 5, 8, 0, 0.9, 0.05, 50, 10, 12,
        0.1, True, "0" * 64, "1" * 64, ("A note.",),
    )  # fmt: skip


def test_headline(study):
    assert robustness_headline(study) == (
        "Of 100 untouched images 81 are named rightly with training on views, 80 without; in 1 view known to "
        "training 60 with it, 30 without; in 1 view never seen 40 with it, 20 without; chance 10."
    )
    only = replace(study, test_views=("noise:4",), rows=study.rows[2:4])
    assert robustness_headline(only) == "In 1 view never seen 40 with it, 20 without; chance 10."


def test_table(study):
    out = io.StringIO()
    Console(file=out, width=200).print(robustness_table(study))
    text = out.getvalue()
    assert "unseen: noise:4" in text and "unseen: jpeg:85" not in text and "jpeg:85" in text
    assert "8 together" in text and "small/clean" in text


def test_csv_has_all_rows(study):
    rows = list(csv.DictReader(io.StringIO(robustness_csv(study))))
    assert [one["view"] for one in rows] == ["none", "none", "noise:4", "noise:4", "jpeg:85", "jpeg:85", "", ""]
    assert float(rows[1]["accuracy"]) == 0.81 and rows[7]["accuracy"] == "" and rows[0]["chance"] == "0.1"


def test_figure_marks_what_was_never_seen(study):
    svg = robustness_figure(study)
    ElementTree.fromstring(svg)
    assert "never seen in training" in svg
    assert svg.index("jpeg:85") < svg.index("noise:4")
    assert "noise:4, trained in views: 40%" in svg
    known = replace(study, test_views=("none",), rows=study.rows[:2])
    assert "never seen in training" not in robustness_figure(known)


def test_page(study):
    text = render_robustness(study, title="Robustness on x")
    check_self_contained(text)
    for words in ("Robustness on x", "A note.", "never seen", "8 together", "small/clean", "untouched"):
        assert words in text
    assert "Prompts are not known" in render_robustness(replace(study, prompt_known=False), title="x")


def test_foreign_words_are_escaped(study):
    rows = tuple(replace(one, bucket=None if one.bucket is None else EVIL) for one in study.rows)
    text = render_robustness(replace(study, rows=rows, notes=(EVIL,)), title=EVIL)
    check_self_contained(text)
    assert EVIL not in text


def test_files(study, tmp_path):
    paths = write_robustness(study, tmp_path / "deep" / "out", title="x")
    assert [path.name for path in paths] == ["robustness.json", "robustness.csv", "robustness.svg", "robustness.html"]
    before = [path.read_bytes() for path in paths]
    assert Robustness.from_dict(json.loads(before[0])) == study
    write_robustness(study, tmp_path / "deep" / "out", title="x")
    assert [path.read_bytes() for path in paths] == before
