from __future__ import annotations

from dataclasses import replace

import pytest

from morelli.errors import MorelliError
from morelli.studies import Frame, make_study, run_study
from morelli.studies.paired import fusion_gain
from morelli.studies.paper import STRUCTURE
from morelli.studies.structure import Structure, default_probes, forensic_families
from morelli.trials.cells import Results
from morelli.views import list_views, parse_view, register_view
from morelli.views.registry import _VIEWS

from ._sample import catalog_of, chart, rows, sample_rows

FIRST = "fused@forensic[colour,spectrum]"
SECOND = "centroid@forensic[colour]"
PROBES = ("gray", "mean-rgb", "pixel-shuffle")
STUDY = Structure(probes=PROBES)


@pytest.fixture(scope="module")
def frame(tmp_path_factory) -> Frame:
    """4 models x 12 photographs."""
    return Frame(catalog_of(tmp_path_factory.mktemp("structure"), sample_rows()), (FIRST, SECOND), folds=2)


def test_default_probes_are_all_structure_views_that_need_no_network():
    probes = default_probes()
    assert probes[0] == "gray" and {"canny", "hog", "sift", "mean-rgb", "pixel-shuffle", "highpass:4"} <= set(probes)
    names = {probe.partition(":")[0] for probe in probes[1:]}
    assert names == {info.name for info in list_views() if info.group == "structure" and info.batch is None}
    assert [parse_view(probe).name for probe in probes] == list(probes)
    register_view("example-network", "x", group="structure", batch=lambda images: images)(lambda pixels: pixels)
    try:
        assert default_probes() == probes
        assert make_study("structure", {"probes": "example-network"})._views() == ["none", "example-network"]
    finally:
        del _VIEWS["example-network"]


@pytest.mark.parametrize(
    ("attributor", "families"),
    [
        ("fused@forensic[colour,layout]", ("colour", "layout")),
        ("centroid@dzanic-spectrum", ()),
        ("centroid@dzanic-spectrum+forensic[sharpness,colour]", ("sharpness", "colour")),
    ],
)
def test_families_are_read_from_the_encoder(attributor, families):
    assert forensic_families(attributor) == families
    assert len(forensic_families("fused")) == 7


def test_what_is_left_of_an_encoder_keeps_its_other_parts():
    study = Structure()
    assert study._encoders("centroid@dzanic-spectrum+forensic[sharpness,colour]") == [
        ("without", "sharpness", "dzanic-spectrum+forensic[colour]"),
        ("alone", "sharpness", "forensic[sharpness]"),
        ("without", "colour", "dzanic-spectrum+forensic[sharpness]"),
        ("alone", "colour", "forensic[colour]"),
    ]
    assert study._encoders("centroid@forensic[colour]") == [("alone", "colour", "forensic[colour]")]
    assert replace(study, families=())._encoders("fused") == []


def test_probes_are_trained_and_tested_alike(frame):
    trials = STUDY.trials(frame)
    # Both attributors on none and 3 probes, two families left out and alone for the first; two folds.
    assert len(trials) == (2 * 4 + 2 * 2) * 2
    assert all(trial.train_views == (trial.test_view,) for trial in trials)
    assert {trial.test_view for trial in trials if trial.cell["part"] != "probe"} == {"none"}


def test_attributors_survive_probes_that_leave_families_nothing(results):
    assert results.problems() == []
    for cell in results:
        assert cell.measures["n"] == 48


def test_nothing_is_left_of_the_signature_in_mean_colours(results):
    untouched, mean = (results.cell(attributor=FIRST, part="probe", of=of) for of in ("none", "mean-rgb"))
    assert mean.accuracy <= 0.4 < untouched.accuracy - 0.15


def test_without_one_of_two_families_is_the_other_alone(results):
    for family, other in (("colour", "spectrum"), ("spectrum", "colour")):
        without = results.cell(part="without", of=family)
        alone = results.cell(part="alone", of=other)
        assert (without.hits == alone.hits).all()


