from __future__ import annotations

import itertools

import numpy as np
import pytest

from _small import CENTROID, LOGISTIC, MODELS
from morelli.errors import MorelliError
from morelli.studies import frame_of, make_study, run_study
from morelli.studies.findings import LineChart
from morelli.trials.cells import Results
from morelli.trials.plan import Bench
from morelli.trials.runner import Outcome


def framed(small, **options):
    return frame_of(small.catalog, type(make_study("scaling")), {"attributors": [CENTROID], "folds": 3, **options})


@pytest.fixture(scope="module")
def result(small):
    study = make_study("scaling", {"references": (3, 6)})
    return run_study(study, framed(small, attributors=[CENTROID, LOGISTIC]), cache=small.cache, jobs=1)


def test_sizes_are_nested_and_tests_are_the_same(small):
    bench = Bench(small.catalog)
    labels, prompts = small.catalog.text("model"), small.catalog.text("prompt_id")
    by_fold: dict[int, list] = {}
    for trial in make_study("scaling", {"references": "5,3,7"}).trials(framed(small)):
        by_fold.setdefault(trial.fold.number, []).append(bench.plan(trial))
    assert len(by_fold) == 3
    for plans in by_fold.values():
        assert [one.trial.cell["per_class"] for one in plans] == [3, 5, 7]
        assert {tuple(one.test) for one in plans} == {tuple(plans[0].test)}
        for few, more in itertools.pairwise(plans):
            assert set(few.train) < set(more.train)
        for one in plans:
            taken = [prompts[one.train[labels[one.train] == name]] for name in MODELS]
            assert {len(own) for own in taken} == {one.trial.cell["per_class"]}
            assert len({tuple(sorted(own)) for own in taken}) == 1


def test_candidates_are_drawn_by_seed(small):
    study = make_study("scaling", {"references": "3", "candidates": 2})
    trials = study.trials(framed(small, seeds=8))
    drawn: dict[int, set] = {}
    for trial in trials:
        assert trial.train.where == trial.test.where
        (names,) = trial.train.where.values()
        assert len(names) == 2
        drawn.setdefault(trial.seed, set()).add(names)
    assert all(len(own) == 1 for own in drawn.values())
    assert len(set.union(*drawn.values())) > 2
    bench = Bench(small.catalog)
    one = bench.plan(trials[0])
    assert set(small.catalog.text("model")[one.train]) == set(small.catalog.text("model")[one.test])


def test_what_is_found(result):
    findings = result.findings
    rows = findings.tables[0].rows
    assert [row[:2] for row in rows] == [(a, n) for a in (CENTROID, LOGISTIC) for n in (3, 6)]
    cells = result.cells.to_pylist()
    assert [row[2] for row in rows] == [cell["accuracy"] for cell in cells]
    assert [row[-1] for row in rows] == [48] * 4
    assert f"With 6 references of each of 4 models, {CENTROID} names the right one" in findings.sentences[0]
    assert "95% interval" in findings.sentences[1] or "no interval" in findings.sentences[1]
    lines = findings.charts[0]
    assert isinstance(lines, LineChart)
    assert [series.name for series in lines.series] == [
        CENTROID, f"{CENTROID}, fitted", LOGISTIC, f"{LOGISTIC}, fitted"
    ]  # fmt: skip
    assert [point.x for point in lines.series[0].points] == [3.0, 6.0]
    assert lines.levels[0].value == pytest.approx(0.25)
    assert not any(series.paper for series in lines.series)  # four models are not the paper's five
    recall, precision = findings.charts[1:]
    assert recall.rows == precision.rows == MODELS
    assert recall.columns == ("3", "6")
    first = [row for row in result.classes.to_pylist() if row["attributor"] == CENTROID]
    assert [value for row in recall.values for value in row] == [
        next(r["recall"] for r in first if (r["class"], r["per_class"]) == (name, n)) for name in MODELS for n in (3, 6)
    ]
    assert result.missing == ()


def test_five_models_stand_beside_the_papers(small):
    labels = [f"m{i % 5}" for i in range(48)]
    catalog = small.catalog.with_column("model", labels)
    frame = frame_of(catalog, type(make_study("scaling")), {"attributors": [CENTROID], "folds": 3})
    result = run_study(make_study("scaling", {"references": "3"}), frame, cache=small.cache, jobs=1)
    assert [series.name for series in result.findings.charts[0].series if series.paper] == [
        "ConvNeXt-Tiny, five models"
    ]
    assert "The paper's classifier" in result.findings.sentences[-1]
    assert result.findings.tables[1].rows == ()  # one size gives no curve


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"references": "0,3"}, "whole numbers from 1, not [0, 3]"),
        ({"references": ""}, "whole numbers from 1, not []"),
        ({"candidates": 1}, "Between 2 and 4 candidates can be drawn, not 1"),
        ({"candidates": 5}, "Between 2 and 4 candidates can be drawn, not 5"),
    ],
)
def test_what_is_refused(small, settings, words):
    with pytest.raises(MorelliError) as refused:
        make_study("scaling", settings).trials(framed(small))
    assert words in str(refused.value)


def test_more_references_than_there_are(small):
    """All there are, and that is said by the number of references."""
    result = run_study(make_study("scaling", {"references": "3,99"}), framed(small), cache=small.cache, jobs=1)
    assert result.cells["references"].to_pylist() == [12.0, 32.0]


def test_nothing_was_judged(small):
    study, frame = make_study("scaling"), framed(small)
    outcomes = [Outcome(trial, None, "Too few.", True) for trial in study.trials(frame)]
    assert study.find(frame, Results(outcomes)).sentences == ("No image of a candidate could be judged.",)


def test_labels_that_are_numbers(small):
    """A column of whole numbers can be told as well, and candidates drawn from it."""
    catalog = small.catalog.with_column("steps", np.array([{m: i for i, m in enumerate(MODELS)}[m] for m in
                                                           small.catalog.text("model")]))  # fmt: skip
    frame = frame_of(catalog, type(make_study("scaling")), {"attributors": [CENTROID], "folds": 3, "label": "steps"})
    study = make_study("scaling", {"references": "3", "candidates": 3})
    result = run_study(study, frame, cache=small.cache, jobs=1)
    assert result.missing == ()
    assert len(set(result.classes["class"].to_pylist())) == 3
