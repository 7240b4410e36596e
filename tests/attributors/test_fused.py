from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import morelli.attributors.fused as fused
from morelli.attributors import FusedAttributor
from morelli.attributors.calibration import BiasCorrectedTemperature
from morelli.attributors.doubt import DoubtedBiases, DoubtedTemperature
from morelli.errors import NotEnoughDataError

from ._classes import BLOCKS, draw, same


@parametrize_with_checks([FusedAttributor(n_folds=2)])
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted() -> FusedAttributor:
    X, y, _ = draw(0, 40)
    return FusedAttributor(BLOCKS).fit(X, np.array(["ada", "bob", "cyd"])[y])


# --- the estimator ------------------------------------------------------------------------------------------------


def test_clone_and_parameters():
    model = FusedAttributor(BLOCKS, shrinkage=0.01, level=0.8, random_state=3)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    settings = {"shrinkage", "within_share", "n_folds", "level", "set_method", "set_per_class", "random_state"}
    assert set(model.get_params()) == {"blocks", *settings}
    assert copy.set_params(level=0.7).level == 0.7
    assert not hasattr(copy, "classes_")


def test_works_in_cross_validation():
    X, y, groups = draw(1, 20, groups=10)
    scores = cross_val_score(FusedAttributor(BLOCKS), X, y, groups=groups, cv=GroupKFold(3))
    assert scores.mean() > 0.7, scores


def test_answers_are_consistent(fitted):
    X, y, _ = draw(2, 30)
    answers = fitted.answer(X)
    np.testing.assert_allclose(answers.proba.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict_proba(X), answers.proba)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[answers.proba.argmax(axis=1)])
    assert (fitted.predict(X) == np.array(["ada", "bob", "cyd"])[y]).mean() > 0.9
    assert answers.prediction_set.dtype == bool and answers.prediction_set.any(axis=1).all()
    assert ((answers.open_set_p > 0) & (answers.open_set_p <= 1)).all()
    assert list(answers.evidence) == list(BLOCKS)
    for name in BLOCKS:
        np.testing.assert_allclose(answers.family_proba[name].sum(axis=1), 1)
        np.testing.assert_allclose(answers.evidence[name].sum(axis=1), 0, atol=1e-9)


def test_one_image_is_judged_as_many_are(fitted):
    X, _, _ = draw(3, 10)
    together, alone = fitted.answer(X), fitted.answer(X[4:5])
    np.testing.assert_allclose(alone.proba[0], together.proba[4], rtol=1e-12)
    np.testing.assert_allclose(alone.open_set_p[0], together.open_set_p[4])


def force(monkeypatch, calibrator):
    def choose(logits, y, groups, seed):
        return fused.CalibratorChoice(calibrator.fit(logits, y), calibrator.name, "forced", {}, None, None, 0, 0, seed)

    monkeypatch.setattr(fused, "choose_calibrator", choose)


@pytest.mark.parametrize(
    "calibrator", [DoubtedTemperature(), DoubtedBiases(ridge=0.1), BiasCorrectedTemperature(ridge=0.1)]
)
def test_evidence_adds_up_to_the_answer(monkeypatch, calibrator):
    force(monkeypatch, calibrator)
    X, y, _ = draw(4, 25, apart=0.6)
    model = FusedAttributor(BLOCKS).fit(X[10:], y[10:])
    answers = model.answer(X)
    assert np.any(calibrator.bias != 0) == (calibrator.name != "doubted-temperature")
    total = sum(answers.evidence.values()) + calibrator.bias
    rest = answers.undoubted - total
    np.testing.assert_allclose(rest, rest[:, :1] + np.zeros(3), atol=1e-9)
    np.testing.assert_allclose(np.exp(answers.undoubted).sum(axis=1), 1)
    doubt = model.calibration_.calibrator.doubt
    np.testing.assert_allclose(answers.proba, (1 - doubt) * np.exp(answers.undoubted) + doubt / 3)


@pytest.mark.parametrize(
    "calibrator", [DoubtedTemperature(), DoubtedBiases(), BiasCorrectedTemperature()], ids=lambda c: c.name
)
def test_without_a_family(monkeypatch, calibrator):
    force(monkeypatch, calibrator)
    X, y, _ = draw(0, 40)
    fitted = FusedAttributor(BLOCKS).fit(X, y)
    X, _, _ = draw(5, 10)
    answers = fitted.answer(X)
    rest = fitted.without(answers, "left")
    np.testing.assert_allclose(rest.sum(axis=1), 1)
    expected = answers.evidence["middle"] + answers.evidence["right"] + fitted.calibration_.calibrator.bias
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    doubt = fitted.calibration_.calibrator.doubt
    assert (doubt > 0) == (calibrator.name != "bias-corrected-temperature")
    np.testing.assert_allclose(rest, (1 - doubt) * expected + doubt / 3, atol=1e-9)


