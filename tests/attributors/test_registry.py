from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from morelli.attributors import (
    OutOfFold,
    fit_attributor,
    get_attributor_info,
    list_attributors,
    parse_attributor,
    register_attributor,
)
from morelli.attributors.registry import DEFAULT_ATTRIBUTOR, fit_registered
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.encoders import ForensicEncoder, extract, join_encoders
from morelli.errors import MorelliError

INFOS = list_attributors()
VECTORS = [info.name for info in INFOS if not info.pixels and not info.prompts]
TOLD = [info.name for info in INFOS if info.prompts]


def test_the_default_comes_first():
    assert INFOS[0].name == DEFAULT_ATTRIBUTOR
    wanted = {"fused", "centroid", "knn", "logistic", "mlp", "marra", "dzanic", "gaussian-naive", "convnext-tiny"}
    assert wanted | {"resnet50"} <= {info.name for info in INFOS}


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
def test_infos_are_complete(info):
    assert info.summary.endswith(".")
    assert info.source
    assert join_encoders(info.encoder).name == info.encoder
    assert parse_attributor(info.name).name == info.name
    assert info.pixels == info.encoder.startswith(("thumbnail-", "patches-"))


@pytest.mark.parametrize("name", VECTORS)
def test_all_answer_in_one_frame(name):
    rng = np.random.default_rng(0)
    y = np.repeat(["ada", "bob", "cyd"], 12)
    X = rng.normal(size=(36, 6)) + 3 * np.eye(3, 6)[np.repeat(range(3), 12)]
    attributor = get_attributor_info(name).build({"a": slice(0, 3), "b": slice(3, 6)}, seed=1, level=0.8)
    attributor = clone(attributor)
    attributor.fit(X, y, np.tile(np.arange(12), 3))
    answers = attributor.answer(X)
    assert answers.proba.shape == answers.prediction_set.shape == (36, 3)
    assert answers.open_set_p.shape == (36,)
    assert list(answers.evidence) == list(answers.family_proba) == list(attributor.weights_)
    assert attributor.level == 0.8
    assert attributor.training_.leak_free


@pytest.mark.parametrize("name", TOLD)
def test_all_that_are_told_prompts_answer_in_one_frame(name):
    rng = np.random.default_rng(0)
    y, prompts = np.tile(np.repeat(["ada", "bob", "cyd"], 4), 6), np.repeat(np.arange(6), 12)
    X = rng.normal(size=(72, 6)) + 3 * np.eye(3, 6)[np.searchsorted(["ada", "bob", "cyd"], y)]
    texts = np.array([f"prompt {prompt}" for prompt in prompts], dtype=object)
    attributor = clone(get_attributor_info(name).build({"a": slice(0, 3), "b": slice(3, 6)}, seed=1, level=0.8))
    attributor.fit(X[12:], y[12:], prompts[12:], prompts=prompts[12:], texts=texts[12:])
    known = np.arange(0, 12, 2)
    informed = attributor.given(X[known], y[known], prompts=prompts[known], texts=texts[known], references=2)
    answers = informed.answer(X[1:12:2], prompts=prompts[1:12:2], texts=texts[1:12:2])
    assert answers.proba.shape == answers.prediction_set.shape == (6, 3)
    assert np.allclose(answers.proba.sum(axis=1), 1)
    assert list(answers.evidence) == list(answers.family_proba) == list(informed.weights_)
    for family in informed.weights_:
        assert np.allclose(informed.without(answers, family).sum(axis=1), 1)
    assert attributor.level == 0.8 and informed.training_.leak_free


def test_wrapped_or_not():
    assert isinstance(get_attributor_info("fused").build({"a": slice(0, 2)}), ViewTrainedAttributor)
    assert isinstance(get_attributor_info("centroid").build({}), OutOfFold)
    assert get_attributor_info("centroid").build({}, temperature=0.5).estimator.temperature == 0.5


def test_grammar():
    spec = parse_attributor(" knn@dzanic-spectrum ")
    assert (spec.info.name, spec.encoder, spec.name) == ("knn", "dzanic-spectrum", "knn@dzanic-spectrum")
    assert parse_attributor("knn@forensic").name == "knn"
    assert parse_attributor("fused@forensic+dzanic-spectrum").encoder == "forensic+dzanic-spectrum"
    with pytest.raises(MorelliError, match="No attributor is called 'oracle'; there are: fused"):
        parse_attributor("oracle")
    with pytest.raises(MorelliError, match="No encoder is called 'tea-leaves'"):
        parse_attributor("knn@tea-leaves")
    with pytest.raises(MorelliError, match="pictures are packed pixels"):
        parse_attributor("knn@thumbnail-64")
    for text in ("resnet50@forensic", "resnet50@thumbnail-64+patches-64x16", "convnext-atto@thumbnail-64+forensic"):
        with pytest.raises(MorelliError, match="reads one encoder of pictures only"):
            parse_attributor(text)
    assert parse_attributor("convnext-atto@patches-96x4").encoder == "patches-96x4"


def test_registering():
    with pytest.raises(ValueError, match="already registered"):
        register_attributor("knn", summary="", source="", encoder="forensic")(lambda blocks, **_: None)
    for name in ("a@b", "a,b", ""):
        with pytest.raises(ValueError, match="neither @ nor comma"):
            register_attributor(name, summary="", source="", encoder="forensic")(lambda blocks, **_: None)


def test_the_default_is_fitted_as_ever(references):
    features = extract(references.catalog, ForensicEncoder(), cache=references.cache, workers=1)
    ours = fit_registered(get_attributor_info("fused"), references.catalog, features, seed=3)
    theirs, _ = fit_attributor(references.catalog, [features], seed=3)
    assert (ours.answer(features.X).proba == theirs.answer(features.X).proba).all()
    assert ours.training_ == theirs.training_


def test_unknown_prompts_are_told(references):
    features = extract(references.catalog, ForensicEncoder(), cache=references.cache, workers=1)
    n = len(references.catalog)
    blind = references.catalog.with_column("prompt_id", np.full(n, None, dtype=object))
    fitted = fit_registered(get_attributor_info("centroid"), blind, features)
    assert not fitted.training_.leak_free
    assert "No prompt is known" in fitted.training_.notes[-1]
