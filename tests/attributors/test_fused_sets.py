"""What a fused attributor says of several candidates (prediction sets) and of several images (pooling)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import clone

from morelli.attributors import FusedAttributor
from morelli.attributors.pooling import SetPooling
from morelli.attributors.view_trained import ViewTrainedAttributor

BLOCKS = {"left": slice(0, 6), "right": slice(6, 14)}
NAMES = np.array(["ada", "bob", "cyd"])


def draw(seed: int, n: int, apart: float = 0.5):
    """Return X (3 n, 14), y, prompts; cyd is harder to tell than the others."""
    rng = np.random.default_rng(seed)
    means = apart * np.random.default_rng(99).normal(size=(3, 14)) * np.array([[1.5], [1.5], [0.2]])
    y = np.repeat(np.arange(3), n)
    return means[y] + rng.normal(size=(3 * n, 14)), y, np.tile(np.arange(n), 3)


def again(model):
    arrays, values = model.to_parts()
    return type(model).from_parts(arrays, json.loads(json.dumps(values, allow_nan=False, sort_keys=True)))


# --- prediction sets ---------------------------------------------------------------------------------------------


def test_settings_reach_the_sets_and_come_back():
    X, y, groups = draw(0, 20)
    model = clone(FusedAttributor(BLOCKS, level=0.8, set_method="aps", set_per_class=True)).fit(X, NAMES[y], groups)
    assert (model.conformal_.method, model.conformal_.class_conditional, model.conformal_.level) == ("aps", True, 0.8)
    back = again(model)
    assert back.get_params() == model.get_params()
    assert back.conformal_.to_dict() == model.conformal_.to_dict()
    np.testing.assert_array_equal(back.answer(X).prediction_set, model.answer(X).prediction_set)
    usual = FusedAttributor(BLOCKS, level=0.8).fit(X, NAMES[y], groups)
    assert (usual.conformal_.method, usual.conformal_.class_conditional) == ("lac", False)
    np.testing.assert_array_equal(usual.predict_proba(X), model.predict_proba(X))
    assert model.answer(X).prediction_set.sum() > usual.answer(X).prediction_set.sum()


def test_sets_for_each_class_hold_the_hard_one_too():
    covered = {}
    for per_class in (False, True):
        held = []
        for seed in range(4):
            X, y, groups = draw(seed, 40)
            new, truth, _ = draw(900 + seed, 100)
            sets = FusedAttributor(BLOCKS, set_per_class=per_class).fit(X, y, groups).answer(new).prediction_set
            held.append([sets[truth == k, k].mean() for k in range(3)])
        covered[per_class] = np.mean(held, axis=0)
    assert covered[True][2] > covered[False][2] + 0.02
    assert covered[True].min() > 0.84


def test_unknown_method():
    X, y, groups = draw(0, 5)
    for kind in (FusedAttributor, ViewTrainedAttributor):
        with pytest.raises(ValueError, match='method must be "lac" or "aps", not \'raps\''):
            kind(BLOCKS, set_method="raps").fit(X, y, groups)


def test_every_expert_and_the_pool_of_them_make_sets_alike():
    X, y, groups = draw(0, 20)
    shifted = [X + np.eye(14)[0] * 9 * k for k in range(3)]
    model = ViewTrainedAttributor(BLOCKS, level=0.8, set_method="aps", set_per_class=True).fit(
        np.concatenate(shifted),
        np.tile(NAMES[y], 3),
        np.tile(groups, 3),
        views=np.repeat(["none", "jpeg:85", "blur:2"], len(y)),
        images=np.tile(np.arange(len(y)), 3),
    )
    made = [*(expert.conformal_ for expert in model.experts_.values()), model.pool_.conformal]
    assert [(one.method, one.class_conditional, one.level) for one in made] == [("aps", True, 0.8)] * 4
    assert again(model).get_params() == model.get_params()


# --- several images ----------------------------------------------------------------------------------------------


def test_pooling_is_learned_out_of_fold():
    X, y, groups = draw(0, 20)
    model = FusedAttributor(BLOCKS).fit(X, NAMES[y], groups)
    assert isinstance(model.pooling_, SetPooling)
    assert again(model).pooling_ == model.pooling_
    assert FusedAttributor(BLOCKS).fit(X, NAMES[y], groups).pooling_ == model.pooling_
    new, truth, _ = draw(7, 80)
    proba = model.predict_proba(new)
    together = model.pooling_.pool(proba.reshape(3 * 10, 8, 3))
    alone = (proba.argmax(axis=1) == truth).mean()
    assert (together.argmax(axis=1) == np.repeat(range(3), 10)).mean() > alone + 0.1


@pytest.mark.parametrize("damaged", [{"dependence": -0.1, "doubt": 0.01}, {"dependence": 0.1, "doubt": 0.0}, {}])
def test_damaged_pooling_is_refused(damaged):
    X, y, groups = draw(0, 10)
    arrays, values = FusedAttributor(BLOCKS).fit(X, y, groups).to_parts()
    with pytest.raises((ValueError, KeyError)):
        FusedAttributor.from_parts(arrays, {**values, "pooling": damaged})


def test_without_prompts_every_image_is_one_of_its_own():
    X, y, _ = draw(0, 10)
    assert FusedAttributor(BLOCKS).fit(X, y).pooling_ == FusedAttributor(BLOCKS).fit(X, y, np.arange(30)).pooling_


def test_one_prompt_for_each_class_teaches_no_pooling():
    X, y, _ = draw(0, 10)
    model = FusedAttributor(BLOCKS).fit(X, NAMES[y], y)
    assert model.pooling_ is None
    assert again(model).pooling_ is None


def test_of_several_views_home_is_asked():
    X, y, groups = draw(0, 15)
    model = ViewTrainedAttributor(BLOCKS).fit(
        np.concatenate([X, X + 5]), np.tile(y, 2), np.tile(groups, 2), views=np.repeat(["none", "blur:2"], len(y))
    )
    assert model.pooling_ is model.home.pooling_
    assert model.pooling_ == FusedAttributor(BLOCKS).fit(X, y, groups).pooling_
