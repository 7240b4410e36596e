from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from _small import CENTROID, MODELS
from morelli.errors import MorelliError
from morelli.studies import frame_of, make_study, run_study
from morelli.studies.openset import _area, _curve, _Stranger
from morelli.trials.cells import Results
from morelli.trials.metrics import auroc
from morelli.trials.runner import run_trials


def framed(small, **options):
    return frame_of(small.catalog, type(make_study("openset")), {"attributors": [CENTROID], "folds": 3, **options})


@pytest.fixture(scope="module")
def results(small) -> Results:
    study = make_study("openset")
    return Results(run_trials(small.catalog, study.trials(framed(small)), cache=small.cache, jobs=1))


def test_what_is_left_out_is_no_candidate(results):
    assert results.values("left_out") == list(MODELS)
    assert results.problems() == []
    for cell in results:
        for table in cell.draws:
            assert set(table.classes) == {*MODELS} - {cell.at["left_out"]}
            assert set(table.label[table.unknown]) == {cell.at["left_out"]}
            assert len(table) == 48
            assert table.unknown.sum() == 12


def test_lineages_leave_together(small):
    trials = make_study("openset", {"together": "lineage"}).trials(framed(small))
    assert sorted({trial.cell["left_out"] for trial in trials}) == sorted(set(small.catalog.text("lineage")))
    outcomes = run_trials(small.catalog, trials, cache=small.cache, jobs=1)
    cell = Results(outcomes).cell(left_out="waifu2x")
    assert cell.draws[0].classes == ("acnet-gan", "realsr-df2k")
    assert set(cell.draws[0].label[cell.draws[0].unknown]) == {"waifu2x-cunet", "waifu2x-upconv7-photo"}


def test_the_area_is_that_of_the_metrics(results):
    for cell in results:
        one = _Stranger(cell, 0)
        (table,) = cell.draws
        known, unknown = table.open_set_p[table.known], table.open_set_p[table.unknown]
        assert one.area == pytest.approx(auroc(-unknown, -known))
        assert one.low <= one.area <= one.high
        top = [table.classes[k] for k in table.top[table.unknown]]
        assert one.mistaken[1] == max(top.count(name) for name in set(top)) / 12
        assert one.flagged == (table.decision[table.unknown] == "unknown").mean()


def test_pairs_are_counted_within_cells(results):
    strangers = [_Stranger(cell, 0) for cell in results]
    area, low, high = _area(strangers, 0)
    assert area == pytest.approx(np.mean([one.area for one in strangers]))  # as many pairs in each
    assert low < area < high
    assert _area(strangers, 0) == (area, low, high)


def test_the_curve_rises_from_corner_to_corner(results):
    points = _curve([_Stranger(cell, 0) for cell in results])
    assert (points[0].x, points[-1].x, points[-1].y) == (0.0, 1.0, 1.0)
    ys = [point.y for point in points]
    assert ys == sorted(ys)


def test_a_far_stranger_is_noticed_and_a_near_one_is_not(small, results):
    """p-values put in by hand: low for one stranger, and as for candidates for another."""
    study, frame = make_study("openset"), framed(small)
    far, near = MODELS[:2]
    outcomes, rng = [], np.random.default_rng(0)
    for cell in results.where(left_out=far) + results.where(left_out=near):
        for outcome in cell.outcomes:
            table = outcome.predictions
            p = rng.uniform(0.1, 1.0, len(table))
            decision = table.decision.copy()
            if cell.at["left_out"] == far:
                p[table.unknown], decision[table.unknown] = 0.02, "unknown"
            outcomes.append(replace(outcome, predictions=replace(table, open_set_p=p, decision=decision)))
    findings = study.find(frame, Results(outcomes))
    rows = {row[1]: row for row in findings.tables[0].rows}
    assert rows[far][2:6] == (1.0, 1.0, 1.0, 1.0)
    assert rows[near][2] < 0.75
    assert rows[near][3] < rows[near][2] < rows[near][4]
    assert f"Least noticed is {near}" in findings.sentences[2]
    assert findings.values["by_stranger"] == {far: 1.0, near: rows[near][2]}
    levels = {level: (known, unknown) for _, level, known, unknown in findings.tables[1].rows}
    assert levels[0.05] == (0.0, 0.5)
    assert [bar.label for bar in findings.charts[1].bars] == [far, near]


def test_what_is_found(small):
    study = make_study("openset", {"models": "acnet-gan", "unknown_per_class": "2"})
    result = run_study(study, framed(small), cache=small.cache, jobs=1)
    (row,) = result.findings.tables[0].rows
    assert row[:2] == (CENTROID, "acnet-gan")
    assert row[-1] == 6  # two of each fold
    assert row[6] in MODELS
    assert row[6] != "acnet-gan"
    levels = result.findings.tables[1].rows
    assert [level for _, level, _, _ in levels] == [0.01, 0.05, 0.1, 0.2]
    for column in (2, 3):
        shares = [row[column] for row in levels]
        assert shares == sorted(shares)
    assert "acnet-gan" not in result.findings.charts[-1].columns


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"models": "oracle"}, "nothing called oracle to leave out; there are: acnet-gan"),
        ({"together": "colour"}, "colour"),
        ({"together": "language"}, 'The column "language" is empty'),
    ],
)
def test_what_is_refused(small, settings, words):
    with pytest.raises(MorelliError) as refused:
        make_study("openset", settings).trials(framed(small))
    assert words in str(refused.value)


def test_three_models_are_too_few(small):
    few = small.catalog.select(model=list(MODELS[:3]))
    frame = frame_of(few, type(make_study("openset")), {"attributors": [CENTROID]})
    with pytest.raises(MorelliError, match="at least four of them, and there are 3"):
        make_study("openset").trials(frame)
