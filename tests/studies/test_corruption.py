from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import features

from morelli.errors import MorelliError
from morelli.studies import Frame, make_study, run_study
from morelli.studies.corruption import CHAINS, CORRUPTIONS, Corruption, _Found
from morelli.studies.findings import BarChart, HeatMap
from morelli.studies.paper import CORRUPTION
from morelli.trials.cells import Results
from morelli.views import parse_view, severity_views

from ._sample import catalog_of, chart, rows, sample_rows

FIRST = "logistic@forensic[spectrum,sharpness]"
SECOND = "centroid@forensic[spectrum,sharpness]"
STUDY = Corruption(
    corruptions=("noise", "jpeg"),
    severities=(5, 1),
    chains=("crop:0.7|jpeg:90", "jpeg:60"),
    mixture=("none", "jpeg:60"),
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory) -> Frame:
    """4 models x 12 photographs."""
    return Frame(catalog_of(tmp_path_factory.mktemp("corruption"), sample_rows()), (FIRST, SECOND), folds=2)


def test_the_default_study_asks_for_views_that_there_are():
    for name in CORRUPTIONS:
        assert len(severity_views(name)) == 5
    study = Corruption()
    assert {parse_view(view).name for view in CHAINS} == set(CHAINS)
    assert not set(CHAINS) & set(study.mixture)


def test_every_form_is_trained_as_it_says(frame):
    trials = STUDY.trials(frame)
    # Both attributors; untouched and 4 corruptions in 3 forms, and 2 chains in 2 of them; two folds.
    assert len(trials) == 2 * (3 * 5 + 2 * 2) * 2
    for trial in trials:
        expected = {"paper": (trial.test_view,), "clean": ("none",), "mixture": ("none", "jpeg:60")}
        assert trial.train_views == expected[str(trial.cell["form"])]
        assert trial.cell["view"] == trial.test_view
    assert [t.test_view for t in trials if t.cell["corruption"] == "noise"][:4] == ["noise:2"] * 2 + ["noise:40"] * 2


def test_untouched_images_are_the_same_task_in_two_forms(results):
    one, other = (results.cell(attributor=FIRST, form=form, corruption="none") for form in ("paper", "clean"))
    assert one.accuracy == other.accuracy
    assert (one.hits == other.hits).all()


def test_strong_noise_ruins_who_was_trained_clean_and_the_papers_form_hides_it(results, findings):
    at = {"attributor": FIRST, "corruption": "noise", "severity": 1}
    alike, clean = (results.cell(form=form, **at).accuracy for form in ("paper", "clean"))
    untouched = results.cell(attributor=FIRST, form="clean", corruption="none").accuracy
    assert clean + 0.1 < alike
    assert clean < untouched
    assert findings.values["flattery"]["clean"] > 0
    assert any("noise from severity 1" in sentence for sentence in findings.sentences)


def test_heat_maps_hold_the_cells(results, findings):
    for form in ("paper", "clean", "mixture"):
        heat = chart(findings, f"accuracy-{form}")
        assert isinstance(heat, HeatMap) and not heat.signed
        assert (heat.rows, heat.columns) == (("noise", "jpeg"), ("1", "5"))
        for name, row in zip(heat.rows, heat.values, strict=True):
            for level, value in zip(heat.columns, row, strict=True):
                cell = results.cell(attributor=FIRST, form=form, corruption=name, severity=int(level))
                assert value == cell.accuracy
                if form != "paper":
                    for other, measure in (("calibration-error", "ece"), ("coverage", "coverage")):
                        held = chart(findings, f"{other}-{form}")
                        index = heat.rows.index(name), heat.columns.index(level)
                        assert held.values[index[0]][index[1]] == cell.measures[measure]
    signed = chart(findings, "flattery-clean")
    assert signed.signed
    for i in range(2):
        for j in range(2):
            expected = chart(findings, "accuracy-paper").values[i][j] - chart(findings, "accuracy-clean").values[i][j]
            assert signed.values[i][j] == pytest.approx(expected)


def test_tables_hold_the_cells(results, findings):
    table = rows(findings, "accuracy")
    assert len(table) == 2 * 3 * 5
    for row in table:
        cell = results.cell(attributor=row["attributor"], form=row["form"], view=row["view"])
        assert (row["accuracy"], row["n"], row["low"]) == (cell.accuracy, 48, cell.measures["low"])
        assert row["chance"] == 0.25
        assert row["seen"] == (row["form"] == "paper" or row["view"] == "none")
    pairs = rows(findings, "flattery")
    assert len(pairs) == 2 * 4
    for row in pairs:
        assert row["points"] == pytest.approx(row["paper"] - row["other"])
        assert row["low"] <= row["points"] <= row["high"]
    for row in rows(findings, "forms"):
        if row["form"] == "trained on untouched images" and row["attributor"] == FIRST:
            own = [c.accuracy for c in results.where(attributor=FIRST, form="clean") if c.at["severity"] not in (0,)]
            assert row["corrupted"] == pytest.approx(sum(c for c in own[:4]) / 4)
            assert row["corrupted_n"] == 4 * 48


