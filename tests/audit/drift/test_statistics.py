from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from morelli.audit.drift.design import make_design
from morelli.audit.drift.statistics import (
    Contrasts,
    gaussian_kernel,
    held_out_scores,
    mean_discrepancy,
    of_all_relabellings,
    overall,
    p_value,
    squared_distances,
    standard,
)
from morelli.audit.drift.trace import SHRINKAGE, WITHIN_SHARE, make_traces

from ._drifting import BLOCKS, two_samples


def unbiased(kernel, new):
    """Equation 3 of Gretton et al. 2012, term by term."""
    a, b = np.flatnonzero(new), np.flatnonzero(~new)

    def mean(pairs):
        return np.mean([kernel[i, j] for i, j in pairs])

    return mean(itertools.permutations(a, 2)) + mean(itertools.permutations(b, 2)) - 2 * mean(itertools.product(a, b))


def test_the_discrepancy_is_the_unbiased_one_of_the_paper():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(13, 4))
    kernel = rbf_kernel(X, gamma=0.3)
    labels = np.array([rng.permutation([True] * 6 + [False] * 7) for _ in range(5)])
    expected = [unbiased(kernel, row) for row in labels]
    assert mean_discrepancy(kernel, labels, np.arange(13)) == pytest.approx(expected, abs=1e-12)


def test_of_pairs_it_is_the_one_of_lemma_6():
    rng = np.random.default_rng(1)
    n = 7
    kernel = rbf_kernel(rng.normal(size=(2 * n, 3)))
    x, y = np.arange(n), n + np.arange(n)
    h = [
        kernel[x[i], x[j]] + kernel[y[i], y[j]] - kernel[x[i], y[j]] - kernel[x[j], y[i]]
        for i in range(n)
        for j in range(n)
        if i != j
    ]
    labels = np.arange(2 * n)[None] >= n
    assert mean_discrepancy(kernel, labels, np.tile(np.arange(n), 2))[0] == pytest.approx(sum(h) / (n * (n - 1)))


def test_its_mean_between_normal_laws_is_the_closed_form():
    """Kernel means of normal laws are normal integrals; the estimator has no bias."""
    width, shift = 2.0, 0.8
    rng = np.random.default_rng(2)
    found = []
    for _ in range(400):
        X = np.concatenate([rng.normal(size=30), rng.normal(size=30) + shift])
        kernel = np.exp(-((X[:, None] - X) ** 2) / width)
        found.append(mean_discrepancy(kernel, np.arange(60)[None] >= 30, np.arange(60))[0])
    # E exp(-(a - b)^2 / w) for a - b normal with variance 2 and mean m.
    alike, apart = (np.sqrt(width / (width + 4)) * np.exp(-(m**2) / (width + 4)) for m in (0.0, shift))
    assert np.mean(found) == pytest.approx(2 * alike - 2 * apart, abs=4 * np.std(found) / 20)


def test_one_image_of_a_sample_has_no_discrepancy():
    assert np.isnan(mean_discrepancy(np.eye(3), np.array([[True, False, False]]), np.arange(3))[0])


def test_the_kernel_is_as_wide_as_the_median_distance():
    X = np.random.default_rng(3).normal(size=(9, 5))
    distances = cdist(X, X, "sqeuclidean")
    median = np.median(distances[np.triu_indices(9, 1)])
    assert np.allclose(gaussian_kernel(distances), rbf_kernel(X, gamma=1 / median))
    assert np.array_equal(gaussian_kernel(np.zeros((3, 3))), np.ones((3, 3)))


@pytest.mark.parametrize("paired", [True, False])
def test_scores_are_those_of_a_discriminant_that_has_not_seen_the_fold(paired):
    """The long way: covariance, inverse and mean difference in the space of measurements, fold by fold."""
    X, new, group = two_samples(9, 1.0, paired=paired, each=1 if paired else 2)
    within = np.random.default_rng(5).normal(size=(len(X), 3, 30))
    design = make_design(new, group, seed=1)
    traces, _ = make_traces(X, BLOCKS, design, within=within)
    labels, _ = design.relabel(6, 2)
    scores = held_out_scores(traces[0], Contrasts.of(labels, design))

    Z = (X[:, :12] - X[:, :12].mean(axis=0)) / X[:, :12].std(axis=0)
    regions = within[:, :, :12] / X[:, :12].std(axis=0)
    if paired:
        for prompt in range(9):
            Z[group == prompt] -= Z[group == prompt].mean(axis=0)
    for row, label in enumerate(labels):
        for fold in range(int(design.fold.max()) + 1):
            teaches = design.fold != fold
            own, R = Z[teaches], regions[teaches].reshape(-1, 12)
            trace = (own**2).sum() / len(own)
            S = (1 - WITHIN_SHARE) * own.T @ own / len(own) + WITHIN_SHARE * trace * R.T @ R / (R**2).sum()
            S = (1 - SHRINKAGE) * S + SHRINKAGE * trace / 12 * np.eye(12)
            value = label[teaches] - (0.5 if paired else label[teaches].mean())
            direction = np.linalg.solve(S, value @ own / (value**2).sum())
            assert scores[row, ~teaches] == pytest.approx(Z[~teaches] @ direction, rel=1e-8, abs=1e-8)


def test_relabellings_are_measured_alike_some_at_a_time(monkeypatch):
    X, new, group = two_samples(9, 1.0)
    design = make_design(new, group)
    traces, _ = make_traces(X, BLOCKS, design)
    kernel = gaussian_kernel(squared_distances(traces))
    labels, _ = design.relabel(99, 0)
    whole = of_all_relabellings(traces, kernel, labels, design)
    monkeypatch.setattr("morelli.audit.drift.statistics._MOST_NUMBERS", 9 * 18 * 7)  # 7 at a time
    for one, other in zip(whole, of_all_relabellings(traces, kernel, labels, design), strict=True):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_family_without_variation_is_left_out_and_one_without_regions_is_not():
    X, new, group = two_samples(8)
    X = np.concatenate([X, np.ones((16, 4))], axis=1)
    design = make_design(new, group)
    within = np.zeros((16, 2, 34))
    traces, silent = make_traces(X, BLOCKS | {"flat": slice(30, 34)}, design, within=within, n_contrasts=np.full(16, 2))
    assert [trace.name for trace in traces] == ["residual", "colour"] and silent == ["flat"]
    assert np.isfinite(traces[0].held_out).all() and len(traces[0].owner) == 16


def test_distances_count_every_family_alike():
    X, new, group = two_samples(8)
    traces, _ = make_traces(X, BLOCKS, make_design(new, group))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = sum(cdist(Z[:, b], Z[:, b], "sqeuclidean") / (b.stop - b.start) for b in BLOCKS.values())
    assert np.allclose(squared_distances(traces), expected)


def test_p_values_count_ties_and_the_observed_one():
    assert p_value(np.array([2.0, 1.0, 2.0, 3.0])) == 0.75
    assert p_value(np.array([3.0, 1.0, 2.0, 0.0])) == 0.25
    assert p_value(np.zeros(5)) == 1.0


def test_what_does_not_vary_does_not_count():
    assert np.array_equal(standard(np.full(4, 7.0)), np.zeros(4))
    assert np.array_equal(standard(np.array([1.0, np.nan])), np.zeros(2))
    combined, fused = overall(np.array([[3.0, 1.0, 2.0]]), np.full(3, np.nan))
    assert combined.argmax() == fused.argmax() == 0