def test_gains_stand_in_a_symmetric_matrix(results, findings):
    heat = chart(findings, "gain-of-probes")
    assert heat.signed and heat.rows == heat.columns == ("none", *PROBES)
    for i, one in enumerate(heat.rows):
        for j, other in enumerate(heat.columns):
            assert heat.values[i][j] == heat.values[j][i]
            if i == j:
                assert heat.values[i][j] is None
                continue
            cells = [results.cell(attributor=FIRST, part="probe", of=of) for of in (one, other)]
            gain = fusion_gain(*cells)
            assert gain is not None and heat.values[i][j] == gain.points
    families = chart(findings, "gain-of-families")
    assert families.rows == ("colour", "spectrum")
    assert rows(findings, "pairs-of-families")[0]["points"] == families.values[0][1]
    assert len(rows(findings, "pairs-of-probes")) == 6
    for row in rows(findings, "pairs-of-probes"):
        assert row["points"] == pytest.approx(row["fused"] - max(row["a"], row["b"]))
        assert row["low"] <= row["points"] <= row["high"]


def test_tables_and_bars_hold_the_cells(results, findings):
    table = rows(findings, "probes")
    assert len(table) == 2 * 4
    for row in table:
        cell = results.cell(attributor=row["attributor"], part="probe", of=row["probe"])
        assert (row["accuracy"], row["low"], row["n"]) == (cell.accuracy, cell.measures["low"], 48)
    bars = chart(findings, "probes").bars
    assert [(bar.label, bar.value) for bar in bars if bar.paper] == list(STRUCTURE.items())
    assert [bar.value for bar in bars if bar.group == FIRST] == sorted(
        (cell.accuracy for cell in results.where(attributor=FIRST, part="probe")), reverse=True
    )
    lost = {row["rest"]: row["points"] for row in rows(findings, "lost-without")}
    untouched = results.cell(attributor=FIRST, part="probe", of="none").accuracy
    assert all(points == pytest.approx(untouched - rest) for rest, points in lost.items())


def test_notes_say_what_the_paper_has_and_this_has_not(findings):
    assert "Probes of the paper that were not run: depth, segmentation." in findings.notes
    assert any("another question" in note for note in findings.notes)
    assert not any(note.startswith("No family was left out") for note in findings.notes)


def test_a_cell_without_a_result_leaves_the_others(frame, outcomes):
    broken = [
        replace(outcome, predictions=None, problem="The disk is full.")
        if outcome.trial.cell["of"] in ("gray", "none") else outcome
        for outcome in outcomes
    ]  # fmt: skip
    results = Results(broken)
    findings = STUDY.find(frame, results)
    heat = chart(findings, "gain-of-probes")
    assert heat.values[0] == (None,) * 4 and heat.values[2][3] is not None
    assert all("The disk is full." in line for line in results.problems())
    assert not any("untouched" in sentence for sentence in findings.sentences)
    assert [table.name for table in findings.tables if table.name == "lost-without"] == []


def test_families_that_the_attributor_does_not_read(frame):
    with pytest.raises(MorelliError, match="does not read the forensic families layout; it reads: colour, spectrum"):
        replace(STUDY, families=("layout",)).trials(frame)
    with pytest.raises(MorelliError, match="it reads: none"):
        replace(STUDY, families=("layout",)).trials(replace(frame, attributors=("centroid@dzanic-spectrum",)))


def test_an_attributor_without_families_is_probed_only(frame, cache):
    study = make_study("structure", {"probes": "gray", "pairs": "false"})
    result = run_study(study, replace(frame, attributors=("centroid@dzanic-spectrum",)), cache=cache, jobs=1)
    assert any(note.startswith("No family was left out: centroid@dzanic-spectrum") for note in result.findings.notes)
    assert [chart.name for chart in result.findings.charts] == ["probes"]
    assert [table.name for table in result.findings.tables] == ["probes"]
