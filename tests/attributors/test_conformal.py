from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import APSConformityScore
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from morelli.attributors.conformal import SplitConformal, aps_scores, conformal_quantile, lac_scores
from morelli.errors import NotEnoughDataError


def draw(n, k, rng, spread=1.5):
    """Probabilities and labels drawn from a distorted version of them: exchangeable, not calibrated."""
    z = rng.normal(size=(n, k)) * spread
    y = (softmax(z, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return softmax(1.7 * z, axis=1), y


# --- against MAPIE ------------------------------------------------------------------------------------------------


class Identity(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose features are its probabilities."""

    def __init__(self, k=2):
        self.k = k
        self.classes_ = np.arange(k)
        self.fitted_ = True

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.asarray(x)

    def predict(self, x):
        return self.classes_[np.argmax(x, axis=1)]


class PlainAPS(APSConformityScore):
    """MAPIE's APS score before it subtracts a random share of the true label's probability."""

    def get_conformity_scores(self, y, y_pred, y_enc=None, **kwargs):
        scores, self.cutoff = self.get_true_label_cumsum_proba(y, y_pred, self.classes)
        return scores


def mapie_sets(score, p, y, new, level, **params):
    model = SplitConformalClassifier(Identity(p.shape[1]), confidence_level=level, conformity_score=score)
    model.conformalize(p, y)
    sets = model.predict_set(new, conformity_score_params=params)[1][:, :, 0].astype(bool)
    return (
        sets,
        model.conformity_scores.ravel(),
        float(np.ravel(model._mapie_classifier.conformity_score_function_.quantiles_)[0]),
    )


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
@pytest.mark.parametrize(("n", "k"), [(60, 3), (199, 10)])
def test_lac_agrees_with_mapie(n, k, level):
    rng = np.random.default_rng(n + k)
    p, y = draw(n, k, rng)
    new, _ = draw(300, k, rng)
    sets, scores, quantile = mapie_sets("lac", p, y, new, level)
    ours = SplitConformal("lac", level, allow_empty=True).fit(p, y)
    np.testing.assert_allclose(lac_scores(p)[np.arange(n), y], scores)
    assert ours.threshold == pytest.approx(quantile)
    np.testing.assert_array_equal(ours.predict_set(new), sets)


@pytest.mark.parametrize("level", [0.7, 0.9, 0.95])
@pytest.mark.parametrize(("n", "k"), [(60, 3), (199, 10)])
@pytest.mark.parametrize("include_last", [False, True])
def test_aps_agrees_with_mapie(n, k, level, include_last):
    rng = np.random.default_rng(n + k)
    p, y = draw(n, k, rng)
    new, _ = draw(300, k, rng)
    sets, scores, quantile = mapie_sets(PlainAPS(), p, y, new, level, include_last_label=include_last)
    ours = SplitConformal("aps", level, include_last=include_last).fit(p, y)
    np.testing.assert_allclose(aps_scores(p)[np.arange(n), y], scores)
    assert ours.threshold == pytest.approx(quantile)
    np.testing.assert_array_equal(ours.predict_set(new), sets)


# --- quantile -----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 1 / 3]), st.integers(0, 1000))
def test_quantile_is_the_order_statistic(n, level, seed):
    scores = np.random.default_rng(seed).random(n)
    rank = int(np.ceil(round((n + 1) * level, 9)))
    expected = np.sort(scores)[rank - 1] if rank <= n else np.inf
    assert conformal_quantile(scores, level) == expected
    assert conformal_quantile(scores, level, np.arange(n)[::-1]) == expected
    # numpy's definition, as the papers write it
    if rank <= n:
        assert np.quantile(scores, min(1.0, rank / n), method="higher") in (expected, np.sort(scores)[min(rank, n - 1)])


def test_quantile_does_not_ask_for_one_more_by_rounding():
    scores = np.arange(1.0, 20.0)
    assert 20 * 0.95 == 19.0
    assert conformal_quantile(scores, 0.95) == 19.0
    assert conformal_quantile(np.arange(1.0, 10.0), 1 - 0.1) == 9.0
    assert conformal_quantile(np.arange(1.0, 9.0), 0.9) == np.inf


def test_grouped_quantile_by_hand():
    # Three groups, mass 1/4 each: {1, 5} is an eighth each, {2} and {9} a quarter each.
    scores, groups = [1.0, 5.0, 2.0, 9.0], ["a", "a", "b", "c"]
    assert conformal_quantile(scores, 0.12, groups) == 1.0
    assert conformal_quantile(scores, 0.125, groups) == 1.0
    assert conformal_quantile(scores, 0.375, groups) == 2.0
    assert conformal_quantile(scores, 0.5, groups) == 5.0
    assert conformal_quantile(scores, 0.75, groups) == 9.0
    assert conformal_quantile(scores, 0.76, groups) == np.inf


@given(st.integers(1, 30), st.integers(1, 5), st.sampled_from([0.5, 0.9]), st.integers(0, 99))
def test_copies_of_a_prompt_change_nothing(n, copies, level, seed):
    scores = np.random.default_rng(seed).random(n)
    repeated = conformal_quantile(np.repeat(scores, copies), level, np.repeat(np.arange(n), copies))
    assert repeated == conformal_quantile(scores, level)


def test_quantile_bad_input():
    assert conformal_quantile([], 0.5) == np.inf
    for level in (0.0, 1.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="strictly between"):
            conformal_quantile([0.1], level)
    with pytest.raises(ValueError, match="finite"):
        conformal_quantile([np.nan], 0.5)
    with pytest.raises(ValueError, match="groups"):
        conformal_quantile([0.1, 0.2], 0.5, [1])


# --- coverage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lac", "aps"])
@settings(max_examples=12, deadline=None)
@given(st.sampled_from([(20, 2), (30, 5), (80, 12)]), st.sampled_from([0.6, 0.8, 0.9]), st.integers(0, 10**6))
def test_coverage_on_exchangeable_data(method, size, level, seed):
    n, k = size
    rng = np.random.default_rng(seed)
    hits = []
    for _ in range(60):
        p, y = draw(n + 50, k, rng)
        sets = SplitConformal(method, level, allow_empty=True).fit(p[:n], y[:n]).predict_set(p[n:])
        hits.append(sets[np.arange(50), y[n:]].mean())
    spread = np.std(hits) / np.sqrt(len(hits))
    assert np.mean(hits) >= level - 4 * spread
    if method == "lac":  # aps scores tie at 1, which makes it cover more
        assert np.mean(hits) <= level + 1 / (n + 1) + 4 * spread


def test_grouped_calibration_covers_where_images_of_a_prompt_are_alike():
    # A few hard prompts with one image, easy prompts with many: images over-represent the easy ones.
    rng = np.random.default_rng(1)
    covered: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(150):
        hard = rng.random(61) < 0.5
        sizes = np.where(hard, 1, 12)
        groups = np.repeat(np.arange(61), sizes)
        true_p = np.clip(np.where(hard, 0.3, 0.8)[groups] + rng.uniform(-0.05, 0.05, len(groups)), 0, 1)
        p = np.column_stack([true_p, 1 - true_p])
        y = np.zeros(len(groups), dtype=int)
        old, new = groups < 60, np.flatnonzero(groups == 60)[:1]
        for grouped in covered:
            model = SplitConformal(level=0.8, allow_empty=True).fit(p[old], y[old], groups[old] if grouped else None)
            covered[grouped].append(float(model.predict_set(p[new])[0, 0]))
    assert np.mean(covered[True]) >= 0.8 - 0.1
    assert np.mean(covered[False]) < 0.65


def test_class_conditional_covers_the_hard_class_too():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [900, 100])

    def probs():
        p = np.where(y == 0, rng.beta(9, 1, 1000), rng.beta(3, 3, 1000))
        return np.column_stack([np.where(y == 0, p, 1 - p), np.where(y == 0, 1 - p, p)])

    old, new = probs(), probs()
    marginal = SplitConformal(level=0.9, allow_empty=True).fit(old, y).predict_set(new)
    mondrian = SplitConformal(level=0.9, class_conditional=True, allow_empty=True).fit(old, y)
    assert marginal[y == 1, 1].mean() < 0.7
    assert mondrian.predict_set(new)[y == 1, 1].mean() > 0.8
    assert mondrian.fallback_classes == ()
    for c in (0, 1):
        assert mondrian.thresholds[c] == conformal_quantile(1 - old[y == c, c], 0.9)


# --- behaviour ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_conditional", [False, True])
@pytest.mark.parametrize(("method", "include_last"), [("lac", False), ("aps", False), ("aps", True)])
def test_sets_grow_with_the_level(method, include_last, class_conditional):
    rng = np.random.default_rng(3)
    p, y = draw(120, 4, rng)
    new, _ = draw(200, 4, rng)
    before = np.zeros((200, 4), dtype=bool)
    # With thresholds by class, only as far as no class falls back.
    for level in (0.1, 0.5, 0.8, 0.9) if class_conditional else (0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        model = SplitConformal(method, level, class_conditional, include_last=include_last).fit(p, y)
        sets = model.predict_set(new)
        assert (sets | ~before).all()
        assert sets[np.arange(200), new.argmax(axis=1)].all()
        assert model.fallback_classes == ()
        before = sets
    assert before.all() == (not class_conditional)
    assert model.informative == class_conditional


def test_aps_scores_by_hand_and_ties():
    p = [[0.5, 0.2, 0.3], [0.4, 0.2, 0.4], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(aps_scores(p), [[0.5, 1, 0.8], [0.8, 1, 0.8], [1, 1, 1]])
    model = SplitConformal("aps", 0.5).fit([[0.6, 0.4]] * 9, [0] * 9)
    assert model.threshold == pytest.approx(0.6)
    assert model.predict_set([[0.5, 0.5]]).tolist() == [[True, False]]  # an empty set, filled
    model.allow_empty = True
    assert model.predict_set([[0.5, 0.5], [0.6, 0.4], [0.9, 0.1]]).tolist() == [[False] * 2, [True, False], [False] * 2]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6), st.booleans())
def test_aps_does_not_depend_on_the_order_of_the_classes(k, seed, ties):
    rng = np.random.default_rng(seed)
    p = rng.integers(1, 4, size=(8, k)) if ties else rng.random((8, k))
    p = p / p.sum(axis=1, keepdims=True)
    order = rng.permutation(k)
    np.testing.assert_allclose(aps_scores(p)[:, order], aps_scores(p[:, order]), atol=1e-12)
    loop = [[sum(q for q in row if q >= x - 1e-12) for x in row] for row in p]
    np.testing.assert_allclose(aps_scores(p), loop, atol=1e-12)
    assert (aps_scores(p).max(axis=1) == 1).all()


def test_empty_sets_are_filled_with_the_top_class_only():
    p = np.array([[0.95, 0.05]] * 30)
    strict = SplitConformal(level=0.5, allow_empty=True).fit(p, [0] * 30)
    filled = SplitConformal(level=0.5).fit(p, [0] * 30)
    new = [[0.6, 0.4], [0.2, 0.8], [0.99, 0.01]]
    assert strict.predict_set(new).tolist() == [[False, False], [False, False], [True, False]]
    assert filled.predict_set(new).tolist() == [[True, False], [False, True], [True, False]]


def test_too_few_points_mean_full_sets():
    p, y = draw(8, 3, np.random.default_rng(4))
    model = SplitConformal(level=0.9).fit(p, y)
    assert model.threshold == np.inf
    assert not model.informative
    assert model.predict_set(p).all()
    assert SplitConformal(level=0.8).fit(p, y).informative
    many = np.repeat(np.arange(2), 50)
    p, y = draw(100, 3, np.random.default_rng(5))
    assert not SplitConformal(level=0.8).fit(p, y, many).informative


def test_fallback_classes_are_recorded():
    p, y = draw(100, 3, np.random.default_rng(6))
    keep = (y != 2) | (np.cumsum(y == 2) <= 3)
    model = SplitConformal(level=0.9, class_conditional=True).fit(p[keep], y[keep])
    assert model.fallback_classes == (2,)
    assert model.thresholds[2] == model.threshold
    assert model.informative
    none = SplitConformal(level=0.9, class_conditional=True).fit(p[:2], [0, 1])
    assert none.fallback_classes == (0, 1, 2)
    assert not none.informative


def test_all_scores_tied():
    p = np.full((40, 4), 0.25)
    for method in ("lac", "aps"):
        model = SplitConformal(method, 0.9).fit(p, np.arange(40) % 4)
        assert model.predict_set(p).all()


def test_saturated_probabilities():
    p = np.eye(3)[np.arange(30) % 3]
    y = np.arange(30) % 3
    y[0] = 1
    for method in ("lac", "aps"):
        sets = SplitConformal(method, 0.9).fit(p, y).predict_set(p)
        assert sets[np.arange(30), p.argmax(axis=1)].all()


@pytest.mark.parametrize("level", [0.8, 0.99])
@pytest.mark.parametrize("method", ["lac", "aps"])
def test_storage_round_trip(method, level):
    p, y = draw(40, 3, np.random.default_rng(7))
    model = SplitConformal(method, level, class_conditional=True).fit(p, y, np.arange(40) // 2)
    again = SplitConformal.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.to_dict() == model.to_dict()
    assert (again.informative, again.n, again.n_groups) == (model.informative, 40, 20)
    np.testing.assert_array_equal(again.predict_set(p), model.predict_set(p))


def test_bad_input():
    with pytest.raises(ValueError, match="method"):
        SplitConformal("raps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="include_last"):
        SplitConformal("lac", include_last=True)
    with pytest.raises(ValueError, match="level"):
        SplitConformal(level=90)
    model = SplitConformal()
    for call in (lambda: model.predict_set([[0.5, 0.5]]), model.to_dict):
        with pytest.raises(ValueError, match="call fit first"):
            call()
    assert not model.informative
    for bad in ([[0.5, np.nan]], [[0.7, 0.7]], [[1.5, -0.5]], [0.5, 0.5], [[np.inf, 0.0]]):
        with pytest.raises(ValueError, match="probs"):
            model.fit(bad, [0])
    with pytest.raises(NotEnoughDataError):
        model.fit(np.ones((3, 1)), [0, 0, 0])
    with pytest.raises(NotEnoughDataError):
        model.fit(np.zeros((0, 2)), [])
    with pytest.raises(ValueError, match="groups"):
        model.fit([[0.5, 0.5]], [0], [1, 2])
    fitted = model.fit([[0.5, 0.5]], [0])
    with pytest.raises(ValueError, match="3 classes"):
        fitted.predict_set([[0.5, 0.25, 0.25]])
    assert fitted.predict_set(np.zeros((0, 2))).shape == (0, 2)
