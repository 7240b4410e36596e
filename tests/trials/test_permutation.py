"""Tests by permutation against slow loops, closed forms, known cases and their own promise under the null."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials import metrics as tm


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def slow_mantel(a, b, method):
    """All relabellings, one at a time, by SciPy's correlations."""
    correlate = stats.pearsonr if method == "pearson" else stats.spearmanr
    r = [
        correlate(off_diagonal(a), off_diagonal(b[np.ix_(order, order)]))[0]
        for order in map(list, itertools.permutations(range(len(a))))
    ]
    return r[0], np.mean(np.abs(r) >= abs(r[0]) - 1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("k", [3, 4, 5])
def test_mantel_is_exact_with_few_things(method, k):
    rng = np.random.default_rng(k)
    a, b = rng.random((k, k)).round(1), rng.random((k, k))
    r, p = slow_mantel(a, b, method)
    got = tm.mantel(a, b, method=method)
    assert got.exact
    assert got.r == pytest.approx(r)
    assert got.p == pytest.approx(p)
    assert (got.n, got.n_permutations) == (k, {3: 6, 4: 24, 5: 120}[k])


def test_drawn_relabellings_come_near_all_of_them():
    rng = np.random.default_rng(3)
    a = rng.random((6, 6))
    b = a + rng.normal(0, 0.5, (6, 6))
    exact, drawn = tm.mantel(a, b, n_permutations=720), tm.mantel(a, b, n_permutations=719, seed=1)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.r == exact.r
    assert abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p / 719) + 1 / 720
    assert tm.mantel(a, b, n_permutations=500, seed=1) == tm.mantel(a, b, n_permutations=500, seed=1)


def test_mantel_of_known_cases():
    rng = np.random.default_rng(0)
    a = rng.random((10, 10))
    same = tm.mantel(a, 3 * a + 2, n_permutations=999)
    assert same.r == pytest.approx(1.0)
    assert same.p == pytest.approx(1 / 1000)
    assert tm.mantel(a, -a, n_permutations=999).r == pytest.approx(-1.0)
    assert tm.mantel(a, -a, n_permutations=999).p == pytest.approx(1 / 1000)
    # Ranks do not care how far values are apart.
    assert tm.mantel(a, np.exp(20 * a), n_permutations=99, method="spearman").r == pytest.approx(1.0)
    # A transposed matrix is another matrix: the sides of the diagonal are not averaged.
    assert tm.mantel(a, a.T, n_permutations=99).r < 0.6
    # The three sides of a triangle take all six orders; evenly spaced ones in reverse are as far from zero.
    for sides, p in (((1, 2, 4), 1 / 6), ((1, 2, 3), 2 / 6)):
        triangle = np.zeros((3, 3))
        triangle[[0, 0, 1], [1, 2, 2]] = triangle[[1, 2, 2], [0, 0, 1]] = sides
        assert tm.mantel(triangle, triangle).p == pytest.approx(p)


def test_the_diagonal_does_not_count():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 7, 7))
    changed = a.copy()
    np.fill_diagonal(changed, np.nan)
    assert tm.mantel(a, b) == tm.mantel(changed, b)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.sampled_from(["pearson", "spearman"]))
def test_mantel_is_symmetric_and_blind_to_names(seed, k, method):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, k, k))
    order = rng.permutation(k)
    one, swapped = tm.mantel(a, b, method=method), tm.mantel(b, a, method=method)
    renamed = tm.mantel(a[np.ix_(order, order)], b[np.ix_(order, order)], method=method)
    assert one.r == pytest.approx(swapped.r) == pytest.approx(renamed.r)
    assert one.p == pytest.approx(swapped.p) == pytest.approx(renamed.p)


def test_mantel_keeps_its_promise_where_rows_have_something_in_common():
    """Independent matrices with effects of rows and columns: a test that took the entries as independent would fail."""
    rng = np.random.default_rng(7)
    p, naive = [], []
    for draw in range(300):
        a, b = (rng.normal(size=(8, 1)) + rng.normal(size=(1, 8)) + 0.3 * rng.normal(size=(8, 8)) for _ in range(2))
        p.append(tm.mantel(a, b, n_permutations=199, seed=draw).p)
        naive.append(stats.pearsonr(off_diagonal(a), off_diagonal(b))[1])
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.1)
    assert np.mean(np.array(naive) <= 0.05) > 0.12


