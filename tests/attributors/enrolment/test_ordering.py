from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morelli.attributors import FusedAttributor
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.enrolment import enrol_in_expert
from morelli.attributors.enrolment.ordering import class_order, conformal_reordered, reordered

from .._classes import BLOCKS, draw

K = 7


def rebuilt(attributor: FusedAttributor) -> FusedAttributor:
    arrays, values = attributor.to_parts()
    return FusedAttributor.from_parts(arrays, json.loads(json.dumps(values)))


@pytest.fixture(scope="module")
def fitted() -> FusedAttributor:
    X, y, groups = draw(0, 16, K, groups=16)
    return FusedAttributor(BLOCKS, level=0.8, set_per_class=True).fit(X, np.array([f"m{c}" for c in y]), groups)


@pytest.fixture(scope="module")
def enrolled(fitted) -> FusedAttributor:
    X, _, groups = draw(5, 16, 1, groups=16)
    return enrol_in_expert(fitted, "m00", X, groups)[0]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(K)), st.booleans())
def test_answers_of_another_order_are_the_answers_in_another_order(fitted, enrolled, order, late):
    before = enrolled if late else fitted
    places = np.array([*order, K] if late else order)
    after = reordered(rebuilt(before), places)
    assert after.classes_.tolist() == before.classes_[places].tolist()
    X = draw(1, 6, K)[0]
    first, second = before.answer(X), after.answer(X)
    np.testing.assert_allclose(second.proba, first.proba[:, places], rtol=1e-9)
    np.testing.assert_array_equal(second.prediction_set, first.prediction_set[:, places])
    np.testing.assert_allclose(second.open_set_p, first.open_set_p)
    for name in BLOCKS:
        np.testing.assert_allclose(second.evidence[name], first.evidence[name][:, places], atol=1e-9)
    old, new = before.rehearsal_, after.rehearsal_
    np.testing.assert_array_equal(new.log_proba[:, np.argsort(places)], old.log_proba)
    np.testing.assert_array_equal(places[new.codes], old.codes)
    np.testing.assert_array_equal(places[new.hidden_codes], old.hidden_codes)
    assert {name: after.training_.n_images[name] for name in before.training_.n_images} == before.training_.n_images
    # There and back again is the same to the last bit, but for the note on which columns are which.
    back = reordered(rebuilt(after), np.argsort(places)).answer(X)
    np.testing.assert_array_equal(back.proba, first.proba)


def test_another_order_can_be_kept(enrolled):
    after = reordered(rebuilt(enrolled), np.roll(np.arange(K + 1), 3))
    X = draw(1, 6, K)[0]
    np.testing.assert_array_equal(rebuilt(after).answer(X).proba, after.answer(X).proba)
    np.testing.assert_array_equal(rebuilt(after).answer(X).open_set_p, after.answer(X).open_set_p)


def test_the_order_that_there_is_changes_nothing(fitted):
    same = reordered(rebuilt(fitted), class_order(fitted.classes_))
    assert json.dumps(same.to_parts()[1]) == json.dumps(fitted.to_parts()[1])
    assert same.rejector_.frame.columns is None


def test_thresholds_and_who_has_none_of_their_own_go_along():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [30, 3, 30])
    proba = rng.dirichlet(np.ones(3), len(codes))
    sets = SplitConformal(class_conditional=True).fit(proba, codes)
    assert sets.fallback_classes == (1,)
    other = conformal_reordered(sets, np.array([1, 2, 0]))
    assert other.fallback_classes == (0,)
    assert other.thresholds.tolist() == sets.thresholds[[1, 2, 0]].tolist()
    assert class_order(np.array(["b", "a", "c"])).tolist() == [1, 0, 2]
