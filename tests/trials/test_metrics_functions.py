"""Each metric against scikit-learn, brute force or a closed form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from morelli.errors import MorelliError
from morelli.trials import metrics as tm

N, K = 300, 7


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    y = rng.integers(0, K - 1, N)  # the last class never occurs
    proba = rng.dirichlet(np.full(K, 0.5), N)
    proba[np.arange(N), y] += rng.random(N)
    return y, proba / proba.sum(axis=1, keepdims=True)


def test_accuracy_and_top_k_match_sklearn(scored):
    y, proba = scored
    assert tm.accuracy(y, proba) == pytest.approx(sk.accuracy_score(y, proba.argmax(axis=1)))
    for k in (1, 2, 3, K, K + 2):
        expected = sk.top_k_accuracy_score(y, proba, k=min(k, K), labels=np.arange(K)) if k < K else 1.0
        assert tm.top_k_accuracy(y, proba, k) == pytest.approx(expected)


def test_ties_go_to_the_candidate_listed_first():
    flat = np.full((3, 3), 1 / 3)
    assert tm.true_rank([0, 1, 2], flat).tolist() == [0, 1, 2]
    assert tm.accuracy([0, 1, 2], flat) == pytest.approx(1 / 3)


def test_per_class_and_confusion_match_sklearn(scored):
    y, proba = scored
    predicted = proba.argmax(axis=1)
    confusion = tm.confusion_matrix(y, predicted, K)
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(y, predicted, labels=np.arange(K)))
    got = tm.per_class(confusion)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        y, predicted, labels=np.arange(K), zero_division=np.nan
    )
    np.testing.assert_allclose(got.precision, precision)
    np.testing.assert_allclose(got.recall, recall)
    np.testing.assert_array_equal(got.support, support)
    np.testing.assert_allclose(got.f1, f1)
    assert np.isnan(got.recall[-1])
    assert np.isnan(tm.per_class([[3, 0], [0, 0]]).f1[1])


def test_lineage_rollup_sums_and_keeps_loners_apart():
    proba = np.array([[0.3, 0.25, 0.45], [0.1, 0.2, 0.7]])
    rolled, index = tm.lineage_rollup(proba, ["a", "a", None])
    np.testing.assert_allclose(rolled, [[0.55, 0.45], [0.3, 0.7]])
    assert index.tolist() == [0, 0, 1]
    assert tm.lineage_accuracy([1, 2], proba, ["a", "a", None]) == 1.0
    assert tm.lineage_rollup(proba, [None, None, None])[1].tolist() == [0, 1, 2]
    # The name of a lineage can never collide with a candidate that has none.
    assert tm.lineage_rollup(proba, [None, "", ""])[1].tolist() == [0, 1, 1]


def test_brier_and_log_loss_match_sklearn(scored):
    y, proba = scored
    one_hot = np.eye(K)[y]
    assert tm.brier_score(y, proba) == pytest.approx(((proba - one_hot) ** 2).sum(axis=1).mean())
    assert tm.log_loss(y, proba) == pytest.approx(sk.log_loss(y, proba, labels=np.arange(K)))
    binary = np.column_stack([1 - proba[:, 0], proba[:, 0]])
    truth = (y == 0).astype(int)
    assert tm.brier_score(truth, binary) == pytest.approx(2 * sk.brier_score_loss(truth, binary[:, 1]))
    assert tm.log_loss([1], [[1.0, 0.0]]) == pytest.approx(-np.log(np.finfo(float).eps))


def brute_force_ece(hit, sure, bins):
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(sure) if b / bins < c <= (b + 1) / bins or (b == 0 and c == 0)]
        if inside:
            total += len(inside) * abs(np.mean([hit[i] for i in inside]) - np.mean([sure[i] for i in inside]))
    return total / len(sure)


def test_ece_matches_brute_force(scored):
    y, proba = scored
    hit, sure = proba.argmax(axis=1) == y, proba.max(axis=1)
    for bins in (1, 10, 15):
        assert tm.expected_calibration_error(hit, sure, bins) == pytest.approx(brute_force_ece(hit, sure, bins))
    edges = [0.0, 0.2, 0.2000001, 0.4, 1.0]
    assert tm.reliability_curve([1] * 5, edges, 5).count.tolist() == [2, 2, 0, 0, 1]


def test_equal_mass_bins_hold_equal_numbers(scored):
    y, proba = scored
    hit, sure = proba.argmax(axis=1) == y, proba.max(axis=1)
    curve = tm.reliability_curve(hit, sure, 15, "mass")
    assert curve.count.tolist() == [20] * 15
    parts = np.array_split(np.argsort(sure, kind="stable"), 15)
    expected = sum(len(p) * abs(hit[p].mean() - sure[p].mean()) for p in parts) / N
    assert tm.expected_calibration_error(hit, sure, 15, "mass") == pytest.approx(expected)
    assert tm.reliability_curve([True], [0.5], 15, "mass").count.tolist() == [1]


def test_risk_coverage_by_hand():
    coverage, risk = tm.risk_coverage_curve([1, 0, 1, 1], [0.9, 0.8, 0.7, 0.1])
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 1 / 4])
    assert tm.aurc([1, 0, 1, 1], [0.9, 0.8, 0.7, 0.1]) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert tm.risk_at_coverage([1, 0, 1, 1], [0.9, 0.8, 0.7, 0.1], 0.5) == 0.5
    assert tm.risk_at_coverage([1, 0, 1, 1], [0.9, 0.8, 0.7, 0.1], 0.01) == 0.0
    # 0.07 * 100 is a little more than seven in floating point.
    assert tm.risk_at_coverage([1] * 7 + [0] * 93, np.arange(100, 0, -1), 0.07) == 0.0


def test_tied_confidences_give_the_mean_over_all_orders():
    hit = np.array([1, 0, 0, 1])
    orders = [np.cumsum(1 - hit[list(o)]) / np.arange(1, 5) for o in itertools.permutations(range(4))]
    np.testing.assert_allclose(tm.risk_coverage_curve(hit, np.full(4, 0.5))[1], np.mean(orders, axis=0))
    assert tm.aurc(hit, np.full(4, 0.5)) == pytest.approx(0.5)


def test_conformal_by_hand():
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    y = [0, 1, 1, 0]
    assert tm.set_coverage(y, sets) == 0.5
    assert tm.mean_set_size(sets) == 1.0
    assert tm.set_size_counts(sets).tolist() == [1, 2, 1, 0]
    np.testing.assert_array_equal(tm.class_coverage(y, sets), [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(tm.class_set_size(y, sets), [1.0, 1.0, np.nan])


scores = hnp.arrays(np.float64, st.integers(1, 25), elements=st.integers(0, 6).map(float))


@settings(max_examples=60, deadline=None)
@given(scores, scores, st.sampled_from([0.3, 0.5, 0.95, 1.0]))
def test_open_set_metrics_match_sklearn_with_ties(inside, outside, tpr):
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    both = np.r_[inside, outside]
    assert tm.auroc(inside, outside) == pytest.approx(sk.roc_auc_score(truth, both))
    fpr, tprs, _ = sk.roc_curve(truth, both, drop_intermediate=False)
    assert tm.fpr_at_tpr(inside, outside, tpr) == pytest.approx(fpr[np.argmax(tprs >= tpr - 1e-12)])


@settings(max_examples=40, deadline=None)
@given(scores, scores, st.randoms(use_true_random=False))
def test_oscr_is_the_area_under_its_curve(inside, outside, random):
    correct = np.array([random.random() < 0.6 for _ in inside])
    thresholds = np.r_[np.unique(np.r_[inside, outside])[::-1]]
    fpr = np.r_[0.0, [(outside >= t).mean() for t in thresholds]]
    ccr = np.r_[0.0, [((inside >= t) & correct).mean() for t in thresholds]]
    assert tm.oscr(inside, correct, outside) == pytest.approx(np.trapezoid(ccr, fpr))
    assert tm.oscr(inside, np.ones(len(inside)), outside) == pytest.approx(tm.auroc(inside, outside))


def test_bootstrap_matches_resampling_row_by_row():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 12, 200)
    correct = rng.random(200) < np.linspace(0.3, 0.9, 12)[groups]
    low, high = tm.cluster_bootstrap_interval(correct, groups, n_boot=4000, seed=5)
    rows = [np.flatnonzero(groups == g) for g in range(12)]
    means = [correct[np.concatenate([rows[g] for g in rng.integers(0, 12, 12)])].mean() for _ in range(4000)]
    np.testing.assert_allclose([low, high], np.quantile(means, [0.025, 0.975]), atol=0.012)
    assert (low, high) == tm.cluster_bootstrap_interval(correct, groups, n_boot=4000, seed=5)
    assert low < correct.mean() < high


def test_clusters_widen_the_interval():
    groups = np.repeat(np.arange(20), 30)
    correct = np.repeat(np.arange(20) % 2 == 0, 30)
    alone = tm.cluster_bootstrap_interval(correct, np.arange(600))
    together = tm.cluster_bootstrap_interval(correct, groups)
    assert together[1] - together[0] > 4 * (alone[1] - alone[0])


def test_bootstrap_covers_about_as_often_as_promised():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        rate = np.repeat(rng.beta(6, 4, 60), 5)
        low, high = tm.cluster_bootstrap_interval(rng.random(300) < rate, np.repeat(np.arange(60), 5), 300, trial)
        hits += low <= 0.6 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_at_the_edges():
    assert np.isnan(tm.cluster_bootstrap_interval([True, False], [1, 1])).all()
    assert np.isnan(tm.cluster_bootstrap_interval([], [])).all()
    low, high = tm.cluster_bootstrap_interval([True] * 50, np.arange(50) // 5)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    low, high = tm.cluster_bootstrap_interval([False] * 50, np.arange(50) // 5)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))


def test_paired_difference_ignores_what_both_miss():
    rng = np.random.default_rng(2)
    second = rng.random(400) < 0.5
    first = second.copy()
    first[::20] = True
    low, high = tm.cluster_bootstrap_difference(first, second, np.arange(400))
    gain = first.mean() - second.mean()
    assert 0 < low < gain < high < 0.06
    assert tm.cluster_bootstrap_difference(first, first, np.arange(400)) == (0.0, 0.0)


def test_nothing_to_measure_is_nan_not_zero():
    empty, none = np.empty((0, 3)), np.empty(0, int)
    for value in (
        tm.accuracy(none, empty),
        tm.top_k_accuracy(none, empty),
        tm.lineage_accuracy(none, empty, [None] * 3),
        tm.brier_score(none, empty),
        tm.log_loss(none, empty),
        tm.expected_calibration_error([], []),
        tm.expected_calibration_error([], [], binning="mass"),
        tm.aurc([], []),
        tm.risk_at_coverage([], []),
        tm.set_coverage(none, empty),
        tm.mean_set_size(empty),
        tm.auroc([], [1.0]),
        tm.auroc([1.0], []),
        tm.fpr_at_tpr([], [1.0]),
        tm.oscr([1.0, 2.0, 3.0], [1, 0, 1], []),
        tm.oscr([], [], [1.0]),
    ):
        assert np.isnan(value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tm.accuracy([3], [[0.5, 0.5]]),
        lambda: tm.accuracy([-1], [[0.5, 0.5]]),
        lambda: tm.accuracy([0, 1], [[0.5, 0.5]]),
        lambda: tm.accuracy([0], [[np.nan, 0.5]]),
        lambda: tm.accuracy([0], [0.5]),
        lambda: tm.top_k_accuracy([0], [[1.0]], 0),
        lambda: tm.confusion_matrix([0], [0, 1], 2),
        lambda: tm.per_class([[1, 2]]),
        lambda: tm.lineage_rollup([[1.0]], ["a", "b"]),
        lambda: tm.reliability_curve([1], [1.5]),
        lambda: tm.reliability_curve([1], [0.5], 0),
        lambda: tm.reliability_curve([1], [0.5], 3, "other"),
        lambda: tm.risk_at_coverage([1], [0.5], 0.0),
        lambda: tm.risk_coverage_curve([1], [np.nan]),
        lambda: tm.risk_coverage_curve([1], [1.0, 2.0]),
        lambda: tm.auroc([np.nan], [1.0]),
        lambda: tm.fpr_at_tpr([1.0], [1.0], 0.0),
        lambda: tm.set_coverage([0, 1], [[True]]),
        lambda: tm.cluster_bootstrap_interval([True], [1, 2]),
        lambda: tm.cluster_bootstrap_interval([True, True], [1, 2], n_boot=0),
        lambda: tm.cluster_bootstrap_interval([True, True], [1, 2], level=1.0),
        lambda: tm.cluster_bootstrap_difference([True], [True, False], [1]),
    ],
)
def test_misuse_is_refused(call):
    with pytest.raises(MorelliError):
        call()


def test_the_floor_of_the_calibration_error_is_that_of_a_perfect_forecast():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.3, 1.0, 400)
    errors = [tm.expected_calibration_error(rng.random(400) < sure, sure) for _ in range(300)]
    floor = tm.calibration_error_floor(sure, seed=1)
    assert floor == pytest.approx(np.mean(errors), rel=0.08)
    assert floor > 0.02
    assert tm.calibration_error_floor(np.repeat(sure, 100), n_draws=20) < floor / 5
    assert tm.calibration_error_floor(np.ones(10)) == 0
    assert np.isnan(tm.calibration_error_floor([]))
