from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from morelli.attributors import FusedAttributor
from morelli.attributors.discriminant import fit_discriminant
from morelli.attributors.enrolment import MIN_IMAGES, enrol_in_expert
from morelli.attributors.enrolment.expert import Refit, _lent, _shrunk
from morelli.audit.consistency import test_consistency as consistency_of

from .._classes import BLOCKS, draw, same

K, N, NEW = 8, 18, 3
"""Candidates, images of each; the number of the one that comes later."""


def names(y):
    return np.array([f"m{code}" for code in y])


@pytest.fixture(scope="module")
def all_of_them():
    X, y, groups = draw(0, N, K, groups=N)
    return X, names(y), groups


@pytest.fixture(scope="module")
def fitted(all_of_them) -> FusedAttributor:
    X, y, groups = all_of_them
    old = y != f"m{NEW}"
    return FusedAttributor(BLOCKS).fit(X[old], y[old], groups[old])


@pytest.fixture(scope="module")
def own(all_of_them):
    X, y, groups = all_of_them
    rows = y == f"m{NEW}"
    return X[rows], groups[rows]


@pytest.fixture(scope="module")
def enrolled(fitted, own):
    return enrol_in_expert(fitted, f"m{NEW}", *own)


@pytest.fixture(scope="module")
def unseen():
    X, y, _ = draw(1, 60, K, groups=60)
    return X, names(y)


def others_of(fitted, all_of_them):
    """Return measurements, candidates (as numbers) and prompts of what an attributor was fitted to."""
    X, y, groups = all_of_them
    old = np.isin(y, fitted.classes_)
    return X[old], np.searchsorted(fitted.classes_, y[old]), groups[old]


def state(attributor: FusedAttributor) -> str:
    arrays, values = attributor.to_parts()
    shown = {name: array.tolist() for name, array in arrays.items()}
    return json.dumps([shown, values], sort_keys=True)


def test_the_candidate_is_there_and_sorted(enrolled, fitted):
    made, facts = enrolled
    assert made.classes_.tolist() == [f"m{i}" for i in range(K)]
    assert list(made.training_.n_images) == made.classes_.tolist()
    assert made.training_.n_images[f"m{NEW}"] == facts.n_images == N
    assert 1 < facts.n_prompts <= N and facts.leak_free
    assert made.rehearsal_.n_classes == K and len(made.rehearsal_.codes) == K * N
    assert len(made.open_set_.scores) == len(made.outlying_.scores) == K * N
    assert made.rejector_.frame.columns.tolist() == [i for i in range(K) if i != NEW]


def test_what_it_was_made_of_is_left_alone(fitted, own):
    before = state(fitted)
    enrol_in_expert(fitted, "m3", *own)
    enrol_in_expert(fitted, "m0", *own, mode="replace")
    assert state(fitted) == before


def test_new_images_of_it_are_named(enrolled, unseen):
    made, _ = enrolled
    X, y = unseen
    named = made.predict(X)
    own = y == f"m{NEW}"
    assert (named == y)[own].mean() > 0.5
    assert (named == f"m{NEW}")[~own].mean() < 0.2


def test_it_comes_near_to_what_a_fit_does(enrolled, all_of_them, unseen):
    X, y = unseen
    whole = FusedAttributor(BLOCKS).fit(*all_of_them)
    assert (enrolled[0].predict(X) == y).mean() > (whole.predict(X) == y).mean() - 0.05


def test_sets_hold_the_truth_and_p_values_are_as_valid_as_the_old(enrolled, fitted, unseen):
    made, _ = enrolled
    X, y = unseen
    answers = made.answer(X)
    inside = answers.prediction_set[np.arange(len(y)), np.searchsorted(made.classes_, y)]
    own = y == f"m{NEW}"
    assert inside.mean() > 0.85 and inside[own].mean() > 0.7
    before = fitted.answer(X[~own]).open_set_p
    assert (answers.open_set_p[~own] < 0.1).mean() < (before < 0.1).mean() + 0.02
    assert (answers.open_set_p[own] < 0.1).mean() < 0.25


def test_the_others_keep_what_they_were_to_each_other(enrolled, fitted, unseen):
    X, _ = unseen
    others = [i for i in range(K) if i != NEW]
    now, before = enrolled[0].answer(X).undoubted[:, others], fitted.answer(X).undoubted
    np.testing.assert_allclose(np.diff(now, axis=1), np.diff(before, axis=1), atol=1e-9)
    for name in fitted.weights_:  # and so does each family's evidence
        now, before = enrolled[0].evidence(X)[name][:, others], fitted.evidence(X)[name]
        np.testing.assert_allclose(np.diff(now, axis=1), np.diff(before, axis=1), atol=1e-9)


