from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from morelli.report import class_table, evidence_bars, evidence_rows, headline, metrics_table
from morelli.report._text import clean, lineage_order, per_hundred, shorten
from morelli.trials import summarise


@pytest.fixture(scope="module")
def metrics(make_predictions):
    return summarise(make_predictions(300, 6, 2, skill=0.5), 0.024)


def test_headline_speaks_of_a_hundred(metrics):
    m = replace(metrics, n=600, accuracy=0.6234, accuracy_low=0.58, accuracy_high=0.6612, chance=0.025)
    assert headline(m) == (
        "Names the right model for 62 of 100 images (95% interval 58–66); chance 2.5; the container alone 2.4."
    )


def test_headline_counts_when_there_are_few(metrics):
    m = replace(metrics, n=8, accuracy=0.625, accuracy_low=None, accuracy_high=None, nuisance=None)
    assert headline(m).startswith("Names the right model for 5 of 8 images (no interval: all images share one prompt")
    assert headline(m).endswith("the container floor was not measured.")
    assert "1 of 1 image (" in headline(replace(m, n=1, accuracy=1.0))


def test_headline_without_a_measurement(metrics):
    assert headline(replace(metrics, accuracy=None)).startswith("Nothing could be measured")


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0"), (0.0949, "9.5"), (0.0999, "10"), (0.995, "99.5"), (0.99999, "100"), (1.0, "100"), (-0.002, "-0.2")],
)
def test_per_hundred(share, words):
    assert per_hundred(share) == words


def test_clean_and_shorten():
    assert clean("a\udcffb\x00c\n") == "a�b�c\n".replace(
        "a�", "a" + "\udcff".encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    )
    assert shorten("abc", 3) == "abc"
    assert len(shorten("x" * 100, 17)) == 17
    assert shorten("abcdef", 1) == "…"


def test_lineage_order_is_by_size_then_name():
    assert lineage_order(["d", "c", "b", "a"], ["S", None, "L", "L"]) == [3, 2, 0, 1]


def test_evidence_rows_rank_and_scale():
    evidence = {"weak": {"a": 0.5, "b": 0.4}, "strong": {"a": -2.0, "b": 1.0}, "silent": {"b": 1.0, "a": float("nan")}}
    rows = evidence_rows(evidence, "a", "b")
    assert [(r.family, pytest.approx(r.value), pytest.approx(r.length)) for r in rows] == [
        ("strong", -3.0, 1.0),
        ("weak", 0.1, 1 / 30),
    ]
    assert [r.family for r in evidence_rows(evidence, "b")] == ["strong", "silent", "weak"]
    assert evidence_rows({}, "a") == []


def test_evidence_bars_escape_and_lie_on_the_right_side():
    html = evidence_bars({"<b>": {"a": 1.0}, "down": {"a": -1.0}}, "a")
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert 'class="for" style="--v:50.0%"' in html and 'class="against" style="--v:50.0%"' in html
    assert "−1.0" in html


def text_of(table) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    return console.export_text()


def test_terminal_tables(metrics, make_predictions):
    text = text_of(metrics_table(metrics, title="[bold]x"))
    for words in ("right model", "chance", "container alone", "lift", "95% interval", "unreadable", "[bold]x", "AUROC"):
        assert words in text
    assert "of the answered" not in text
    silent = text_of(metrics_table(replace(metrics, n_unanswered=40, accuracy_answered=0.875)))
    assert "right of the answered" in silent
    assert "88" in next(line for line in silent.splitlines() if "without an answer count as not right" in line)
    odd = make_predictions(60, 3, names=["[red]a", "b", "c"], lineages=[None, "[/]", "L"])
    assert "[red]a" in text_of(class_table(summarise(odd)))
    text_of(metrics_table(summarise(odd.take([]))))
    text_of(class_table(summarise(odd.take([]))))
