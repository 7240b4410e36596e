from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp
from scipy.stats import entropy, multivariate_normal
from sklearn.neighbors import NearestNeighbors

from morelli.attributors.leave_out import leave_classes_out
from morelli.attributors.open_set import OpenSetModel, ScoreCombiner
from morelli.attributors.strangeness import (
    energy_score,
    entropy_score,
    knn_score,
    mahalanobis_score,
    max_logit_score,
    max_probability_score,
)
from morelli.errors import NotEnoughDataError
from morelli.trials.metrics import auroc

RNG = np.random.default_rng(0)


# --- scores -------------------------------------------------------------------------------------------------------


def test_logit_scores_closed_forms():
    z = RNG.normal(size=(50, 6)) * 5
    log_p = log_softmax(z, axis=1)
    np.testing.assert_allclose(energy_score(z), -logsumexp(z, axis=1))
    np.testing.assert_allclose(energy_score(z, 3.0), -3 * logsumexp(z / 3, axis=1))
    np.testing.assert_allclose(max_logit_score(z), -z.max(axis=1))
    np.testing.assert_allclose(max_probability_score(z), -log_p.max(axis=1), atol=1e-12)
    np.testing.assert_allclose(entropy_score(z), entropy(np.exp(log_p), axis=1))
    uniform = np.zeros((1, 6))
    assert max_probability_score(uniform)[0] == pytest.approx(np.log(6))
    assert entropy_score(uniform)[0] == pytest.approx(np.log(6))


def test_confident_images_do_not_tie():
    scores = max_probability_score([[0.0, -50.0], [0.0, -60.0], [0.0, -500.0]])
    assert scores[0] > scores[1] > scores[2] > 0


def test_scores_are_stranger_off_the_candidates():
    y = np.repeat(np.arange(4), 100)
    means = 6 * np.eye(4, 8)
    known = means[y] + RNG.normal(size=(400, 8))
    unknown = 6 * np.eye(8)[6] + RNG.normal(size=(400, 8))

    def logits(x):
        return -0.5 * cdist(x, means, "sqeuclidean")

    for score in (energy_score, max_logit_score):
        assert auroc(score(logits(unknown)), score(logits(known))) > 0.95
    for score in (max_probability_score, entropy_score):
        assert auroc(score(logits(unknown)), score(logits(known))) > 0.9
    assert auroc(mahalanobis_score(unknown, means), mahalanobis_score(known, means)) > 0.95
    reference = means[y] + RNG.normal(size=(400, 8))
    assert auroc(knn_score(unknown, reference), knn_score(known, reference)) > 0.95