def test_the_bias_makes_it_as_well_known_as_the_others(fitted, enrolled):
    made, facts = enrolled
    right = fitted.rehearsal_.log_proba.argmax(axis=1) == fitted.rehearsal_.codes
    assert facts.recall == pytest.approx(right.mean(), abs=0.17)
    assert made.calibration_.calibrator.bias[NEW] == pytest.approx(facts.bias)
    assert "a candidate was enrolled since" in made.calibration_.reason


def test_one_that_is_far_from_all_is_not_pulled_down_to_the_others():
    X, y, groups = draw(2, N, K, apart=0.5, groups=N)
    hard = FusedAttributor(BLOCKS).fit(X, names(y), groups)
    assert hard.training_.accuracy < 0.8
    direction = np.linalg.qr(draw(3, 1, K)[0].T)[0][:, 0]
    far = np.random.default_rng(4).normal(size=(40, 14)) + 25 * direction
    made, facts = enrol_in_expert(hard, "far", far[:20], np.arange(20))
    assert facts.recall == 1.0
    assert (made.predict(far[20:]) == "far").all()
    assert (made.predict(X) == "far").mean() < 0.02


def test_the_same_in_the_same_out(fitted, own, enrolled):
    assert state(enrol_in_expert(fitted, f"m{NEW}", *own)[0]) == state(enrolled[0])


def test_the_order_of_references_does_not_matter(fitted, own, enrolled, unseen):
    X, groups = own
    order = np.random.default_rng(0).permutation(len(X))
    shuffled, facts = enrol_in_expert(fitted, f"m{NEW}", X[order], groups[order])
    same(shuffled.answer(unseen[0]), enrolled[0].answer(unseen[0]), close=True)
    assert facts.bias == pytest.approx(enrolled[1].bias)


def test_what_is_kept_is_the_same(enrolled, unseen):
    made, _ = enrolled
    arrays, values = made.to_parts()
    again = FusedAttributor.from_parts(arrays, json.loads(json.dumps(values)))
    same(again.answer(unseen[0]), made.answer(unseen[0]))
    assert state(again) == state(made)


def test_no_reference_helps_to_judge_one_of_its_own_prompt(fitted, own):
    """What was answered about a prompt stays when the others of that prompt change."""
    X, groups = own
    chosen = np.flatnonzero(groups == np.bincount(groups).argmax())
    assert len(chosen) > 1
    moved = X.copy()
    moved[chosen[1:]] += 3
    first, second = (enrol_in_expert(fitted, "m3", values, groups)[0] for values in (X, moved))
    rows = np.flatnonzero(first.rehearsal_.codes == NEW)
    scale = [one.calibration_.as_learned.bias[NEW] for one in (first, second)]
    words = [one.rehearsal_.log_proba[rows[chosen[0]]] for one in (first, second)]
    odds = [np.exp(word) - first.calibration_.calibrator.doubt / K for word in words]
    lead = [np.log(p[NEW] / p[0]) - bias for p, bias in zip(odds, scale, strict=True)]
    assert lead[0] == pytest.approx(lead[1], abs=1e-3)


def test_references_of_one_prompt_are_no_honest_judges(fitted, own):
    X, groups = own
    made, facts = enrol_in_expert(fitted, "m3", X, np.zeros_like(groups))
    assert not facts.leak_free and facts.n_prompts == 1
    assert len(np.unique(made.rehearsal_.groups[made.rehearsal_.codes == NEW])) == 1


def test_rows_of_one_image_stand_together(fitted, own):
    X, groups = own
    twice = np.concatenate([X, X + 1e-3])
    images = np.tile(np.arange(len(X)), 2)
    made, facts = enrol_in_expert(fitted, "m3", twice, np.tile(groups, 2), images=images)
    assert facts.n_images == made.training_.n_images["m3"] == len(X)
    # Of one prompt too: otherwise every picture would be judged by its own twin.
    alone = enrol_in_expert(fitted, "m3", twice, np.zeros(len(twice), dtype=int), images=images)[1]
    twins = enrol_in_expert(fitted, "m3", twice, np.zeros(len(twice), dtype=int))[1]
    assert alone.bias > twins.bias


# --- more and other references ------------------------------------------------------------------------------------


