from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from morelli.attributors import FusedAttributor
from morelli.attributors.familiarity import UNFAMILIAR_LEVEL
from morelli.attributors.view_trained import UNFAMILIAR, ViewTrainedAttributor
from morelli.errors import NotEnoughDataError

from ._classes import same

BLOCKS = {"left": slice(0, 6), "middle": slice(6, 12), "right": slice(12, 18)}
VIEWS = ("none", "jpeg:85", "blur:1")
NAMES = np.array(["ada", "bob", "cyd"])
D = 18


@parametrize_with_checks([ViewTrainedAttributor(n_folds=2)])
def test_scikit_learn(estimator, check):
    check(estimator)


def draw(seed: int, n: int, views: tuple[str, ...] = VIEWS, own: float = 0.5):
    """Return X (views k n, 18), y, prompts, views, images.

    A view moves all images by an offset, and turns what tells the classes apart by a share `own` of its own.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), n)
    prompts = np.tile(np.arange(n), 3)
    picture = rng.normal(size=(3 * n, D))
    rows = []
    for view in views:
        planted = np.random.default_rng([len(view), ord(view[0])])
        common = 1.1 * np.random.default_rng(99).normal(size=(3, D))
        means = (1 - own) * common + own * 1.1 * planted.normal(size=(3, D))
        offset = 7 * planted.normal(size=D) / np.sqrt(D) * 2
        rows.append(offset + means[y] + picture + 0.5 * rng.normal(size=(3 * n, D)))
    k = len(views)
    names = np.repeat(np.array(views, dtype=object), 3 * n)
    return np.concatenate(rows), NAMES[np.tile(y, k)], np.tile(prompts, k), names, np.tile(np.arange(3 * n), k)


@pytest.fixture(scope="module")
def fitted() -> ViewTrainedAttributor:
    X, y, prompts, views, images = draw(0, 60)
    return ViewTrainedAttributor(BLOCKS).fit(X, y, prompts, views=views, images=images)


# --- the estimator ------------------------------------------------------------------------------------------------


def test_clone_and_parameters():
    model = ViewTrainedAttributor(BLOCKS, shrinkage=0.01, level=0.8, random_state=3)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert set(copy.get_params()) == set(FusedAttributor().get_params())
    assert not hasattr(copy, "classes_")


@pytest.mark.parametrize("named", [False, True])
def test_one_view_is_a_fused_attributor(named):
    X, y, prompts, views, images = draw(1, 20, ("none",))
    rng = np.random.default_rng(0)
    within, real = rng.normal(size=(60, 2, D)), rng.integers(0, 3, 60)
    kwargs = {"views": views, "images": images} if named else {}
    ours = ViewTrainedAttributor(BLOCKS).fit(X, y, prompts, within=within, n_contrasts=real, **kwargs)
    theirs = FusedAttributor(BLOCKS).fit(X, y, prompts, within=within, n_contrasts=real)
    other = draw(2, 20, ("none",))[0]
    same(ours.answer(other), theirs.answer(other))
    assert ours.answer(other).judged_as is None
    assert set(ours.choose(other)) == {"none"}
    np.testing.assert_array_equal(ours.predict(other), theirs.predict(other))
    np.testing.assert_array_equal(
        ours.without(ours.answer(other), "left"), theirs.without(theirs.answer(other), "left")
    )
    assert (ours.training_, ours.weights_, ours.smallest_p) == (theirs.training_, theirs.weights_, theirs.smallest_p)
    assert not hasattr(ours, "gate_") and not hasattr(ours, "pool_")


def test_evidence_in_parts_is_heard_by_those_who_judge_the_whole(fitted):
    X = draw(3, 20)[0]
    far = X[:1] + 40 * np.random.default_rng(5).normal(size=D)  # of no view
    first = {word: row for row, word in reversed(list(enumerate(fitted.choose(X))))}
    assert {"none", "blur:1"} <= set(first)
    for whole in (X[[first["none"]]], X[[first["blur:1"]]], far):
        answers = fitted.answer(whole)
        alone = fitted.evidence_in_parts(whole, whole)
        parts = fitted.evidence_in_parts(whole, X)
        assert list(parts) == list(BLOCKS)
        for name in BLOCKS:
            np.testing.assert_allclose(alone[name], answers.evidence[name], rtol=1e-9, atol=1e-9)
            assert parts[name].shape == (len(X), 3)
            if answers.judged_as[0] != UNFAMILIAR:
                expert = fitted.experts_[answers.judged_as[0]]
                np.testing.assert_array_equal(parts[name], expert.answer(X).evidence[name])
    assert fitted.answer(far).judged_as[0] == UNFAMILIAR


# --- the gate -----------------------------------------------------------------------------------------------------


def test_the_gate_picks_the_expert(fitted):
    X, y, _, views, _ = draw(3, 100)
    answers = fitted.answer(X)
    familiar = answers.judged_as != UNFAMILIAR
    assert familiar.mean() > 1 - 2 * UNFAMILIAR_LEVEL
    assert (answers.judged_as == views)[familiar].mean() > 0.99
    for view, expert in fitted.experts_.items():
        rows = np.flatnonzero(answers.judged_as == view)
        part = expert.answer(X[rows])
        np.testing.assert_array_equal(answers.proba[rows], part.proba)
        np.testing.assert_array_equal(answers.prediction_set[rows], part.prediction_set)
        np.testing.assert_array_equal(answers.open_set_p[rows], part.open_set_p)
        for name in BLOCKS:
            np.testing.assert_array_equal(answers.evidence[name][rows], part.evidence[name])
            np.testing.assert_array_equal(answers.family_proba[name][rows], part.family_proba[name])
    degraded = views != "none"
    alone = fitted.home.predict(X[degraded])
    assert (fitted.predict(X[degraded]) == y[degraded]).mean() > (alone == y[degraded]).mean() + 0.1


def test_few_images_of_a_known_view_are_called_unfamiliar(fitted):
    X, _, _, _, _ = draw(4, 700)
    share = (fitted.choose(X) == UNFAMILIAR).mean()
    assert UNFAMILIAR_LEVEL / 2 < share < 1.6 * UNFAMILIAR_LEVEL, share


def test_each_row_is_judged_by_itself(fitted):
    X = np.concatenate([draw(5, 10)[0], draw(6, 5, ("wave",))[0]])
    assert set(fitted.choose(X)) == {*VIEWS, UNFAMILIAR}
    shuffled = np.random.default_rng(0).permutation(len(X))
    together, again = fitted.answer(X), fitted.answer(X[shuffled])
    np.testing.assert_array_equal(again.judged_as, together.judged_as[shuffled])
    np.testing.assert_allclose(again.proba, together.proba[shuffled])
    np.testing.assert_array_equal(again.prediction_set, together.prediction_set[shuffled])
    for row in (0, 40, 80, len(X) - 1):
        np.testing.assert_allclose(fitted.answer(X[[row]]).proba[0], together.proba[row])


def test_references_in_any_order(fitted):
    """Image by image instead of view by view."""
    X, y, prompts, views, images = draw(0, 60)
    mixed = np.arange(len(X)).reshape(3, -1).T.ravel()
    other = ViewTrainedAttributor(BLOCKS).fit(
        X[mixed], y[mixed], prompts[mixed], views=views[mixed], images=images[mixed]
    )
    assert list(other.experts_) == list(fitted.experts_)
    for view, expert in fitted.experts_.items():
        fresh = draw(7, 20)[0]
        same(other.experts_[view].answer(fresh), expert.answer(fresh))
    strange = draw(8, 40, ("wave",))[0]
    assert (other.choose(strange) == fitted.choose(strange)).mean() > 0.98
    np.testing.assert_allclose(other.predict_proba(strange), fitted.predict_proba(strange), atol=1e-3)


# --- conditions that training never saw ---------------------------------------------------------------------------


def test_unfamiliar_conditions_are_noticed_and_doubted(fitted):
    X, y, _, _, _ = draw(9, 300, ("wave",))
    answers = fitted.answer(X)
    assert (answers.judged_as == UNFAMILIAR).mean() > 0.95
    rows = answers.judged_as == UNFAMILIAR
    nearest = fitted.gate_.log_likelihood(X).argmax(axis=1)
    claims = [expert.answer(X) for expert in fitted.experts_.values()]
    naive = np.stack([one.proba for one in claims])[nearest, np.arange(len(X))][rows]
    naive_sets = np.stack([one.prediction_set for one in claims])[nearest, np.arange(len(X))][rows]
    truth = np.searchsorted(NAMES, y[rows])
    right = answers.proba[rows].argmax(axis=1) == truth
    confidence, claimed = answers.proba[rows].max(axis=1).mean(), naive.max(axis=1).mean()
    assert right.mean() > 0.4  # chance is a third: there is something to say
    assert confidence < claimed - 0.05
    assert confidence <= right.mean() + 0.1
    assert abs(confidence - right.mean()) < abs(claimed - (naive.argmax(axis=1) == truth).mean())
    assert answers.prediction_set[rows].sum(axis=1).mean() > naive_sets.sum(axis=1).mean()
    covered = answers.prediction_set[rows][np.arange(len(truth)), truth].mean()
    assert covered > naive_sets[np.arange(len(truth)), truth].mean()
    assert covered > 0.8


def test_unfamiliar_answers_are_answers(fitted):
    X = draw(10, 20, ("wave",))[0]
    answers = fitted.answer(X)
    assert set(answers.judged_as) == {UNFAMILIAR}
    np.testing.assert_allclose(answers.proba.sum(axis=1), 1)
    assert answers.prediction_set.any(axis=1).all()
    assert ((answers.open_set_p > 0) & (answers.open_set_p <= 1)).all()
    for name in BLOCKS:
        np.testing.assert_allclose(answers.evidence[name].sum(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(answers.family_proba[name].sum(axis=1), 1)
    rest = fitted.without(answers, "left")
    np.testing.assert_allclose(rest.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict_proba(X), answers.proba)


def test_without_images_nothing_is_unfamiliar():
    X, y, prompts, views, _ = draw(0, 30)
    model = ViewTrainedAttributor(BLOCKS).fit(X, y, prompts, views=views)
    assert not hasattr(model, "pool_")
    assert set(model.answer(draw(11, 20, ("wave",))[0]).judged_as) <= set(VIEWS)


# --- what is learned from what ------------------------------------------------------------------------------------


def test_other_pictures_of_an_image_are_held_out_with_it(monkeypatch):
    """Every first column is the image's number, so that a fit shows whom it has seen; groups hold whole prompts."""
    import morelli.attributors._references as module

    X, y, prompts, views, images = draw(0, 12)
    X[:, 0] = images
    fits: list[set[int]] = []
    judged: list[tuple[set[int], set[int]]] = []
    fit, judge = module.fit_discriminant, module.judge

    def spy_fit(X, *args, **kwargs):
        fits.append(set(X[:, 0].round().astype(int)))
        return fit(X, *args, **kwargs)

    def spy_judge(discriminants, blocks, X):
        judged.append((fits[-1], set(X[:, 0].round().astype(int))))
        return judge(discriminants, blocks, X)

    monkeypatch.setattr(module, "fit_discriminant", spy_fit)
    monkeypatch.setattr(module, "judge", spy_judge)
    ViewTrainedAttributor().fit(X, y, prompts, views=views, images=images)
    assert judged
    prompt_of = dict(zip(images.tolist(), prompts.tolist(), strict=True))
    for seen, asked in judged:
        assert not {prompt_of[i] for i in seen} & {prompt_of[i] for i in asked}
    # Each image in each view is judged once as itself, once more for the learning curve, and once for the other views.
    assert sum(len(asked) for _, asked in judged) == 3 * 36 * 3


