from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.studies import Frame, make_study, run_study

from ._planted import crop, photographs, tinted, write_catalog

PROMPTS = 9
BLOCKS = "logistic@forensic[block-dct]"
COLOUR = "knn@forensic[colour]"


def confounded(rng):
    """Models without any trace of their own, whose images were saved with another JPEG quality."""
    for prompt, picture in enumerate(photographs(PROMPTS)):
        for model, quality in (("m0", "95"), ("m1", "40")):
            yield crop(picture, rng), {"model": model, "prompt_id": f"p{prompt}", "save": quality}
            yield crop(picture, rng), {"model": model, "prompt_id": f"p{prompt}", "save": quality}


def leaking(rng):
    """Models that tint every prompt in their own way, each time another: only a leaking split can know."""
    for prompt, picture in enumerate(photographs(PROMPTS)):
        for model in ("m0", "m1", "m2"):
            shift = rng.uniform(-70, 70, 3)
            for _ in range(4):
                yield tinted(crop(picture, rng), shift), {"model": model, "prompt_id": f"p{prompt}"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    catalog = write_catalog(tmp_path_factory.mktemp("saved otherwise"), confounded(np.random.default_rng(0)))
    frame = Frame(catalog, (BLOCKS,), folds=3)
    return run_study(make_study("independence", {"controls": "jpeg:70,blur:3|resize:64|jpeg:70"}), frame, jobs=1)


@pytest.fixture(scope="module")
def leaky_catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("leaking prompts"), leaking(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def leaky(leaky_catalog):
    return run_study(
        make_study("independence", {"controls": "jpeg:90"}),
        Frame(leaky_catalog, (COLOUR,), folds=3, seeds=(0, 1)),
        jobs=1,
    )


def table(result, name):
    found = next(table for table in result.findings.tables if table.name == name)
    names = [column.name for column in found.columns]
    return [dict(zip(names, row, strict=True)) for row in found.rows]


def test_how_files_were_saved_is_found_and_a_control_takes_it_away(saved):
    assert saved.findings.values["floor"]["accuracy"] == 1.0
    arms = {(row["split"], row["control"]): row for row in table(saved, "arms")}
    honest = arms["prompts held out", "none"]
    assert honest["accuracy"] > 0.9 and honest["n"] == 36 and honest["chance"] == 0.5
    harsh = arms["prompts held out", "blur:3|resize:64|jpeg:70"]
    assert harsh["accuracy"] < 0.75
    change = {row["arm"]: row for row in table(saved, "differences")}["blur:3|resize:64|jpeg:70"]
    assert change["difference"] == pytest.approx(harsh["accuracy"] - honest["accuracy"])
    assert change["low"] <= change["difference"] <= change["high"] < 0.0
    leak = {row["arm"]: row for row in table(saved, "differences")}["prompts straddle"]
    assert leak["difference"] == 0.0 and leak["low"] is None  # all right in both: no resample could differ
    assert any("no difference on any of n 36 images" in sentence for sentence in saved.findings.sentences)
    verdict = saved.findings.sentences[0]
    assert verdict.startswith("The column model is confounded with how files were saved, and accuracy is lost")
    assert "the container alone tells it for 100 of 100" in verdict
    assert any(sentence.startswith("The container alone gives the label away") for sentence in saved.findings.sentences)


def test_the_bars_hold_container_and_all_arms(saved):
    (chart,) = saved.findings.charts
    assert [bar.label.split(",")[0] for bar in chart.bars] == [
        "the container alone", "prompts held out", "prompts straddle", "all through jpeg:70",
        "all through blur:3|resize:64|jpeg:70",
    ]  # fmt: skip
    assert chart.bars[0].value == 1.0 and chart.levels[0].value == 0.5


def test_what_a_leaking_split_would_have_added(leaky):
    arms = {(row["split"], row["control"]): row for row in table(leaky, "arms")}
    honest, straddled = arms["prompts held out", "none"], arms["prompts straddle", "none"]
    assert straddled["accuracy"] > honest["accuracy"] + 0.2
    assert honest["references"] == pytest.approx(straddled["references"], rel=0.02)
    leak = {row["arm"]: row for row in table(leaky, "differences")}["prompts straddle"]
    assert leak["low"] > 0.0 and leak["n"] == honest["n"] == 2 * 108 and leak["spread"] is not None
    assert leak["difference"] == pytest.approx(straddled["accuracy"] - honest["accuracy"])
    verdict, *_ = leaky.findings.sentences
    assert verdict.startswith("No sign that model is confounded") and "would have added" in verdict
    assert "nothing that can be told" not in verdict
    assert "nothing is told above chance in the first place" in verdict
    assert not any("learned from" in note for note in leaky.findings.notes)


def test_one_image_of_each_model_and_prompt_is_said(leaky_catalog):
    first = leaky_catalog.filter(np.arange(len(leaky_catalog)) % 4 == 0)
    found = run_study(make_study("independence", {"controls": ()}), Frame(first, (COLOUR,), folds=3), jobs=1)
    assert any(note.startswith("There is one image of each model and prompt") for note in found.findings.notes)
    assert "nothing that can be told from noise" in found.findings.sentences[0]
    assert "after" not in found.findings.sentences[0]


def test_unequal_references_are_reported(leaky_catalog):
    """Prompts of very different size make honest folds unequal to those that are dealt image by image."""
    prompt = leaky_catalog.column("prompt_id")
    joined = np.where(np.isin(prompt, ["p0", "p1", "p2", "p3", "p4", "p5"]), "p0", prompt)
    catalog = leaky_catalog.with_column("prompt_id", joined)
    study = make_study("independence", {"controls": ()})
    found = run_study(study, Frame(catalog, (COLOUR,), folds=2), jobs=1)
    arms = {row["split"]: row for row in table(found, "arms")}
    unequal = abs(arms["prompts held out"]["references"] / arms["prompts straddle"]["references"] - 1) > 0.01
    assert unequal == any("learned from" in note for note in found.findings.notes)


def test_controls_must_change_images(leaky_catalog):
    frame = Frame(leaky_catalog, (COLOUR,))
    for controls, words in (("none", "different views"), ("jpeg:90,jpeg:90", "different views"), ("polish", "polish")):
        with pytest.raises(MorelliError, match=words):
            make_study("independence", {"controls": controls}).trials(frame)


def test_an_unreadable_image_is_counted_and_left_out(leaky_catalog):
    broken = leaky_catalog.with_column("error", ["truncated", *[None] * (len(leaky_catalog) - 1)])
    found = run_study(make_study("independence", {"controls": ()}), Frame(broken, (COLOUR,), folds=3), jobs=1)
    rows = found.cells.to_pylist()
    assert {row["n"] for row in rows} == {107} and {row["n_unreadable"] for row in rows} == {1}
    assert {row["n"] for row in table(found, "differences")} == {107}


def test_a_column_with_one_value_has_no_floor(leaky_catalog):
    catalog = leaky_catalog.with_column("version", ["v1"] * 54 + ["v2"] * 54)
    found = run_study(make_study("independence", {"controls": ()}), replace(Frame(catalog, (COLOUR,), folds=3),
                      label="version"), jobs=1)  # fmt: skip
    assert found.findings.values["floor"]["label"] == "version"
