from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from morelli.errors import MorelliError
from morelli.studies import Frame, make_study, run_study
from morelli.studies.paired import difference
from morelli.studies.pipelines import Pipelines, by_lineage

from ._sample import MODELS, catalog_of, chart, rows, sample_rows
from .test_paired import table

FIRST = "logistic@forensic[spectrum,sharpness]"
STUDY = Pipelines(mixture=("none", "blur:1"))
SHARED = MODELS[:3]


def blurred(folder: Path, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Save all images again by another pipeline, which softens them."""
    result = []
    for number, row in enumerate(rows):
        path = folder / f"{number}.png"
        Image.open(row["path"]).convert("RGB").filter(ImageFilter.GaussianBlur(1.0)).save(path)
        result.append({**row, "path": str(path), "source": "soft"})
    return result


@pytest.fixture(scope="module")
def frame(tmp_path_factory) -> Frame:
    """Three models from two pipelines and a fourth, of the third's lineage, from one; twelve photographs."""
    folder = tmp_path_factory.mktemp("pipelines")
    plain = [{**row, "source": "plain"} for row in sample_rows() if row["model"] in SHARED]
    soft = blurred(folder, [row for row in sample_rows() if row["model"] in (*SHARED[:2], MODELS[3])])
    return Frame(catalog_of(folder, plain + soft), (FIRST,), folds=2)


def test_every_source_is_judged_by_every_source(frame):
    trials = STUDY.trials(frame)
    assert len(trials) == 2 * 4 * 2
    assert {(trial.cell["from"], trial.cell["to"]) for trial in trials} == {
        (one, other) for one in ("plain", "soft") for other in ("plain", "soft")
    }
    for trial in trials:
        assert trial.train.where == {"source": (trial.cell["from"],)}
        assert trial.test.where == {"source": (trial.cell["to"],)}
        assert trial.train_views == (("none", "blur:1") if trial.cell["trained"] == "degraded" else ("none",))


def test_no_prompt_is_on_both_sides(frame, outcomes):
    for outcome in outcomes:
        # Half of the prompts, three models.
        assert (outcome.n_references, len(outcome.predictions)) == (18, 18)


def test_models_without_references_do_not_count_but_are_judged(results):
    cell = results.cell(trained="clean", **{"from": "plain", "to": "soft"})
    assert (cell.measures["n"], cell.measures["n_unknown"]) == (24, 12)
    home = results.cell(trained="clean", **{"from": "soft", "to": "soft"})
    assert (home.measures["n"], home.measures["n_unknown"]) == (36, 0)


def test_another_pipeline_costs_and_references_that_went_through_it_help(results, findings):
    assert findings.values["cost"]["clean"] > 0.1
    assert findings.values["experts"] > 0
    gaps = {(row["trained"], row["from"], row["to"]): row for row in rows(findings, "cost")}
    away, home = (results.cell(trained="clean", **{"from": one, "to": "soft"}) for one in ("plain", "soft"))
    row = gaps["clean", "plain", "soft"]
    direct = difference([(home, away)])
    assert direct is not None
    assert (row["home"], row["away"], row["points"], row["n"]) == (direct.first, direct.second, direct.points, 24)
    assert row["away"] == away.accuracy


def test_heat_maps_hold_the_cells(results, findings):
    for trained in ("clean", "degraded"):
        heat = chart(findings, f"accuracy-{trained}")
        assert heat.rows == heat.columns == ("plain", "soft")
        for one, row in zip(heat.rows, heat.values, strict=True):
            for other, value in zip(heat.columns, row, strict=True):
                assert value == results.cell(trained=trained, **{"from": one, "to": other}).accuracy
    signed = chart(findings, "experts")
    assert signed.signed
    expected = chart(findings, "accuracy-degraded").values[0][1] - chart(findings, "accuracy-clean").values[0][1]
    assert signed.values[0][1] == pytest.approx(expected)


def test_by_lineage_images_of_other_models_count(results, findings):
    table = {(row["trained"], row["from"], row["to"]): row for row in rows(findings, "accuracy")}
    # The fourth model has no references among the plain ones, but its lineage has.
    assert table["clean", "plain", "soft"]["n_lineage"] == 36
    assert table["clean", "plain", "soft"]["n"] == 24
    assert chart(findings, "lineage-clean").values[0][1] == table["clean", "plain", "soft"]["any_lineage"]
    assert any("whatever their model" in sentence for sentence in findings.sentences)


def test_right_lineages_by_hand(frame):
    catalog = frame.catalog.take(range(4)).with_column("lineage", ["x", "x", None, "z"])
    catalog = catalog.with_column("model", ["a", "c", "b", "d"])
    ids = list(catalog.column("image_id"))
    answers = table([[0.4, 0.35, 0.25]] * 4, ["a", "c", "b", "d"], range(4), ("a", "b", "e"))
    answers = replace(answers, image_id=ids, lineages=("x", None, "b"))
    counts, hit = by_lineage(catalog, "model")(answers)
    # e is of the lineage b, which b without a lineage stands for: together they have 0.6.
    assert counts.tolist() == [True, True, True, False]
    assert hit.tolist() == [False, False, True, False]


def test_lineages_can_be_what_is_told(frame, results):
    study = replace(STUDY, lineage=True)
    findings = study.find(frame, results)
    by_model = STUDY.find(frame, results)
    assert findings.sentences[0].startswith(
        f"With untouched references of another source, {FIRST} names the right lineage"
    )
    # Three models of three lineages learn from either source.
    assert "chance 33" in findings.sentences[0]
    assert {row["n"] for row in rows(findings, "cost")} == {36}
    assert findings.values["accuracy"] == by_model.values["accuracy"]
    assert not any("whatever" in sentence for sentence in findings.sentences)
    learned = replace(frame, label="lineage")
    assert {trial.label for trial in study.trials(learned)} == {"lineage"}


def test_sources_that_share_nothing_are_said_to(frame, cache):
    catalog = frame.catalog
    source, model = catalog.column("source"), catalog.column("model")
    keep = np.where(source == "plain", np.isin(model, SHARED[1:]), np.isin(model, [SHARED[0], MODELS[3]]))
    result = run_study(
        Pipelines(train_views=("clean",)), replace(frame, catalog=catalog.filter(keep)), cache=cache, jobs=1
    )
    assert result.findings.sentences[0].startswith("No image of one source could be judged")
    heat = chart(result.findings, "accuracy-clean")
    assert heat.values[0][1] is None and heat.values[0][0] is not None


def test_a_source_of_one_model_cannot_teach_and_is_named(frame, cache):
    source, model = frame.catalog.column("source"), frame.catalog.column("model")
    catalog = frame.catalog.filter((source == "plain") | (model == SHARED[0]))
    result = run_study(Pipelines(train_views=("clean",)), replace(frame, catalog=catalog), cache=cache, jobs=1)
    assert any("from soft, to plain missing" in line and "one class only" in line for line in result.missing)
    assert chart(result.findings, "accuracy-clean").values[1] == (None, None)


def test_images_without_a_source_are_counted_in_a_note(frame, results):
    half = [None if i < 5 else value for i, value in enumerate(frame.catalog.column("source"))]
    findings = STUDY.find(replace(frame, catalog=frame.catalog.with_column("source", half)), results)
    assert any(note.startswith("5 labelled images have no value in the column source") for note in findings.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"column": "domain"}, "is empty"),
        ({"column": "pipeline"}, "no column 'pipeline'"),
        ({"column": "model"}, "is what is told"),
        ({"train_views": "clean,dirty"}, "different ones of clean, degraded"),
        ({"train_views": ""}, "not: none"),
    ],
)
def test_settings_that_make_no_sense(frame, settings, said):
    with pytest.raises(MorelliError, match=said):
        make_study("pipelines", settings).trials(frame)


def test_one_source_is_no_change_of_pipeline(frame):
    with pytest.raises(MorelliError, match='All images have "one" in the column "source"'):
        one = frame.catalog.with_column("source", ["one"] * len(frame.catalog))
        STUDY.trials(replace(frame, catalog=one))
