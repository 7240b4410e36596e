from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from morelli.report import comparison_csv, comparison_table, render_comparison, write_comparison
from morelli.report.comparison import comparison_headline
from morelli.trials import Comparison, Score

from .pages import EVIL, check_self_contained


def score(attributor: str, references: int | None, accuracy: float, best: float) -> Score:
    curve = tuple((i / 20, (1 - accuracy) * i / 20) for i in range(1, 21))
    behind = best - accuracy
    values = {
        "attributor": attributor,
        "encoder": "forensic",
        "references": references,
        "n": 200,
        "n_unanswered": 0,
        "accuracy": accuracy,
        "low": accuracy - 0.05,
        "high": accuracy + 0.05,
        "top3": 0.9,
        "lineage": 0.8,
        "log_loss": 1.25,
        "ece": 0.03,
        "coverage": 0.91,
        "set_size": 3.4,
        "right_at_half": 0.77,
        "unknown_auroc": None,
        "n_unknown": 0,
        "fit_seconds": 1.5,
        "judge_microseconds": 1234.5,
        "behind": behind,
        "behind_low": behind and behind - 0.02,
        "behind_high": behind and behind + 0.02,
        "risk_curve": curve,
    }
    return Score(**values)


def comparison(names=("fused", "knn@dzanic-spectrum", "marra"), references=(5, 10), **changes) -> Comparison:
    scores = tuple(
        score(name, count, 0.6 - 0.1 * i + 0.01 * (count or 0), 0.6 + 0.01 * (count or 0))
        for i, name in enumerate(names)
        for count in references
    )
    values = {
        "scores": scores,
        "attributors": tuple(names),
        "references": tuple(references),
        "label": "model",
        "folds": 5,
        "repeats": 1,
        "hide": 0,
        "seed": 7,
        "level": 0.9,
        "hidden": ((),),
        "n_images": 200,
        "n_classes": 4,
        "n_clusters": 50,
        "chance": 0.25,
        "nuisance": 0.31,
        "prompt_known": True,
        "catalog": "0" * 64,
        "split": "1" * 64,
        "notes": ("One note.",),
    }
    return Comparison(**(values | changes))


def printed(c: Comparison) -> str:
    console = Console(width=240, file=io.StringIO())
    console.print(comparison_table(c))
    return console.file.getvalue()


def test_headline():
    text = comparison_headline(comparison())
    assert text.startswith("fused names the right model for 70 of 100 images (95% interval 65–75); knn@dzanic-spectrum")
    assert "is 10 points behind; chance 25; the container alone 31." in text
    close = comparison(
        names=("a", "b"), scores=(score("a", None, 0.6, 0.6), score("b", None, 0.59, 0.6)), references=(None,)
    )
    assert "b is 1.0 points behind, which may be chance" in comparison_headline(close)
    unmeasured = comparison(nuisance=None)
    assert "the container floor was not measured" in comparison_headline(unmeasured)
    unscored = replace(score("fused", None, 0.0, 0.0), accuracy=None, low=None, high=None)
    nothing = comparison(references=(None,), scores=(unscored,), names=("fused",))
    assert "Nothing could be measured" in comparison_headline(nothing)


def test_table():
    text = printed(comparison())
    lines = [line for line in text.splitlines() if "fused" in line or "marra" in line]
    assert [line.split()[:3] for line in lines] == [
        ["fused", "5", "65"],
        ["marra", "5", "45"],
        ["fused", "10", "70"],
        ["marra", "10", "50"],
    ]
    assert "best" in lines[0]
    assert "+20.0 (+18.0 to +22.0)" in lines[1]
    assert "AUROC" not in text
    assert "AUROC" in printed(comparison(hide=1, hidden=(("x",),)))
    assert "refs" not in printed(comparison(references=(None,)))


def test_silence_is_shown_where_there_is_any():
    mute = replace(score("mute", None, 0.5, 0.6), n_unanswered=40)
    some = comparison(("fused", "mute"), (None,), scores=(score("fused", None, 0.6, 0.6), mute))
    lines = printed(some).splitlines()
    assert any("no answer" in line for line in lines)
    assert next(line for line in lines if "mute" in line).count("40 of 200") == 1
    text = render_comparison(some, title="t")
    check_self_contained(text)
    assert "40 of 200" in text
    assert "counts as not right" in text
    assert comparison_csv(some).splitlines()[0].count("n_unanswered") == 1
    plain = comparison(references=(None,))
    assert "no answer" not in printed(plain)
    assert "o answer" not in render_comparison(plain, title="t")


def test_csv():
    rows = list(csv.DictReader(io.StringIO(comparison_csv(comparison()))))
    assert len(rows) == 6
    assert rows[0]["attributor"] == "fused"
    assert float(rows[0]["accuracy"]) == pytest.approx(0.65)
    assert rows[0]["unknown_auroc"] == ""
    assert rows[0]["seed"] == "7"
    assert "risk_curve" not in rows[0]
    everything = list(csv.DictReader(io.StringIO(comparison_csv(comparison(references=(None,), nuisance=None)))))
    assert everything[0]["references"] == everything[0]["nuisance"] == ""


def test_page():
    text = render_comparison(comparison(), title=f"Rivals {EVIL}")
    page = check_self_contained(text)
    assert text == render_comparison(comparison(), title=f"Rivals {EVIL}")
    assert EVIL not in text
    assert len(page.all("svg")) == 3
    assert "One note." in "".join(page.text)
    svgs = text.split("<svg")[1:]
    for svg in svgs:
        ElementTree.fromstring("<svg" + svg.split("</svg>")[0] + "</svg>")


def test_page_of_strangers():
    """Names of models are strangers' words; so are notes."""
    evil = comparison(names=(EVIL, "b"), hide=1, hidden=((EVIL,),), notes=(EVIL,), prompt_known=False)
    text = render_comparison(evil, title="t")
    check_self_contained(text)
    assert EVIL not in text
    assert "Prompts are not known" in text


def test_page_of_one_number():
    text = render_comparison(comparison(references=(None,)), title="t")
    page = check_self_contained(text)
    assert len(page.all("svg")) == 2, "no curve through one point"
    assert "All references" in text


def test_more_attributors_than_colours():
    names = tuple(f"rival-{i}" for i in range(14))
    check_self_contained(render_comparison(comparison(names=names), title="t"))


def test_three_files(tmp_path):
    paths = write_comparison(comparison(), tmp_path / "new", title="t")
    assert sorted(path.name for path in paths) == ["comparison.csv", "comparison.html", "comparison.json"]
    written = json.loads((tmp_path / "new" / "comparison.json").read_text(encoding="utf-8"))
    assert Comparison.from_dict(written) == comparison()