def test_without_all_evidence_nothing_is_known(monkeypatch):
    force(monkeypatch, DoubtedTemperature())
    X, y, _ = draw(6, 20, apart=0.7)
    model = FusedAttributor().fit(X, y)
    np.testing.assert_allclose(model.without(model.answer(X), "features"), 1 / 3, atol=1e-9)


def test_family_that_knows_counts_and_noise_does_not():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    X = rng.normal(size=(120, 14))
    X[:, :6] += 1.5 * y[:, None]
    model = FusedAttributor(BLOCKS).fit(X, y)
    evidence = {name: np.abs(values).mean() for name, values in model.answer(X).evidence.items()}
    assert evidence["left"] > 10 * max(evidence["middle"], evidence["right"])


def test_constant_family_is_harmless():
    X, y, _ = draw(7, 20)
    X[:, 6:8] = 5.0
    model = FusedAttributor(BLOCKS).fit(X, y)
    assert model.weights_["middle"] == 0
    np.testing.assert_array_equal(model.answer(X).evidence["middle"], 0)


# --- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [14, 300])
def test_two_classes_of_five_images(d):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 5)
    X = rng.normal(size=(10, d)) + 3 * y[:, None]
    model = FusedAttributor().fit(X, y, np.tile(np.arange(5), 2))
    new = rng.normal(size=(200, d)) + 3 * np.repeat([0, 1], 100)[:, None]
    answers = model.answer(new)
    assert (answers.proba.argmax(axis=1) == np.repeat([0, 1], 100)).mean() > 0.95
    assert answers.proba.max() < 0.995  # ten images are no grounds for certainty
    assert answers.open_set_p.min() >= 1 / 11


@pytest.mark.parametrize("groups", [None, [0, 1, 1, 0, 1, 1], [0, 1, 2, 0, 1, 2]])
def test_fewest_images(groups):
    y = np.repeat([0, 1], 3)
    X = np.random.default_rng(1).normal(size=(6, 40)) + 4 * y[:, None]
    model = FusedAttributor().fit(X, y, groups)
    answers = model.answer(X)
    np.testing.assert_array_equal(answers.proba.argmax(axis=1), y)
    assert answers.prediction_set.all()  # six images support no set at 90% but that of all classes


def test_unbalanced_classes():
    X, y, _ = draw(13, 200, k=2, apart=0.8)
    few = np.r_[:200, 200:205]
    model = FusedAttributor(BLOCKS).fit(X[few], y[few])
    new, truth, _ = draw(14, 300, k=2, apart=0.8)
    right = model.predict(new) == truth
    assert right[truth == 0].mean() > 0.8
    assert right[truth == 1].mean() > 0.8
    assert model.training_.n_images == {"0": 200, "1": 5}


@pytest.mark.parametrize(
    ("names", "kind"),
    [(["b", "a", "c"], "U"), ([30, 4, 5], "i"), (["ä ö", "日本", "x" * 300], "U"), ([2.0, 1.0, 3.0], "f")],
)
def test_label_types(names, kind):
    X, y, _ = draw(15, 12)
    labels = np.array(names)[y]
    model = FusedAttributor().fit(X, labels)
    assert model.classes_.tolist() == sorted(names)
    assert model.predict(X).dtype.kind == kind
    assert (model.predict(X) == labels).mean() > 0.9
    if kind == "U":
        same(FusedAttributor().fit(X, labels.astype(object)).answer(X), model.answer(X))


def test_order_of_rows_hardly_matters(monkeypatch):
    X, y, _ = draw(16, 30)
    order = np.random.default_rng(0).permutation(90)

    def both():
        fits = FusedAttributor(BLOCKS).fit(X, y), FusedAttributor(BLOCKS).fit(X[order], y[order])
        return [model.predict_proba(X) for model in fits]

    # Other folds may choose the other calibrator, and that moves images that are between two classes.
    plain, mixed = both()
    assert np.abs(mixed - plain).mean() < 0.02
    assert (mixed.argmax(axis=1) == plain.argmax(axis=1)).mean() > 0.97
    force(monkeypatch, DoubtedTemperature())
    plain, mixed = both()
    np.testing.assert_allclose(mixed, plain, atol=0.1)


# --- errors -------------------------------------------------------------------------------------------------------


