from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from morelli.attributors.fitting import DEGRADED_VIEWS, fit_attributor
from morelli.catalog import build_catalog, group_catalog, split_catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.sample import sample_catalog_csv, sample_path
from morelli.trials import Robustness
from morelli.trials.robustness import TEST_VIEWS, UNSEEN_VIEWS, robustness
from morelli.views import parse_view

MODELS = ("acnet-gan", "realsr-df2k", "waifu2x-cunet")
TRAIN = ("none", "jpeg:60", "scale:0.6|jpeg:85")
TEST = (*TRAIN, "blur:3")
ENCODER = "forensic[spectrum,block-dct,sharpness]"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("robustness") / "cache.sqlite")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """3 models x 12 photographs, and a row without a label."""
    folder = tmp_path_factory.mktemp("robustness-catalog")
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "reference"]
    photographs = sorted({row["prompt_id"] for row in rows})
    lines = ["path,model,lineage,prompt_id"]
    for photograph in photographs[:12]:
        for model in MODELS:
            path = sample_path() / "reference" / model / f"{photograph}.jpg"
            lines.append(f"{path},{model},{'GAN' if model == 'realsr-df2k' else ''},{photograph}")
    lines.append(f"{sample_path() / 'reference' / MODELS[0] / f'{photographs[12]}.jpg'},,,{photographs[12]}")
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    return build_catalog(folder / "t.csv")


def study(catalog, cache, **changes) -> Robustness:
    settings = {
        "folds": 3, "train_views": TRAIN, "test_views": TEST, "encoder": ENCODER, "set_images": 4, "workers": 1,
    }  # fmt: skip
    return robustness(catalog, cache=cache, **(settings | changes))


@pytest.fixture(scope="module")
def result(catalog, cache) -> Robustness:
    return study(catalog, cache)


def test_views_of_the_default_study():
    names = [parse_view(view).name for view in TEST_VIEWS]
    assert len(set(names)) == len(names)
    assert names == list(TEST_VIEWS)
    assert not set(UNSEEN_VIEWS) & set(DEGRADED_VIEWS)


def test_a_row_for_each_view_and_training(result):
    assert [(row.trained, row.view) for row in result.by_view] == [(t, v) for v in TEST for t in ("clean", "views")]
    assert {row.view for row in result.by_view if row.trained == "clean" and row.known} == {"none"}
    assert {row.view for row in result.by_view if row.trained == "views" and row.known} == set(TRAIN)
    assert all(row.n == 36 for row in result.by_view)
    assert (result.n_images, result.n_classes, result.n_clusters, result.chance) == (36, 3, 12, 1 / 3)
    for row in result.rows:
        assert row.low <= row.accuracy <= row.high
        assert row.coverage is not None and 0 <= row.set_size <= 3
        assert row.lineage >= row.accuracy - 1e-9
        assert (row.unfamiliar is None) == (row.trained == "clean")
    for row in result.by_view:
        assert row.n_sets == 3 * 3 * 20
        assert row.set_accuracy is not None and row.set_lineage is not None and row.set_confidence is not None
    assert result.at("views", "none") is result.by_view[1]
    with pytest.raises(MorelliError, match="no row"):
        result.at("views", "gray")


def test_training_on_views_helps_in_them_and_doubts_others(result):
    gains = [result.at("views", view).accuracy - result.at("clean", view).accuracy for view in TRAIN[1:]]
    assert sum(gains) > 0
    for view in TRAIN[1:]:
        assert result.at("views", view).log_loss < result.at("clean", view).log_loss
    strange = result.at("views", "blur:3")
    assert strange.unfamiliar > 0.9
    assert strange.log_loss < result.at("clean", "blur:3").log_loss
    assert strange.set_size > result.at("clean", "none").set_size
    assert result.at("views", "none").accuracy >= result.at("clean", "none").accuracy - 0.1


def test_every_image_counts_once_by_quality(result):
    for trained in ("clean", "views"):
        rows = [row for row in result.by_quality if row.trained == trained]
        assert sum(row.n for row in rows) == 36 * len(TEST)
        right = sum(row.accuracy * row.n for row in rows)
        assert right == pytest.approx(sum(row.accuracy * 36 for row in result.by_view if row.trained == trained))
    assert all(row.bucket and row.known is None and row.n_sets == 0 for row in result.by_quality)
    assert len({row.bucket for row in result.by_quality}) > 1


def test_figures_are_those_of_the_attributors_themselves(catalog, cache, result):
    labelled = catalog.filter(catalog.codes("model")[0] >= 0)
    split = split_catalog(labelled, folds=3, label="model", seed=0)
    assert split.hash == result.split
    folds = split.folds(labelled)
    tables = {v: extract(labelled, join_encoders(ENCODER), view=v, cache=cache, workers=1) for v in TEST}
    hits = {"clean": 0, "views": 0}
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        for name, views in (("clean", TRAIN[:1]), ("views", TRAIN)):
            fitted, _ = fit_attributor(labelled.take(train), [tables[v].take(train) for v in views])
            hits[name] += (fitted.predict(tables["jpeg:60"].X[test]) == labelled.text("model")[test]).sum()
    for name, count in hits.items():
        assert result.at(name, "jpeg:60").accuracy == count / 36
    assert len(np.unique(group_catalog(labelled).ids)) == result.n_clusters


def test_again_gives_the_same_and_measures_nothing(catalog, cache, result, monkeypatch):
    import sys

    def fail(*args, **kwargs):
        raise AssertionError("an image was read")

    monkeypatch.setattr(sys.modules["morelli.encoders.extract"], "read_image", fail)
    calls, measured = [], []
    again = study(catalog, cache, progress=lambda *at: calls.append(at), measuring=lambda *at: measured.append(at))
    assert again == result
    assert calls[-1] == (3 * 2 * len(TEST), 3 * 2 * len(TEST))
    assert measured[-1] == (144, 144)


def test_sets_that_are_too_large_are_not_judged(catalog, cache):
    few = study(catalog, cache, set_images=10, test_views=("none", "blur:3"), folds=2)
    assert {row.n_sets for row in few.by_view} == {0}
    assert {row.set_accuracy for row in few.by_view} == {None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_views": ("jpeg:60",)}, '"none" first and others after it'),
        ({"train_views": ("none",)}, '"none" first and others after it'),
        ({"train_views": ("jpeg:60", "none")}, '"none" first and others after it'),
        ({"test_views": ()}, "none at all"),
        ({"test_views": ("none", "")}, "different views"),
        ({"test_views": ("sepia",)}, "sepia"),
        ({"set_images": 1}, "at least 2 images"),
        ({"label": "colour"}, "colour"),
    ],
)
def test_what_makes_no_sense(catalog, cache, changes, words):
    with pytest.raises(MorelliError, match=words):
        study(catalog, cache, **changes)


def test_nothing_to_judge(catalog, cache):
    with pytest.raises(NotEnoughDataError, match="no row has a value"):
        study(catalog.filter(catalog.codes("model")[0] < 0), cache)


def test_round_trip(result):
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert Robustness.from_dict(plain) == result
    assert plain == result.to_dict()
    for damaged in ({**plain, "schema_version": 9}, {**plain, "extra": 1}, {**plain, "rows": [{}]}):
        with pytest.raises(MorelliError, match="study"):
            Robustness.from_dict(damaged)
    assert replace(result, notes=()) == Robustness.from_dict({**plain, "notes": []})