def test_a_chain_that_training_saw_is_not_unseen(findings):
    seen = {(row["form"], row["view"]): row["seen"] for row in rows(findings, "chains")}
    assert seen == {
        ("clean", "crop:0.7|jpeg:90"): False,
        ("clean", "jpeg:60"): False,
        ("mixture", "crop:0.7|jpeg:90"): False,
        ("mixture", "jpeg:60"): True,
    }
    bars = chart(findings, "chains")
    assert [bar.label for bar in bars.bars] == ["crop:0.7|jpeg:90"] * 2 + ["jpeg:60"]
    assert any(note.endswith("not counted as unseen: jpeg:60.") for note in findings.notes)
    assert any(text.startswith("On 1 chain that no training saw, trained on a mixture") for text in findings.sentences)


def test_another_draw_of_a_journey_is_no_unseen_view(frame, results):
    chains = [cell for cell in results if cell.at["view"] == "jpeg:60" and cell.at["form"] == "mixture"]
    renamed = [replace(cell, at={**cell.at, "view": "resaved:9"}) for cell in chains]
    for study, seen in ((replace(STUDY, mixture=("none", "resaved:1")), True), (STUDY, False)):
        found = _Found(study, frame, results)
        assert [found.seen(cell) for cell in renamed] == [seen] * len(renamed)


def test_the_papers_figures_are_marked_and_stand_beside_ours(findings):
    bars = chart(findings, "paper")
    assert isinstance(bars, BarChart)
    # jpeg is none of the paper's, and has no bar.
    assert [(bar.label, bar.paper) for bar in bars.bars] == [
        ("untouched", False), ("untouched", True),
        ("noise@1", False), ("noise@5", False), ("noise, weaker", True), ("noise, stronger", True),
    ]  # fmt: skip
    assert [bar.value for bar in bars.bars if bar.paper] == [CORRUPTION["none"][0], *CORRUPTION["noise"][::-1]]


def test_a_cell_without_a_result_is_named_and_left_blank(frame, outcomes):
    broken = [
        replace(outcome, predictions=None, problem="The disk is full.")
        if (outcome.trial.cell["form"], outcome.trial.test_view) == ("clean", "noise:40")
        else outcome
        for outcome in outcomes
    ]
    results = Results(broken)
    findings = STUDY.find(frame, results)
    assert chart(findings, "accuracy-clean").values[0][1] is None
    assert chart(findings, "flattery-clean").values[0][1] is None
    assert chart(findings, "accuracy-paper").values[0][1] is not None
    gone = [row for row in rows(findings, "accuracy") if (row["form"], row["view"]) == ("clean", "noise:40")]
    assert [row["accuracy"] for row in gone] == [None, None]
    assert any("noise" in line and "The disk is full." in line for line in results.problems())
    only_chains = Results([o for o in outcomes if o.trial.cell["corruption"] == "chain"])
    assert STUDY.find(frame, only_chains).sentences == ()


def test_avif_is_left_out_where_pillow_lacks_it(frame, results, monkeypatch):
    study = replace(STUDY, corruptions=("avif", "noise", "jpeg"))
    assert any(trial.test_view.startswith("avif") for trial in study.trials(frame)) == features.check("avif")
    monkeypatch.setattr(features, "check", lambda name: False)
    assert len(study.trials(frame)) == len(STUDY.trials(frame))
    assert any(
        note.startswith("avif was left out: this Pillow cannot write AVIF") for note in study.find(frame, results).notes
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"forms": ("paper", "dirty")}, "Forms are different ones of paper, clean, mixture"),
        ({"forms": ()}, "not: none"),
        ({"severities": (0,)}, "from 1 to 5"),
        ({"severities": ()}, "from 1 to 5"),
        ({"corruptions": ("flip",)}, "flip has no severities"),
        ({"corruptions": ("smudge",)}, "no view"),
        ({"chains": ("crop:0.7||jpeg:90",)}, "empty step"),
        ({"corruptions": (), "chains": ()}, "nothing to test on"),
        ({"mixture": ()}, "training views"),
    ],
)
def test_settings_that_make_no_sense(frame, changes, said):
    with pytest.raises(MorelliError, match=said):
        replace(STUDY, **changes).trials(frame)


def test_it_runs_by_name_with_settings_as_text(frame, cache):
    study = make_study("corruption", {"corruptions": "jpeg", "severities": "5", "chains": "", "forms": "clean"})
    result = run_study(study, replace(frame, attributors=(SECOND,)), cache=cache, jobs=1)
    assert result.missing == ()
    assert [chart.name for chart in result.findings.charts] == [
        "accuracy-clean", "calibration-error-clean", "coverage-clean", "forms",
    ]  # fmt: skip
    assert "95% interval" in result.findings.sentences[0]