def test_mahalanobis_closed_forms():
    x, means = RNG.normal(size=(30, 5)) + 100, RNG.normal(size=(4, 5)) + 100
    centre = means.mean(axis=0)
    nearest = cdist(x, means, "sqeuclidean").min(axis=1)
    np.testing.assert_allclose(mahalanobis_score(x, means), nearest)
    plain = mahalanobis_score(x, means, centre)
    np.testing.assert_allclose(plain, nearest - ((x - centre) ** 2).sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(mahalanobis_score(x, means, centre, np.eye(5)), plain, atol=1e-9)
    root = RNG.normal(size=(5, 5))
    covariance = root @ root.T + np.eye(5)
    normal = multivariate_normal(centre, covariance)
    background = 2 * (normal.logpdf(centre) - normal.logpdf(x))
    np.testing.assert_allclose(mahalanobis_score(x, means, centre, covariance), nearest - background, atol=1e-8)


def test_relative_distance_forgives_what_is_strange_about_every_image():
    # All new images vary twelvefold in a direction that carries no class: it drowns the distance, not the relative one.
    means = np.zeros((3, 6))
    means[:, :3] = 4 * np.eye(3)

    def images(centres, content):
        return centres + RNG.normal(size=centres.shape) * [1, 1, 1, 1, 1, content]

    before = images(means[np.arange(900) % 3], 1)
    known = images(means[np.arange(300) % 3], 12)
    unknown = images(np.tile([4, 4, 0, 0, 0, 0], (300, 1)), 12)
    both = {"centre": before.mean(axis=0), "covariance": np.cov(before.T)}
    absolute = auroc(mahalanobis_score(unknown, means), mahalanobis_score(known, means))
    relative = auroc(mahalanobis_score(unknown, means, **both), mahalanobis_score(known, means, **both))
    assert relative > absolute + 0.1


@pytest.mark.parametrize("k", [1, 3, 40])
def test_knn_agrees_with_scikit_learn(k):
    x, ref = RNG.normal(size=(70, 4)), RNG.normal(size=(40, 4))
    expected = NearestNeighbors(n_neighbors=k).fit(ref).kneighbors(x)[0][:, -1]
    np.testing.assert_allclose(knn_score(x, ref, k), expected)


def test_knn_chunks_and_groups(monkeypatch):
    ref = RNG.normal(size=(60, 3))
    groups = np.array([f"p{i // 3}" for i in range(60)])
    distances = cdist(ref, ref)
    distances[groups[:, None] == groups] = np.inf
    expected = np.sort(distances, axis=1)[:, 4]
    np.testing.assert_allclose(knn_score(ref, ref, 5, groups=groups, reference_groups=groups), expected)
    big = np.tile(ref, (2000, 1))
    np.testing.assert_allclose(knn_score(ref, big, 1), 0, atol=1e-6)


def test_score_bad_input():
    for score in (energy_score, max_logit_score, max_probability_score, entropy_score):
        with pytest.raises(ValueError, match="NaN"):
            score([[np.nan, 0.0]])
    with pytest.raises(ValueError, match="temperature"):
        energy_score([[0.0, 1.0]], 0.0)
    with pytest.raises(ValueError, match="one space"):
        mahalanobis_score(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="needs its centre"):
        mahalanobis_score(np.zeros((2, 3)), np.zeros((2, 3)), covariance=np.eye(3))
    with pytest.raises(NotEnoughDataError):
        mahalanobis_score(np.zeros((2, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="finite"):
        mahalanobis_score([[np.inf]], [[0.0]])
    with pytest.raises(NotEnoughDataError, match="lower k"):
        knn_score(np.zeros((2, 3)), np.zeros((4, 3)), 5)
    with pytest.raises(NotEnoughDataError, match="other prompts"):
        knn_score(np.zeros((2, 3)), np.zeros((4, 3)), 2, groups=[0, 0], reference_groups=[0, 0, 0, 1])
    with pytest.raises(ValueError, match="neither"):
        knn_score(np.zeros((2, 3)), np.zeros((4, 3)), 2, groups=[0, 0])
    with pytest.raises(ValueError, match="one entry"):
        knn_score(np.zeros((2, 3)), np.zeros((4, 3)), 2, groups=[0], reference_groups=[0])
    with pytest.raises(ValueError, match="k must"):
        knn_score(np.zeros((2, 3)), np.zeros((4, 3)), 0)
    assert mahalanobis_score(np.zeros((0, 3)), np.zeros((2, 3))).shape == (0,)
    assert knn_score(np.zeros((0, 3)), np.zeros((9, 3))).shape == (0,)


# --- p-values -----------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.lists(st.integers(-1, 9), min_size=1, max_size=10))
def test_p_values_agree_with_the_definition(calibration, new):
    p = OpenSetModel().fit(calibration).p_values(new)
    expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in new]
    np.testing.assert_allclose(p, expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_grouped_and_class_conditional_p_values_agree_with_loops(seed):
    rng = np.random.default_rng(seed)
    s, groups, k = rng.integers(0, 6, 25), rng.integers(0, 8, 25), rng.integers(0, 3, 25)
    new, new_k = rng.integers(-1, 7, 12), rng.integers(0, 4, 12)
    m = 5.0

    def count(x, of):
        ids = np.unique(groups[of])
        return sum(np.mean(s[of & (groups == g)] >= x) for g in ids), len(ids)

    marginal, expected = [], []
    for x, c in zip(new, new_k, strict=True):
        total, size = count(x, np.ones(25, dtype=bool))
        marginal.append((1 + total) / (1 + size))
        total, size = count(x, k == c)
        expected.append((1 + total + m * marginal[-1]) / (1 + size + m))
    np.testing.assert_allclose(OpenSetModel().fit(s, groups=groups).p_values(new), marginal)
    model = OpenSetModel(class_conditional=True, pseudo_images=m).fit(s, k, groups)
    np.testing.assert_allclose(model.p_values(new, new_k), expected)
    far = OpenSetModel(class_conditional=True, pseudo_images=1e12).fit(s, k, groups)
    np.testing.assert_allclose(far.p_values(new, new_k), marginal)


def rejection_rate(make, seed=0, draws=400):
    rng = np.random.default_rng(seed)
    return np.mean([make(rng) for _ in range(draws)], axis=0)


def test_p_values_are_valid_for_known_images():
    def once(rng):
        s = rng.exponential(size=79)
        return [(OpenSetModel().fit(s[:59]).p_values(s[59:]) <= a).mean() for a in (0.05, 0.1, 0.5)]

    rates = rejection_rate(once)
    np.testing.assert_allclose(rates, [0.05, 0.1, 0.5], atol=0.012)


def test_grouped_p_values_are_valid_where_images_of_a_prompt_are_alike():
    def once(rng):
        strange = rng.random(40) < 0.3
        groups = np.repeat(np.arange(40), np.where(strange, 1, 10))
        s = 3.0 * strange[groups] + rng.random(len(groups))
        old = groups < 39
        new = s[np.flatnonzero(groups == 39)[:1]]
        model = OpenSetModel().fit(s[old], groups=groups[old])
        plain = OpenSetModel().fit(s[old])
        return [model.p_values(new)[0] <= 0.1, plain.p_values(new)[0] <= 0.1]

    grouped, plain = rejection_rate(once, draws=800)
    assert grouped <= 0.13
    assert plain > 0.2


def test_class_conditional_p_values_find_what_is_strange_for_its_class():
    rng = np.random.default_rng(3)
    k = np.arange(400) % 2
    s = rng.normal(size=400) + 5 * k
    new, new_k = np.full(3, 5.0), np.array([0, 1, 7])
    marginal = OpenSetModel().fit(s).p_values(new)
    conditional = OpenSetModel(class_conditional=True).fit(s, k).p_values(new, new_k)
    assert marginal[0] > 0.2
    assert conditional[0] < 0.05
    assert conditional[1] > 0.3
    assert conditional[2] == pytest.approx((1 + 20 * marginal[2]) / 21)


def test_ties_and_single_image():
    assert OpenSetModel().fit([3.0] * 10).p_values([3.0, 2.0, 4.0]).tolist() == [1.0, 1.0, 1 / 11]
    one = OpenSetModel().fit([3.0])
    assert one.p_values([9.0]).tolist() == [0.5]
    assert one.smallest == 0.5
    assert one.p_values([]).shape == (0,)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("conditional", [False, True])
def test_model_storage(grouped, conditional):
    rng = np.random.default_rng(4)
    s, k = rng.random(30), rng.integers(0, 3, 30)
    model = OpenSetModel(conditional, 7.0).fit(s, k, rng.permutation(30) // (3 if grouped else 1))
    again = OpenSetModel.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.to_dict() == model.to_dict()
    assert (again.n, again.n_groups, again.smallest) == (model.n, model.n_groups, model.smallest)
    np.testing.assert_array_equal(again.p_values(s, k), model.p_values(s, k))


def test_model_bad_input():
    with pytest.raises(NotEnoughDataError):
        OpenSetModel().fit([])
    with pytest.raises(ValueError, match="finite"):
        OpenSetModel().fit([np.nan])
    with pytest.raises(ValueError, match="call fit first"):
        OpenSetModel().p_values([1.0])
    with pytest.raises(ValueError, match="predicted class"):
        OpenSetModel(class_conditional=True).fit([1.0])
    with pytest.raises(ValueError, match="predicted class"):
        OpenSetModel(class_conditional=True).fit([1.0], [0]).p_values([1.0])
    with pytest.raises(ValueError, match="predicted must be 0 or more"):
        OpenSetModel(class_conditional=True).fit([1.0], [-1])
    with pytest.raises(ValueError, match="pseudo_images"):
        OpenSetModel(pseudo_images=-1.0)


# --- combination --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fisher", "mean", "cauchy"])
def test_combined_p_values_are_valid_though_scores_depend(method):
    root = np.linalg.cholesky(np.full((3, 3), 0.8) + 0.2 * np.eye(3))

    def once(rng):
        s = root @ rng.normal(size=(3, 90))
        combiner = ScoreCombiner(method)
        model = OpenSetModel().fit(combiner.fit_transform(s[:, :60]))
        return [(model.p_values(combiner.transform(s[:, 60:])) <= a).mean() for a in (0.05, 0.2)]

    np.testing.assert_allclose(rejection_rate(once, draws=300), [0.05, 0.2], atol=0.015)


def test_fisher_is_not_drowned_by_noise_nor_lost_when_all_agree():
    rng = np.random.default_rng(5)

    def power(shift):
        known = rng.normal(size=(len(shift), 400))
        unknown = rng.normal(size=(len(shift), 2000)) + np.array(shift)[:, None]
        rates = {}
        for method in ("fisher", "mean", "cauchy"):
            combiner = ScoreCombiner(method)
            model = OpenSetModel().fit(combiner.fit_transform(known))
            rates[method] = (model.p_values(combiner.transform(unknown)) <= 0.05).mean()
        return rates

    one_strong, all_agree = power([3.0, 0.0, 0.0]), power([1.0, 1.0, 1.0])
    assert one_strong["fisher"] > one_strong["mean"] + 0.2
    assert all_agree["fisher"] > all_agree["cauchy"] + 0.03
    assert all_agree["fisher"] > all_agree["mean"] - 0.05


def test_combination_by_hand_and_scale_free():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.0, 5.0, 5.0])
    combiner = ScoreCombiner("mean")
    np.testing.assert_allclose(combiner.fit_transform([a, b]), [-1.0, -(2 + 2) / 6, -(1 + 2) / 6])
    np.testing.assert_allclose(combiner.transform([[9.0], [-1.0]]), [-(1 / 4 + 1) / 2])
    for method in ("fisher", "mean", "cauchy"):
        plain, warped = ScoreCombiner(method), ScoreCombiner(method)
        np.testing.assert_allclose(plain.fit_transform([a, b]), warped.fit_transform([np.exp(a), 7 * b - 3]))
        assert np.isfinite(plain.transform([[-9.0, 9.0], [-9.0, 9.0]])).all()
        again = ScoreCombiner.from_dict(json.loads(json.dumps(plain.to_dict())))
        np.testing.assert_array_equal(again.transform([a, b]), plain.transform([a, b]))


def test_combiner_all_tied():
    combiner = ScoreCombiner()
    np.testing.assert_array_equal(combiner.fit_transform([np.ones(5), np.ones(5)]), np.zeros(5))


def test_combiner_bad_input():
    with pytest.raises(ValueError, match="method"):
        ScoreCombiner("stouffer")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one length"):
        ScoreCombiner().fit([[1.0, 2.0], [1.0]])
    with pytest.raises(ValueError, match="non-empty"):
        ScoreCombiner().fit([])
    with pytest.raises(NotEnoughDataError):
        ScoreCombiner().fit([[1.0]])
    with pytest.raises(ValueError, match="fitted on 1"):
        ScoreCombiner().fit([[1.0, 2.0]]).transform([[1.0], [2.0]])


# --- playing unknown models ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(3, 8),
    st.integers(1, 3),
    st.integers(3, 12),
    st.sampled_from(["crossed", "nested", "none"]),
    st.integers(0, 99),
)
def test_leave_classes_out_keeps_its_promises(k, n_hide, per_class, layout, seed):
    if k < n_hide + 2:
        return
    y = np.repeat(np.arange(k), per_class)
    groups = {"crossed": np.tile(np.arange(per_class), k), "nested": np.arange(len(y)) // 2, "none": None}[layout]
    ids = np.arange(len(y)) if groups is None else groups
    hidden_count = np.zeros(k)
    draws = list(leave_classes_out(y, n_hide, 7, seed, groups=groups))
    assert len(draws) == 7
    for draw in draws:
        assert len(set(draw.hidden)) == n_hide
        hidden_count[list(draw.hidden)] += 1
        assert set(y[draw.train]) == set(range(k)) - set(draw.hidden)
        assert set(y[draw.hidden_test]) <= set(draw.hidden)
        assert not set(y[draw.known_test]) & set(draw.hidden)
        tested = np.concatenate([draw.known_test, draw.hidden_test])
        assert not set(ids[tested]) & set(ids[draw.train])
        assert len(set(tested)) == len(tested)
        if layout == "crossed":
            assert set(ids[draw.hidden_test]) == set(ids[draw.known_test])
        if layout == "none":
            assert set(draw.hidden_test) == set(np.flatnonzero(np.isin(y, draw.hidden)))
    assert hidden_count.max() - hidden_count.min() <= 1


def test_leave_classes_out_is_deterministic():
    y = np.repeat(np.arange(5), 8)
    a, b, c = ([d.known_test.tolist() for d in leave_classes_out(y, 2, 3, s)] for s in (0, 0, 1))
    assert a == b != c


def test_leave_classes_out_gives_rare_classes_something_to_train_on():
    y = np.array([0] * 20 + [1] * 20 + [2] * 20 + [3])
    for draw in leave_classes_out(y, 1, 12, 0):
        assert set(y[draw.train]) == {0, 1, 2, 3} - set(draw.hidden)


def test_leave_classes_out_bad_input():
    with pytest.raises(NotEnoughDataError, match="needs at least 4"):
        leave_classes_out([0, 1, 2], 2, 1, 0)
    with pytest.raises(NotEnoughDataError, match="Too few groups"):
        next(leave_classes_out([0, 1, 2], 1, 1, 0, groups=[0, 0, 0]))
    with pytest.raises(NotEnoughDataError):
        leave_classes_out([], 1, 1, 0)
    for n_hide, n_draws, share in ((0, 1, 0.5), (1, 0, 0.5), (1, 1, 1.0)):
        with pytest.raises(ValueError, match="n_hide"):
            leave_classes_out([0, 1, 2, 0, 1, 2], n_hide, n_draws, 0, test_share=share)