def test_more_references_are_what_all_of_them_together_are():
    rng = np.random.default_rng(0)
    X, y, _ = draw(0, 10, 5)
    fitted = fit_discriminant(X, y, 5)
    own = rng.normal(size=(8, fitted.means.shape[1]))
    own /= own.std(axis=0).mean() * 2  # no noisier than one
    first = _shrunk(own[:3], fitted, 5, 0)
    spread = (fitted.means**2).mean(axis=0) + fitted.variance - 1
    np.testing.assert_allclose(first, own[:3].mean(axis=0) * spread / (spread + 1 / 3))
    there = replace(fitted, means=np.concatenate([fitted.means, first[None]]))
    together = _shrunk(own[3:], there, 5, 3)
    between = (there.means**2).mean(axis=0) + there.variance - 1
    np.testing.assert_allclose(together, own.sum(axis=0) / (1 / between + 8) + first * 0, rtol=0.25, atol=0.05)
    np.testing.assert_allclose(_shrunk(own[:0], there, 5, 3), first)


def test_added_references_pull_the_mean_and_leave_the_bias(enrolled, own):
    made, _ = enrolled
    X, groups = own
    more, facts = enrol_in_expert(made, "m3", X + 0.5, groups + 100, mode="add")
    assert more.training_.n_images["m3"] == 2 * N and facts.bias == 0
    np.testing.assert_array_equal(more.calibration_.calibrator.bias, made.calibration_.calibrator.bias)
    for name, block in BLOCKS.items():
        before, after = (one.discriminants_[name] for one in (made, more))
        np.testing.assert_array_equal(np.delete(before.means, NEW, 0), np.delete(after.means, NEW, 0))
        centre = before.coordinates(X[:, block] + 0.5).mean(axis=0)
        assert np.linalg.norm(after.means[NEW] - centre) < np.linalg.norm(before.means[NEW] - centre)


def test_a_single_reference_can_be_added(enrolled, own, unseen):
    made, _ = enrolled
    more, facts = enrol_in_expert(made, "m3", own[0][:1], own[1][:1], mode="add")
    assert facts.n_images == 1 and more.training_.n_images["m3"] == N + 1
    assert np.isfinite(more.answer(unseen[0]).proba).all()


def test_other_references_take_the_place_of_the_old(enrolled, all_of_them):
    made, _ = enrolled
    X, y, groups = all_of_them
    moved = X[y == "m5"] + 2 * np.random.default_rng(8).normal(size=14)
    other, facts = enrol_in_expert(made, "m5", moved, groups[y == "m5"], mode="replace")
    assert other.classes_.tolist() == made.classes_.tolist()
    assert other.training_.n_images["m5"] == facts.n_images == N
    assert len(other.rehearsal_.codes) == len(other.open_set_.scores) == K * N
    assert (other.predict(moved) == "m5").mean() > 0.8
    assert not (other.rehearsal_.hidden_codes == 5).any()


# --- fitted anew --------------------------------------------------------------------------------------------------


def test_a_newcomer_with_as_many_references_as_the_others_needs_no_bias_where_all_is_fitted_anew(
    fitted, own, all_of_them
):
    X, groups = own
    theirs, codes, of = others_of(fitted, all_of_them)
    base = {name: fitted.discriminants_[name] for name in BLOCKS}

    def fit(rows, others):
        made = {}
        for name, block in BLOCKS.items():
            mean = base[name].coordinates(X[rows][:, block]).mean(axis=0)
            made[name] = replace(base[name], means=np.concatenate([base[name].means, mean[None]]))
        return made

    refit = Refit(theirs, codes, of, fit)
    _, facts = enrol_in_expert(fitted, "m3", X, groups, refit=refit, n_folds=3)
    assert facts.bias == 0
    X, groups = X[:6], groups[:6]
    fewer = enrol_in_expert(fitted, "m3", X, groups, refit=refit, n_folds=3)[1]
    alone = enrol_in_expert(fitted, "m3", X, groups, n_folds=3)[1]
    assert fewer.bias != 0 and abs(fewer.bias) < abs(alone.bias) + 1