@pytest.mark.parametrize("value", [0.0, 0.7, 1e9])
def test_a_constant_matrix_has_no_correlation(value):
    flat = np.full((4, 4), value)
    np.fill_diagonal(flat, 5.0)
    got = tm.mantel(flat, np.random.default_rng(0).random((4, 4)))
    assert (got.r, got.p) == (None, None)


def test_mantel_refuses():
    square = np.random.default_rng(0).random((4, 4))
    with pytest.raises(MorelliError, match="must be square"):
        tm.mantel(square[:3], square)
    with pytest.raises(MorelliError, match="same things"):
        tm.mantel(square, square[:3, :3])
    with pytest.raises(NotEnoughDataError, match="three things"):
        tm.mantel(square[:2, :2], square[:2, :2])
    with pytest.raises(MorelliError, match='not "kendall"'):
        tm.mantel(square, square, method="kendall")
    with pytest.raises(MorelliError, match="one permutation"):
        tm.mantel(square, square, n_permutations=0)
    holed = square.copy()
    holed[0, 1] = np.nan
    with pytest.raises(MorelliError, match="second matrix has a cell"):
        tm.mantel(square, holed)


def all_permutations(labels, groups):
    """Yield labels after every permutation within groups."""
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for orders in itertools.product(*(itertools.permutations(place) for place in rows)):
        permuted = labels.copy()
        for place, order in zip(rows, orders, strict=True):
            permuted[place] = labels[list(order)]
        yield permuted


def test_permutation_accuracy_comes_near_all_permutations():
    labels = np.array(["en", "ja", "tr", "en", "ja", "tr", "en", "en"])
    predicted = np.array(["en", "ja", "en", "en", "ja", "tr", "ja", "en"])
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    null = np.array([np.mean(permuted == predicted) for permuted in all_permutations(labels, groups)])
    got = tm.permutation_accuracy(labels, predicted, groups, n_permutations=20_000)
    assert got.accuracy == 6 / 8
    assert got.null_mean == pytest.approx(null.mean())
    assert got.p == pytest.approx(np.mean(null >= 6 / 8 - 1e-9), abs=0.01)
    assert (got.null_low, got.null_high) == pytest.approx(tuple(np.quantile(null, [0.025, 0.975])))
    assert (got.n, got.n_movable) == (8, 6)


