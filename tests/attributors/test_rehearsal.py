from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from morelli.attributors import FusedAttributor
from morelli.attributors.rehearsal import Rehearsal, joint_p, leave_one_out_p
from morelli.attributors.view_trained import ViewTrainedAttributor

from ._classes import BLOCKS, draw

K, N = 8, 18


@pytest.fixture(scope="module")
def fitted() -> FusedAttributor:
    X, y, groups = draw(0, N, K, groups=N)
    return FusedAttributor(BLOCKS).fit(X, y, groups)


@pytest.fixture(scope="module")
def rehearsal(fitted) -> Rehearsal:
    return fitted.rehearsal_


def test_answers_are_those_that_the_training_record_was_made_of(fitted, rehearsal):
    own = rehearsal.log_proba[np.arange(K * N), rehearsal.codes]
    assert -own.mean() == pytest.approx(fitted.training_.log_loss, rel=1e-5)
    assert (rehearsal.log_proba.argmax(axis=1) == rehearsal.codes).mean() == fitted.training_.accuracy
    np.testing.assert_array_equal(rehearsal.codes, np.repeat(np.arange(K), N))
    assert len(np.unique(rehearsal.groups)) == fitted.training_.n_groups


def test_every_image_was_judged_once_while_its_model_was_hidden(rehearsal):
    assert sorted(rehearsal.hidden_codes) == sorted(rehearsal.codes)
    hidden = np.isnan(rehearsal.hidden_log_proba)
    assert hidden[np.arange(K * N), rehearsal.hidden_codes].all()
    assert set(hidden.sum(axis=1)) == {2}
    pairs = set(zip(rehearsal.codes, rehearsal.groups, strict=True))
    assert set(zip(rehearsal.hidden_codes, rehearsal.hidden_groups, strict=True)) == pairs


def test_hidden_models_look_stranger_than_candidates(rehearsal):
    assert np.mean(rehearsal.open_set_p < 0.1) < 0.13
    assert np.mean(rehearsal.hidden_open_set_p < 0.1) > 2 * np.mean(rehearsal.open_set_p < 0.1)


def test_p_values_of_references_are_uniform_by_rank():
    scores = np.random.default_rng(0).normal(size=50)
    np.testing.assert_allclose(np.sort(leave_one_out_p(scores)), np.arange(1, 51) / 50)
    assert leave_one_out_p(np.zeros(4)).tolist() == [1.0] * 4
    assert joint_p(np.array([0.4, 0.04]), np.array([0.2, 0.002])).tolist() == pytest.approx([0.5, 0.01])


def test_few_candidates_hide_none():
    X, y, groups = draw(1, 10, 3, groups=10)
    rehearsal = FusedAttributor(BLOCKS).fit(X, y, groups).rehearsal_
    assert rehearsal.hidden_log_proba.shape == (0, 3)
    assert len(rehearsal.codes) == 30


def test_a_file_gives_back_the_same(rehearsal):
    arrays = rehearsal.to_arrays()
    again = Rehearsal.from_arrays(arrays)
    for field in fields(Rehearsal):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(rehearsal, field.name))
    assert sum(array.nbytes for array in arrays.values()) < K * N * (4 * K + 2 * K + 30)


def test_a_bundle_carries_the_rehearsal_of_every_expert():
    X, y, groups = draw(2, 8, 3, groups=8)
    views = np.repeat(["none", "blur:2"], len(X))
    both = np.concatenate([X, X + 3])
    model = ViewTrainedAttributor(BLOCKS).fit(both, np.tile(y, 2), np.tile(groups, 2), views=views)
    assert model.rehearsal is model.experts_["none"].rehearsal_
    again = ViewTrainedAttributor.from_parts(*model.to_parts())
    for view, expert in model.experts_.items():
        np.testing.assert_array_equal(again.experts_[view].rehearsal_.log_proba, expert.rehearsal_.log_proba)


def spoilt(**change):
    return lambda arrays: {**arrays, **{name: make(arrays[name].copy()) for name, make in change.items()}}


def first(value):
    def change(array):
        array[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (spoilt(log_proba=first(np.nan)), "no logarithms"),
        (spoilt(log_proba=first(-9.0)), "no logarithms"),
        (spoilt(log_proba=first(np.inf)), "no logarithms"),
        (spoilt(log_proba=lambda a: a.astype(np.float64)), "float64 instead of float32"),
        (spoilt(log_proba=lambda a: a[:-1]), "shape"),
        (spoilt(hidden_log_proba=lambda a: a[:, :-1]), "shape"),
        (spoilt(hidden_log_proba=first(-1.0)), "not hidden"),
        (spoilt(hidden_log_proba=first(np.nan)), "hardly any"),
        (spoilt(codes=first(K)), "not numbers of its"),
        (spoilt(hidden_codes=first(-1)), "not numbers of its"),
        (spoilt(groups=first(-1)), "numbered from 0"),
        (spoilt(open_set_p=first(0.0)), "no p-values"),
        (spoilt(hidden_open_set_p=first(np.nan)), "no p-values"),
        (lambda arrays: {name: array[:0] for name, array in arrays.items()}, "says nothing"),
    ],
)
def test_what_cannot_be_right_is_refused(rehearsal, change, why):
    with pytest.raises(ValueError, match=why):
        Rehearsal.from_arrays(change(rehearsal.to_arrays()))


def test_a_rehearsal_of_other_candidates_is_refused(fitted):
    arrays, values = fitted.to_parts()
    arrays["rehearsal.log_proba"] = np.log(np.full((K * N, K - 1), 1 / (K - 1))).astype(np.float32)
    with pytest.raises((ValueError, KeyError)):
        FusedAttributor.from_parts(arrays, values)
    with pytest.raises(KeyError):
        FusedAttributor.from_parts({n: a for n, a in arrays.items() if n != "rehearsal.codes"}, values)


def test_shapes_are_checked_where_they_are_made(rehearsal):
    with pytest.raises(ValueError, match="shape"):
        replace(rehearsal, groups=rehearsal.groups[:-1])