def test_images_missing_in_a_view():
    X, y, prompts, views, images = draw(0, 30)
    rng = np.random.default_rng(0)
    keep = rng.permutation(len(X))[: int(0.8 * len(X))]
    model = ViewTrainedAttributor(BLOCKS).fit(
        X[keep], y[keep], prompts[keep], views=views[keep], images=images[keep].astype(str)
    )
    test = draw(12, 50)
    assert (model.predict(test[0]) == test[1]).mean() > 0.7
    assert hasattr(model, "pool_")


def test_views_of_different_images_have_no_pool():
    X, y, prompts, views, _ = draw(0, 20)
    model = ViewTrainedAttributor(BLOCKS).fit(X, y, prompts, views=views, images=np.arange(len(X)))
    assert not hasattr(model, "pool_")
    assert model.answer(X).judged_as is not None


def test_several_pictures_of_an_image_in_one_view_count_once():
    X, y, prompts, views, images = draw(0, 12, ("none", "jpeg:85"))
    twice = np.concatenate([np.arange(len(X)), np.flatnonzero(views == "jpeg:85")])
    moved = X[twice] + np.where(np.arange(len(twice)) < len(X), 0, 0.1)[:, None]
    for groups in (prompts[twice], None):
        model = ViewTrainedAttributor(BLOCKS).fit(moved, y[twice], groups, views=views[twice], images=images[twice])
        for expert in model.experts_.values():
            assert expert.training_.n_images == {"ada": 12, "bob": 12, "cyd": 12}
            assert expert.training_.n_groups == (36 if groups is None else 12)
        assert hasattr(model, "pool_")


