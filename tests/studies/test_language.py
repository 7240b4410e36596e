from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import CatalogError, MorelliError, NotEnoughDataError
from morelli.studies import frame_of, get_study, make_study, run_study
from morelli.studies.findings import ScatterChart

from ._planted import crop, photographs, tinted, write_catalog

LANGUAGES = ("en", "ja", "tr")
PROMPTS = 10
TINTS = {"en": (0, 0, 0), "ja": (50, 0, -30), "tr": (-30, 0, 50)}
OPTIONS = {"attributors": ["logistic@forensic[colour]"], "folds": 5}


def planted(rng):
    """Models that follow the prompt, follow it with a tint for each language, and paint by the language only."""
    pictures = photographs(PROMPTS + len(LANGUAGES))
    scenery = dict(zip(LANGUAGES, pictures[PROMPTS:], strict=True))
    for prompt in range(PROMPTS):
        for language in LANGUAGES:
            labels = {"prompt_id": f"p{prompt}", "language": language}
            own = pictures[prompt]
            yield crop(own, rng), {**labels, "model": "follows"}
            yield tinted(crop(own, rng), TINTS[language]), {**labels, "model": "tints"}
            yield crop(scenery[language], rng), {**labels, "model": "stock scenery"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("languages"), planted(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def frame(catalog):
    return frame_of(catalog, get_study("language"), OPTIONS)


@pytest.fixture(scope="module")
def result(frame):
    return run_study(make_study("language"), frame, jobs=1)


def table(result, name):
    found = next(table for table in result.findings.tables if table.name == name)
    names = [column.name for column in found.columns]
    return [dict(zip(names, row, strict=True)) for row in found.rows]


def test_the_language_is_told_where_it_was_planted(frame, result):
    assert frame.label == "language" and result.provenance.label == "language"
    rows = {row["made_by"]: row for row in table(result, "accuracy")}
    assert set(rows) == {"follows", "tints", "stock scenery"}
    for name in ("tints", "stock scenery"):
        assert rows[name]["accuracy"] > 0.6 and rows[name]["p_adjusted"] < 0.01
    assert rows["follows"]["p_adjusted"] > 0.05
    assert all(row["chance"] == pytest.approx(1 / 3) and row["n"] == 30 for row in rows.values())
    assert all(row["null_mean"] == pytest.approx(1 / 3, abs=0.1) for row in rows.values())
    assert all(row["p_adjusted"] >= row["p"] for row in rows.values())
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows.values())


def test_giving_the_language_away_is_a_failure_only_where_the_prompt_is_ignored(result):
    rows = {row["made_by"]: row for row in table(result, "followed")}
    assert rows["follows"]["governed_by"] == "prompt"
    assert rows["stock scenery"]["governed_by"] == "language"
    assert rows["stock scenery"]["prompt_low"] < 0.1 < rows["follows"]["prompt_low"]
    assert rows["stock scenery"]["language_low"] > rows["tints"]["language_share"] > rows["follows"]["language_share"]
    first, *_ = result.findings.sentences
    assert first.startswith("2 of 3 models give the language of the prompt away") and "follows" not in first
    failure = [line for line in result.findings.sentences if "which is a failure" in line]
    assert len(failure) == 1 and failure[0].startswith("stock scenery gives it away")
    assert len(table(result, "by-language")) == 9


def test_figures_hold_the_papers_models_marked(result):
    bars = next(chart for chart in result.findings.charts if chart.name == "accuracy").bars
    assert [bar.label for bar in bars if not bar.paper] == ["follows", "stock scenery", "tints"]
    assert {bar.value for bar in bars if bar.paper} >= {0.212, 0.540} and sum(bar.paper for bar in bars) == 7
    assert all(bar.low is None for bar in bars if bar.paper)
    points = next(chart for chart in result.findings.charts if isinstance(chart, ScatterChart)).points
    assert len(points) == 3


def test_prompts_with_a_name_for_each_language_are_not_tested(frame, catalog):
    """Without a prompt in two languages nothing is exchangeable, and nothing can be compared."""
    apart = [f"{p} {x}" for p, x in zip(catalog.column("prompt_id"), catalog.column("language"), strict=True)]
    found = run_study(make_study("language"), replace(frame, catalog=catalog.with_column("prompt_id", apart)), jobs=1)
    assert found.findings.sentences[0] == "Whether images give the language away could not be tested."
    assert any("same prompt_id" in note for note in found.findings.notes)
    assert sum("cannot be told" in note for note in found.findings.notes) == 3
    assert [table.name for table in found.findings.tables] == ["accuracy"]


def test_an_encoder_for_content_is_named(frame, catalog):
    one = catalog.filter(catalog.column("model") == "follows")
    study = make_study("language", {"content": "forensic[layout]"})
    found = run_study(study, replace(frame, catalog=one), jobs=1)
    assert found.findings.values["content"] == "forensic[layout]"
    assert any("as forensic[layout] sees them" in table.title for table in found.findings.tables)


@pytest.mark.parametrize(
    ("settings", "change", "error", "words"),
    [
        ({"by": "language"}, {}, MorelliError, "to be told"),
        ({"by": "artist"}, {}, CatalogError, "artist"),
        ({}, {"language": ["en"] * 90}, NotEnoughDataError, "two or more"),
        ({}, {"language": [None] * 90}, NotEnoughDataError, "none"),
    ],
)
def test_a_catalog_that_cannot_answer_is_refused(frame, catalog, settings, change, error, words):
    for name, values in change.items():
        catalog = catalog.with_column(name, values)
    with pytest.raises(error, match=words):
        make_study("language", settings).trials(replace(frame, catalog=catalog))
