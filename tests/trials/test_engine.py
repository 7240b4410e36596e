from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from morelli.attributors import fit_bundle
from morelli.catalog import Catalog, build_catalog, split_catalog
from morelli.encoders import FeatureCache, ForensicEncoder, extract
from morelli.errors import MorelliError
from morelli.sample import sample_catalog_csv, sample_path
from morelli.trials import cross_validate, evaluate, overlap_notes

MODELS = ("acnet-gan", "realsr-df2k", "waifu2x-cunet")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("engine") / "cache.sqlite")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    """3 models x 8 photographs, one unreadable row, one without a label, two of a model that is named `stranger`."""
    folder: Path = tmp_path_factory.mktemp("engine-catalog")
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "reference"]
    photographs = sorted({row["prompt_id"] for row in rows})
    (folder / "bad.png").write_bytes(b"no image")
    lines = ["path,model,lineage,prompt_id"]

    def add(model: str, photograph: str, label: str, lineage: str = "") -> None:
        lines.append(f"{sample_path() / 'reference' / model / f'{photograph}.jpg'},{label},{lineage},{photograph}")

    for photograph in photographs[:8]:
        for model in MODELS:
            add(model, photograph, model, "GAN" if model == "realsr-df2k" else "")
    lines.append(f"bad.png,acnet-gan,,{photographs[0]}")
    add("acnet-gan", photographs[8], "")
    for photograph in photographs[9:11]:
        add("esrgan-medium", photograph, "stranger")
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    return build_catalog(folder / "t.csv")


@pytest.fixture(scope="module")
def features(catalog, cache):
    return extract(catalog, ForensicEncoder(), cache=cache, workers=1)


@pytest.fixture(scope="module")
def candidates(catalog):
    """Rows of the three models, the unreadable one among them."""
    return catalog.filter(np.isin(catalog.column("model").astype(str), MODELS))


@pytest.fixture(scope="module")
def bundle(candidates, cache):
    return fit_bundle(candidates, name="b", cache=cache, workers=1)


def test_evaluate_keeps_every_row(bundle, catalog, cache):
    calls: list[tuple[int, int]] = []
    predictions = evaluate(bundle, catalog, cache=cache, workers=1, progress=lambda *call: calls.append(call))
    assert len(predictions) == len(catalog) == 28
    assert predictions.classes == MODELS
    assert predictions.lineages == (None, "GAN", None)
    assert list(predictions.image_id) == list(catalog.column("image_id"))
    assert list(predictions.uri) == [str(path) for path in catalog.paths]
    assert calls[-1][0] == calls[-1][1]
    bad = ~predictions.readable
    assert [path.name for path in np.array(catalog.paths)[bad]] == ["bad.png"]
    assert np.isnan(predictions.proba[bad]).all()
    assert list(predictions.decision[bad]) == ["unreadable"]
    assert all(np.isnan(block[bad]).all() for block in predictions.evidence.values())
    assert set(predictions.label[predictions.unknown]) == {"stranger"}
    assert predictions.unknown.sum() == 2
    assert (~predictions.labelled).sum() == 1
    assert predictions.known.sum() == 24
    assert predictions.prompt_known


def test_evaluate_on_references_is_nearly_right(bundle, candidates, cache):
    predictions = evaluate(bundle, candidates, cache=cache, workers=1)
    assert (predictions.top == predictions.y)[predictions.known].mean() > 0.9


def test_evaluate_without_any_readable_row(bundle, catalog, cache):
    predictions = evaluate(bundle, catalog.filter(~catalog.table["error"].is_null().to_numpy()), cache=cache)
    assert list(predictions.decision) == ["unreadable"]
    assert predictions.without_family.keys() == predictions.evidence.keys() == bundle.attributor.weights_.keys()


def test_evaluate_by_another_column(candidates, cache):
    """Classes are text, whatever the type of the column."""
    readable = candidates.readable
    by_width = readable.with_column("width", np.where(readable.column("model") == "acnet-gan", 1, 2).astype(np.int32))
    fitted = fit_bundle(by_width, label="width", cache=cache, workers=1)
    predictions = evaluate(fitted, by_width, cache=cache, workers=1)
    assert predictions.classes == ("1", "2")
    assert set(predictions.label) == {"1", "2"}
    assert predictions.known.all()


def test_overlap_notes(bundle, catalog, candidates):
    both = overlap_notes(bundle, candidates)
    assert both[0].startswith("24 of 25 images are references of this bundle")
    assert both[1].startswith("8 of 8 prompts occur among the references")
    strangers = catalog.select(model="stranger")
    assert overlap_notes(bundle, strangers) == []
    renamed = strangers.with_column("prompt_id", np.array([candidates.column("prompt_id")[0], "new"], dtype=object))
    assert len(notes := overlap_notes(bundle, renamed)) == 1
    assert notes[0].startswith("1 of 2 prompts")
    unnamed = strangers.with_column("prompt_id", np.array([None, None], dtype=object))
    assert overlap_notes(bundle, unnamed) == []


@pytest.fixture(scope="module")
def judged(candidates, catalog, features):
    rows = np.isin(catalog.column("model").astype(str), MODELS)
    return features.take(np.flatnonzero(rows))


@pytest.fixture(scope="module")
def folds(candidates):
    return split_catalog(candidates, folds=2).folds(candidates)


def test_cross_validate(candidates, judged, folds):
    calls: list[tuple[int, int]] = []
    predictions = cross_validate(candidates, judged, folds, progress=lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]
    assert len(predictions) == len(candidates)
    order = np.concatenate([np.flatnonzero(folds == fold) for fold in (0, 1, -1)])
    assert list(predictions.image_id) == list(candidates.column("image_id")[order])
    assert list(predictions.label) == list(candidates.column("model")[order])
    assert predictions.decision[-1] == "unreadable"
    assert predictions.readable[:-1].all()
    assert (predictions.top == predictions.y)[predictions.known].mean() > 0.6
    assert len(set(predictions.group.tolist())) == 8


def test_cross_validate_is_deterministic(candidates, judged, folds, tmp_path):
    for name in ("a", "b"):
        cross_validate(candidates, judged, folds, seed=3).write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_is_learned_from_rows_without_a_label(candidates, judged, folds):
    labels = candidates.column("model")
    labels[[0, 5, 9]] = None
    hidden = candidates.with_column("model", labels)
    predictions = cross_validate(hidden, judged, folds)
    assert predictions.classes == MODELS
    assert (~predictions.labelled).sum() == 3
    assert predictions.readable.sum() == 24


def test_a_class_in_one_fold_only(candidates, judged):
    folds = np.where(candidates.column("model") == "acnet-gan", 0, np.arange(len(candidates)) % 2)
    with pytest.raises(MorelliError, match="All images of acnet-gan are in fold 0"):
        cross_validate(candidates, judged, folds)


def test_arguments_that_do_not_belong_together(candidates, judged, folds):
    with pytest.raises(MorelliError, match="as many folds and features as images"):
        cross_validate(candidates, judged, folds[:-1])
    with pytest.raises(MorelliError, match="at least two folds, there are 1"):
        cross_validate(candidates, judged, np.where(folds < 0, -1, 0))
    with pytest.raises(MorelliError, match="in no fold"):
        cross_validate(candidates, judged, np.full(len(candidates), -1))