def test_what_others_give_to_it_is_measured_where_they_are_at_hand(fitted, own, all_of_them):
    """Discriminants that call every third image of m0 the newcomer's."""
    X, groups = own
    theirs, codes, of = others_of(fitted, all_of_them)
    asked = []

    def fit(rows, others):
        asked.append((set(groups[rows]), set(of[others])))
        made = {}
        for name, block in BLOCKS.items():
            base = fitted.discriminants_[name]
            mean = base.coordinates(X[rows][:, block]).mean(axis=0)
            made[name] = replace(base, means=np.concatenate([base.means, mean[None]]))
        return made

    spoilt = theirs.copy()
    wrong = np.flatnonzero(codes == 0)[::3]
    spoilt[wrong] = X[: len(wrong)]
    made, facts = enrol_in_expert(fitted, "m3", X, groups, refit=Refit(spoilt, codes, of, fit), n_folds=4)
    right, less = enrol_in_expert(fitted, "m3", X, groups, refit=Refit(theirs, codes, of, fit), n_folds=4)
    assert facts.claims == pytest.approx(less.claims + len(wrong) / len(codes), abs=0.03)
    place = made.classes_.tolist().index("m3")
    given, before = (np.exp(one.rehearsal_.log_proba[:, place]) for one in (made, right))
    first = made.rehearsal_.codes == 0
    assert given[first].mean() > before[first].mean() + 0.2
    assert np.allclose(given[~first], before[~first])
    # Prompts that are held out of the newcomer's references are held out of the others' too.
    assert not any((set(groups) - mine) & rest for mine, rest in asked)
    assert set().union(*(set(of) - rest for _, rest in asked)) == set(of)
    assert [set(groups) == mine for mine, _ in asked] == 2 * [False, False, False, False, True]


# --- what an audit makes of it ------------------------------------------------------------------------------------


def test_others_lend_what_is_given_to_them(fitted):
    old, rng = fitted.rehearsal_, np.random.default_rng(0)
    given = rng.dirichlet(np.ones(K), 40)[:, :-1]
    share = _lent(old, dict(enumerate(given.T)))
    for code in range(K - 1):
        rows = old.codes == code
        assert share[rows].mean() == pytest.approx(given[:, code].mean(), abs=0.02)
        sure = old.log_proba[rows, code]
        assert np.all(np.diff(share[rows][np.argsort(sure)]) <= 1e-12)
    assert (_lent(old, dict(enumerate(np.zeros_like(given).T))) > 0).all()


def test_a_twin_of_a_candidate_is_taken_for_it_both_ways(fitted, all_of_them):
    X, y, groups = all_of_them
    rng = np.random.default_rng(5)
    twin = X[y == "m0"] + 0.2 * rng.normal(size=(N, 14))
    made = enrol_in_expert(fitted, "m0-twin", twin, groups[y == "m0"])[0]
    given = np.exp(made.rehearsal_.log_proba)
    place = made.classes_.tolist().index("m0-twin")
    to_twin = [given[made.rehearsal_.codes == code, place].mean() for code in range(K)]
    assert np.argsort(to_twin)[-2:].tolist() in ([0, place], [place, 0])
    assert to_twin[0] > 5 * np.mean([to_twin[code] for code in range(K) if code not in (0, place)])


def test_a_set_of_its_images_is_consistent_with_it_and_a_rivals_is_not(enrolled, unseen):
    made, _ = enrolled
    X, y = unseen
    answers = made.answer(X)
    words = np.log(answers.proba)
    rng, kept, caught = np.random.default_rng(0), 0, 0
    for _ in range(20):
        mine = rng.choice(np.flatnonzero(y == "m3"), 12, replace=False)
        theirs = rng.choice(np.flatnonzero(y == "m6"), 12, replace=False)
        for rows in (mine, theirs):
            found = consistency_of(
                words[rows], answers.open_set_p[rows], [NEW], made.rehearsal_, n_draws=200, power=False
            )
            if rows is mine:
                kept += found.consistent
            else:
                caught += not found.consistent
    assert kept >= 17 and caught >= 18


def test_few_candidates_without_a_profile():
    X, y, groups = draw(0, 12, 3, groups=12)
    few = FusedAttributor(BLOCKS).fit(X[y < 2], names(y)[y < 2], groups[y < 2])
    assert few.rejector_.frame.profile is None
    made, _ = enrol_in_expert(few, "m2", X[y == 2], groups[y == 2])
    assert made.rejector_.frame.columns is None and made.rejector_.frame.profile is None
    # Two candidates differ in one direction, and where they do not there is no place for a third.
    assert {one.means.shape for one in made.discriminants_.values()} == {(3, 1)}
    same(made.answer(X), FusedAttributor.from_parts(*made.to_parts()).answer(X))


def test_as_few_as_may_be(fitted, own, unseen):
    made, facts = enrol_in_expert(fitted, "m3", own[0][:MIN_IMAGES], np.arange(MIN_IMAGES))
    assert np.isfinite(facts.bias) and np.isfinite(made.answer(unseen[0]).proba).all()


def test_references_that_are_all_the_same(fitted, own, unseen):
    made, facts = enrol_in_expert(fitted, "m3", np.repeat(own[0][:1], 4, axis=0), np.arange(4))
    assert np.isfinite(facts.bias) and np.isfinite(made.answer(unseen[0]).proba).all()