def test_refusals():
    X, y, prompts, views, images = draw(0, 10)
    with pytest.raises(ValueError, match=r"views has shape \(3,\); expected one entry for each of 90"):
        ViewTrainedAttributor().fit(X, y, views=["a", "b", "c"])
    rows = ~((views == "blur:1") & (y == "cyd"))
    with pytest.raises(ValueError, match="view 'blur:1' does not show the same classes as view 'none'"):
        ViewTrainedAttributor().fit(X[rows], y[rows], prompts[rows], views=views[rows], images=images[rows])
    few = np.concatenate([np.flatnonzero(views == "none"), [30, 31, 40, 41, 50, 51]])
    with pytest.raises(NotEnoughDataError, match="at least 3"):
        ViewTrainedAttributor().fit(X[few], y[few], prompts[few], views=views[few])


# --- storage ------------------------------------------------------------------------------------------------------


def stored(model: ViewTrainedAttributor):
    arrays, values = model.to_parts()
    return arrays, json.loads(json.dumps(values, sort_keys=True, allow_nan=False))


def test_round_trip(fitted):
    again = ViewTrainedAttributor.from_parts(*stored(fitted))
    X = np.concatenate([draw(13, 10)[0], draw(14, 10, ("wave",))[0]])
    same(again.answer(X), fitted.answer(X))
    np.testing.assert_array_equal(again.answer(X).judged_as, fitted.answer(X).judged_as)
    assert list(again.experts_) == list(VIEWS)
    arrays, values = again.to_parts()
    assert json.dumps(values, sort_keys=True) == json.dumps(fitted.to_parts()[1], sort_keys=True)
    assert all(np.array_equal(array, fitted.to_parts()[0][name]) for name, array in arrays.items())
    assert again.training_ == fitted.training_


