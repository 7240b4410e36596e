from __future__ import annotations

import numpy as np
import pytest

from _small import CENTROID, FUSED, MODELS
from morelli.errors import MorelliError
from morelli.studies import frame_of, make_study, run_study
from morelli.studies.versions import _adjusted
from morelli.trials.metrics import benjamini_hochberg


def framed(catalog, **options):
    return frame_of(catalog, type(make_study("versions")), {"attributors": [CENTROID], "folds": 3, **options})


@pytest.fixture(scope="module")
def three(small):
    """One lineage of three: two that differ, and a third whose images share a hand with one of them."""
    models, prompts = small.catalog.text("model"), small.catalog.text("prompt_id")
    flip = dict(zip(sorted(set(prompts)), np.random.default_rng(4).permutation([0, 1] * 6), strict=True))
    copies = {"waifu2x-cunet": ("one", "copy"), "waifu2x-upconv7-photo": ("copy", "one")}
    names = [copies[m][flip[p]] if m in copies else m for m, p in zip(models, prompts, strict=True)]
    catalog = small.catalog.with_column("model", names).with_column("lineage", ["all of them"] * 48)
    return catalog.select(model=["one", "copy", "realsr-df2k"])


@pytest.fixture(scope="module")
def result(small, three):
    return run_study(make_study("versions"), framed(three, attributors=[FUSED]), cache=small.cache, jobs=1)


def test_copies_are_not_told_apart_and_others_are(result):
    verdicts = {row[2]: row[9] for row in result.findings.tables[0].rows}
    assert set(verdicts) == {"all", "copy | one", "copy | realsr-df2k", "one | realsr-df2k"}
    assert verdicts["copy | one"] == "not told apart"
    assert verdicts["one | realsr-df2k"] == "told apart"
    assert verdicts["copy | realsr-df2k"] == "told apart"
    assert f"{FUSED} tells 2 of 3 pairs of versions apart" in result.findings.sentences[0]
    assert result.findings.sentences[1].startswith("Not told apart with these references: copy | one (")


def test_tables_and_figures_say_the_same(result):
    cells = {cell["told"]: cell for cell in result.cells.to_pylist()}
    for row in result.findings.tables[0].rows:
        cell = cells[row[2]]
        assert row[3:6] == (cell["accuracy"], cell["low"], cell["high"])
        assert row[10] == pytest.approx(1 / 3 if row[2] == "all" else 1 / 2)
        assert row[11] == cell["n"] == (36 if row[2] == "all" else 24)
        assert 0 < row[6] <= row[7] <= 1
    (square,) = [chart for chart in result.findings.charts if chart.name.startswith("pairs-")]
    names = ("copy", "one", "realsr-df2k")
    assert (square.rows, square.columns) == (names, names)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            told = " | ".join(sorted((one, other)))
            assert square.values[i][j] == (None if i == j else cells[told]["accuracy"])
    assert result.predictions["group"].to_pylist() == ["all of them"] * result.predictions.num_rows


def test_two_of_a_lineage_are_a_pair_and_no_more(small):
    trials = make_study("versions").trials(framed(small.catalog))
    assert {(trial.cell["group"], trial.cell["told"]) for trial in trials} == {
        ("waifu2x", "waifu2x-cunet | waifu2x-upconv7-photo")
    }
    trials = make_study("versions", {"pairs": "false"}).trials(framed(small.catalog))
    assert {trial.cell["told"] for trial in trials} == {"all"}
    assert all(trial.train == trial.test for trial in trials)


def test_groups_are_chosen(three):
    trials = make_study("versions", {"groups": "all of them", "pairs": "false"}).trials(framed(three))
    assert len(trials) == 3


def test_versions_of_a_model(small):
    """The label is the version, and other models have versions of the same name."""
    versions = np.where(np.arange(48) % 2 == 0, "v1", "v2").tolist()
    catalog = small.catalog.with_column("version", versions)
    trials = make_study("versions", {"within": "model", "groups": MODELS[0]}).trials(framed(catalog, label="version"))
    assert {trial.cell["told"] for trial in trials} == {"v1 | v2"}
    assert trials[0].train.where == {"model": (MODELS[0],), "version": ("v1", "v2")}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": "tea"}, "lineage never is tea; there are: ACNet"),
        ({"groups": "ACNet"}, 'No value of "lineage" holds two values of "model"'),
        ({"within": "prompt"}, 'The column "prompt" is empty'),
        ({"within": "colour"}, "colour"),
    ],
)
def test_what_is_refused(small, settings, words):
    with pytest.raises(MorelliError) as refused:
        make_study("versions", settings).trials(framed(small.catalog))
    assert words in str(refused.value)


def test_tests_that_cannot_be_made_do_not_count():
    assert _adjusted([0.01, None, 0.04]) == [*benjamini_hochberg([0.01, 0.04])[:1], None, 0.04]
    assert _adjusted([None]) == [None]
    assert _adjusted([]) == []