def test_groups_keep_what_prompts_tell_out_of_the_test():
    """Answers that follow the prompt are above chance without groups, and at chance within prompts."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    share = np.where(groups < 30, 0.9, 0.1)
    labels = (rng.random(240) < share).astype(int)
    predicted = (groups < 30).astype(int)
    assert tm.permutation_accuracy(labels, predicted, n_permutations=999).p == pytest.approx(1 / 1000)
    within = tm.permutation_accuracy(labels, predicted, groups, n_permutations=999)
    assert within.p == 1.0
    assert within.null_mean == pytest.approx(within.accuracy)


def test_permutation_accuracy_keeps_its_promise():
    rng = np.random.default_rng(5)
    labels, groups = np.tile(np.arange(5), 20), np.repeat(np.arange(20), 5)
    p = np.array([tm.permutation_accuracy(labels, rng.integers(0, 5, 100), groups, 199, seed=s).p for s in range(400)])
    for level in (0.05, 0.25):
        assert np.mean(p <= level) < level + 3 * np.sqrt(level * (1 - level) / 400)
    assert np.mean(p <= 0.25) > 0.15  # and it is no test that never rejects


def test_an_effect_is_found_and_pieces_of_work_do_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    labels, groups = np.tile(np.arange(5), 40), np.repeat(np.arange(40), 5)
    predicted = np.where(rng.random(200) < 0.3, labels, rng.integers(0, 5, 200))
    whole = tm.permutation_accuracy(labels, predicted, groups, n_permutations=999)
    assert whole.p == pytest.approx(1 / 1000)
    assert whole.null_mean == pytest.approx(0.2)
    assert whole.null_low < 0.2 < whole.null_high < whole.accuracy
    monkeypatch.setattr("morelli.trials.metrics._permutation._CHUNK", 1000)
    assert tm.permutation_accuracy(labels, predicted, groups, n_permutations=999) == whole


def test_nothing_to_permute_is_no_test():
    got = tm.permutation_accuracy(["en", "en", "ja"], ["en", "ja", "ja"], [1, 1, 2])
    assert (got.p, got.n_movable, got.null_low) == (None, 0, None)
    assert got.null_mean == got.accuracy == pytest.approx(2 / 3)
    assert tm.permutation_accuracy(["en"], ["ja"]).p is None


def test_answers_may_be_names_that_are_no_label():
    assert tm.permutation_accuracy(["en", "ja"], ["fr", "it"]).accuracy == 0.0
    as_objects = np.array(["en", "日本語"], dtype=object)
    assert tm.permutation_accuracy(as_objects, as_objects, n_permutations=99).accuracy == 1.0


def test_permutation_accuracy_refuses():
    with pytest.raises(MorelliError, match="one length"):
        tm.permutation_accuracy([1, 2], [1])
    with pytest.raises(MorelliError, match="one length"):
        tm.permutation_accuracy([1, 2], [1, 2], [1])
    with pytest.raises(NotEnoughDataError, match="no image"):
        tm.permutation_accuracy([], [])
    with pytest.raises(MorelliError, match="both be names"):
        tm.permutation_accuracy(["1"], [1])
    with pytest.raises(MorelliError, match="known for every image"):
        tm.permutation_accuracy(["en", None], ["en", "ja"])
    with pytest.raises(MorelliError, match="one permutation"):
        tm.permutation_accuracy([1], [1], n_permutations=0)


def test_asymmetry_of_a_known_matrix():
    matrix = [[0.9, 0.2, 0.5], [0.6, 0.8, 0.5], [0.4, np.nan, 0.7]]
    got = tm.asymmetry(matrix)
    assert got.mean == pytest.approx((0.4 + 0.1) / 2)
    assert got.pair == (1, 0)  # trained on the second, tested on the first, is the better of the two
    assert got.difference == pytest.approx(0.4)
    assert (got.n_pairs, got.expected) == (2, None)
    assert tm.asymmetry(np.eye(3)).mean == 0.0
    assert tm.asymmetry([[1.0, np.nan], [0.3, 1.0]]) == tm.Asymmetry(None, None, None, None, 0)


def test_noise_alone_gives_the_expected_asymmetry():
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.01, 0.05, (40, 40))
    found = tm.asymmetry(0.5 + errors * rng.normal(size=(40, 40)), errors)
    assert found.mean == pytest.approx(found.expected, rel=0.1)


def test_asymmetry_refuses():
    with pytest.raises(MorelliError, match="square"):
        tm.asymmetry(np.zeros((2, 3)))
    with pytest.raises(NotEnoughDataError, match="one cell"):
        tm.asymmetry([[1.0]])
    with pytest.raises(MorelliError, match="do not fit"):
        tm.asymmetry(np.eye(3), np.eye(2))


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(p_values)
def test_benjamini_hochberg_is_its_definition(p):
    """The adjusted value is the least m p(j) / j over all j from the test's rank on, and scipy agrees."""
    got = tm.benjamini_hochberg(p)
    ordered, m = np.sort(p), len(p)
    for value, adjusted in zip(p, got, strict=True):
        rank = int(np.searchsorted(ordered, value, side="right"))
        assert adjusted == pytest.approx(min(m * ordered[j - 1] / j for j in range(rank, m + 1)))
    np.testing.assert_allclose(got, stats.false_discovery_control(p), rtol=1e-12, atol=1e-300)


@given(p_values)
def test_benjamini_hochberg_is_monotone_and_bounded(p):
    got = tm.benjamini_hochberg(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(got[order]) >= 0).all()
    assert ((got >= p) & (got <= 1)).all()


def test_benjamini_hochberg_of_bad_values():
    assert tm.benjamini_hochberg([]).shape == (0,)
    for bad in ([-0.1], [1.1], [np.nan], [[0.5]]):
        with pytest.raises(MorelliError, match="P-values"):
            tm.benjamini_hochberg(bad)