def test_round_trip_without_a_pool():
    X, y, prompts, views, _ = draw(0, 20)
    model = ViewTrainedAttributor(BLOCKS).fit(X, y, prompts, views=views)
    again = ViewTrainedAttributor.from_parts(*stored(model))
    same(again.answer(X), model.answer(X))
    assert not hasattr(again, "pool_")


def damage(values: dict, path: tuple, value: object) -> None:
    for step in path[:-1]:
        values = values[step]
    values[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("experts",), []),
        (("experts", 1, "view"), "none"),
        (("experts", 1, "view"), 7),
        (("experts", 1, "view"), UNFAMILIAR),
        (("experts", 1, "classes"), ["ada", "bob", "eve"]),
        (("experts", 2, "n_features"), 17),
        (("experts", 1, "settings"), {"level": 0.5}),
        (("experts", 1, "conformal", "thresholds"), [0.5]),
        (("gate",), None),
        (("gate", "distances", "scores"), []),
        (("pool", "sharpness"), float("nan")),
        (("pool", "sharpness"), -1.0),
        (("pool", "calibrator", "temperature"), -1.0),
        (("pool", "calibrator", "doubt"), 0.6),
        (("pool", "trust"), [0.0, float("nan"), 0.0]),
        (("pool", "trust"), [0.0, 0.0]),
        (("pool", "conformal"), {}),
        (("pool", "open_set", "scores"), []),
    ],
    ids=lambda x: ".".join(map(str, x)) if isinstance(x, tuple) else str(x)[:20],
)
def test_damaged_values_are_refused(path, value, fitted):
    arrays, values = stored(fitted)
    damage(values, path, value)
    with pytest.raises((ValueError, KeyError, TypeError)):
        ViewTrainedAttributor.from_parts(arrays, values)


@pytest.mark.parametrize("name", ["gate.means", "gate.variance", "view1.discriminant.left.means"])
def test_damaged_arrays_are_refused(name, fitted):
    arrays, values = stored(fitted)
    spoilt = arrays[name].copy()
    spoilt.flat[0] = np.nan
    for wrong in (spoilt, arrays[name][..., :-1], arrays[name].astype(np.float32)):
        with pytest.raises(ValueError):
            ViewTrainedAttributor.from_parts({**arrays, name: wrong}, values)
    with pytest.raises(KeyError):
        ViewTrainedAttributor.from_parts({k: v for k, v in arrays.items() if k != name}, values)