def test_clear_errors():
    X, y, groups = draw(17, 6)
    fit = FusedAttributor(BLOCKS).fit
    with pytest.raises(NotEnoughDataError, match=r"one class \(only\).*at least two"):
        fit(X, ["only"] * 18)
    with pytest.raises(NotEnoughDataError, match=r"at least 3 reference images; too few of: 2 \(2\)\."):
        fit(X[:14], y[:14])
    for bad in (np.nan, np.inf):
        spoilt = X.copy()
        spoilt[3, 2] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            fit(spoilt, y)
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            fit(X, y).answer(spoilt)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(X, y[:-1])
    for wrong in (groups[:-1], groups[:, None]):
        with pytest.raises(ValueError, match=r"groups has shape .* each of 18 images"):
            fit(X, y, wrong)
    with pytest.raises(ValueError, match="n_folds must be at least 2"):
        FusedAttributor(n_folds=1).fit(X, y)
    with pytest.raises(ValueError, match="14 features"):
        fit(X, y).answer(X[:, :-1])
    with pytest.raises(ValueError, match="level must lie strictly between"):
        FusedAttributor(level=1.0).fit(X, y)


@pytest.mark.parametrize(
    "blocks", [{}, {"a": slice(0, 15)}, {"a": slice(3, 3)}, {"a": slice(0, 4, 2)}, {"a": slice(14, 20)}]
)
def test_blocks_that_do_not_fit(blocks):
    X, y, _ = draw(18, 5)
    with pytest.raises(ValueError, match=r"X has the columns 0 to 13|no family"):
        FusedAttributor(blocks).fit(X, y)


def test_within_that_does_not_fit():
    X, y, _ = draw(19, 5)
    within = np.random.default_rng(0).normal(size=(15, 2, 14))
    fit = FusedAttributor(BLOCKS).fit
    for wrong in (within[:-1], within[:, :, :-1], within[:, 0]):
        with pytest.raises(ValueError, match="within has shape"):
            fit(X, y, within=wrong)
    with pytest.raises(ValueError, match="within contains NaN"):
        fit(X, y, within=np.where(within > 2, np.nan, within))
    with pytest.raises(ValueError, match="n_contrasts has shape"):
        fit(X, y, within=within, n_contrasts=np.ones(14, dtype=int))


def test_rows_of_within_that_are_not_real_do_not_count():
    X, y, _ = draw(20, 5)
    within = np.random.default_rng(0).normal(size=(15, 2, 14))
    count = np.arange(15) % 3
    other = np.where(np.arange(2) < count[:, None], 0, 1)[:, :, None] * 50 + within
    a, b = (FusedAttributor(BLOCKS).fit(X, y, within=rows, n_contrasts=count) for rows in (within, other))
    same(a.answer(X), b.answer(X))
    none = FusedAttributor(BLOCKS).fit(X, y, within=within, n_contrasts=np.zeros(15, dtype=int))
    same(none.answer(X), FusedAttributor(BLOCKS).fit(X, y).answer(X))


# --- storage ------------------------------------------------------------------------------------------------------


def test_same_seed_same_bytes():
    X, y, groups = draw(21, 20, groups=11)
    a, b, other = (FusedAttributor(BLOCKS, random_state=seed).fit(X, y, groups).to_parts() for seed in (0, 0, 1))
    assert json.dumps(a[1]) == json.dumps(b[1])
    assert {k: v.tobytes() for k, v in a[0].items()} == {k: v.tobytes() for k, v in b[0].items()}
    assert json.dumps(a[1]) != json.dumps(other[1])


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        BLOCKS,
        {"z": slice(2, 6), "a": slice(6, 14), "m": slice(0, 2)},
        {"open": slice(None, 5), "end": slice(5, None)},
    ],
)
def test_parts_round_trip(blocks):
    X, y, groups = draw(22, 15, groups=6)
    model = FusedAttributor(blocks, level=0.85).fit(X, np.array(["ada", "bob", "cyd"])[y], groups)
    arrays, values = model.to_parts()
    again = FusedAttributor.from_parts(arrays, json.loads(json.dumps(values, allow_nan=False, sort_keys=True)))
    same(again.answer(X), model.answer(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.training_ == model.training_
    second = again.to_parts()
    assert json.dumps(second[1], sort_keys=True) == json.dumps(values, sort_keys=True)
    assert all(np.array_equal(second[0][name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("part", ["weights", "calibration", "conformal", "rejector", "open_set", "classes", "blocks"])
def test_parts_of_another_model_are_refused(part):
    X, y, _ = draw(23, 15)
    arrays, values = FusedAttributor({"a": slice(0, 6), "b": slice(6, 14)}).fit(X, y).to_parts()
    Z, w, _ = draw(23, 15, k=4)
    other = FusedAttributor({"a": slice(0, 6), "c": slice(6, 14)}).fit(Z, w).to_parts()[1]
    other["rejector"]["names"] = other["rejector"]["names"][:1]
    other["open_set"]["scores"] = [float("nan")]
    with pytest.raises((ValueError, KeyError)):
        FusedAttributor.from_parts(arrays, {**values, part: other[part]})


def test_not_fitted():
    for call in ("answer", "predict", "predict_proba"):
        with pytest.raises(ValueError, match="not fitted"):
            getattr(FusedAttributor(), call)(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="not fitted"):
        FusedAttributor().to_parts()
