from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from morelli.attributors import FusedAttributor
from morelli.attributors._folding import deal_references
from morelli.attributors.calibration import CalibrationProblem
from morelli.attributors.doubt import DoubtedTemperature, best_temperature
from morelli.attributors.learning_curve import (
    MOST_STEEP,
    N_BLOCKS,
    coarse_folds,
    seen_share,
    sharpening,
    steepness,
)

SHARES = [(1 / 2, 2 / 3), (2 / 3, 4 / 5), (2 / 3, 9 / 10), (0.1, 0.99)]


def answers(seed, n=90, k=3, prompts=15, spread=2.0):
    """Logits that suit the temperature 1, labels and prompts."""
    rng = np.random.default_rng(seed)
    z = spread * rng.normal(size=(n, k))
    y = (softmax(z, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return z, y, rng.permutation(n) % prompts


def best(z, y, doubt):
    return best_temperature(CalibrationProblem.of(z, y, None, True, None), doubt)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(SHARES), st.floats(0.05, MOST_STEEP), st.floats(1e-2, 1e2), st.sampled_from([0.01, 0.2]))
def test_a_power_law_is_found(shares, b, unit, doubt):
    """Logits of which the one are a multiple of the other suit temperatures of just that ratio, in any block."""
    z, y, prompts = answers(0)
    few, many = shares
    found = steepness((few, unit * few**-b * z), (many, unit * many**-b * z), y, prompts, doubt)
    assert found == pytest.approx(b, abs=0.01)
    assert found <= MOST_STEEP


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 0.0), (0.7, 0.0), (1e4, MOST_STEEP)])
def test_limits(ratio, expected):
    z, y, prompts = answers(1)
    assert steepness((0.5, ratio * z), (0.8, z), y, prompts, 0.05) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shares", [(0.8, 0.5), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (float("nan"), 0.5)])
def test_shares_out_of_order(shares):
    z, y, prompts = answers(2)
    with pytest.raises(ValueError, match="in order between 0 and 1"):
        steepness((shares[0], 2 * z), (shares[1], z), y, prompts, 0.05)


@pytest.mark.parametrize("n_prompts", [15, 5])
def test_shrunk_by_what_leaving_out_prompts_changes(n_prompts):
    """Against the jackknife (Efron 1982, chapter 3), prompt by prompt or in blocks of them."""
    doubt, some = 0.05, 0
    for seed in range(4):
        z, y, prompts = answers(seed, prompts=n_prompts)
        rng = np.random.default_rng(seed)
        hot, cool = 1.6 * (z + rng.normal(size=z.shape)), z + rng.normal(size=z.shape)

        def exponent(rows, hot=hot, cool=cool, y=y):
            return np.log(best(hot[rows], y[rows], doubt) / best(cool[rows], y[rows], doubt)) / np.log(0.9 / 0.6)

        left = np.array([exponent(prompts % N_BLOCKS != block) for block in range(min(N_BLOCKS, n_prompts))])
        variance = (len(left) - 1) * left.var()
        found = exponent(np.ones(len(y), dtype=bool))
        shrunk = steepness((0.6, hot), (0.9, cool), y, 100 + 7 * prompts, doubt)  # their names do not matter
        assert shrunk == pytest.approx(np.clip(found - variance / found, 0, MOST_STEEP) if found > 0 else 0, abs=1e-3)
        some += 0 < shrunk < 0.98 * found
    assert some  # shrunk, and not to nothing


def test_chance_is_hardly_believed():
    """Two equally good attributors that err apart: one of them looks steep half the time."""
    seen, believed = [], []
    for seed in range(14):
        z, y, prompts = answers(seed, n=60, prompts=20)
        rng = np.random.default_rng(100 + seed)
        hot, cool = (z + 2 * rng.normal(size=z.shape) for _ in range(2))
        ratio = best(hot, y, 0.05) / best(cool, y, 0.05)
        seen.append(float(np.clip(np.log(ratio) / np.log(0.9 / (2 / 3)), 0, MOST_STEEP)))
        believed.append(steepness((2 / 3, hot), (0.9, cool), y, prompts, 0.05))
    assert np.mean(seen) > 0.3
    assert np.mean(believed) < np.mean(seen) / 2
    assert np.median(believed) == 0
    assert all(b <= s + 1e-3 for b, s in zip(believed, seen, strict=True))


def test_where_nothing_can_be_left_out_nothing_is_believed():
    z, y, prompts = answers(3)
    assert steepness((0.5, 1.5 * z), (0.8, z), y, prompts, 0.05) > 0.5
    assert steepness((0.5, 1.5 * z), (0.8, z), y, np.zeros(90, dtype=int), 0.05) == 0
    both = y < 2
    # Without the one prompt of a class, a single class is left.
    assert steepness((0.5, 1.5 * z[both, :2]), (0.8, z[both, :2]), y[both], y[both], 0.05) == 0


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_seen_share_is_the_mean_share_of_the_others(fold):
    fold = np.array(fold)
    assert seen_share(fold) == pytest.approx(np.mean([(fold != own).mean() for own in fold]))


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_seen_share_of_equal_folds(k):
    assert seen_share(np.arange(4 * k) % k) == pytest.approx(1 - 1 / k)


def test_coarse_folds_are_fewer():
    assert [coarse_folds(n) for n in (2, 3, 4, 5, 10)] == [None, 2, 2, 3, 3]
    assert coarse_folds(1) is None


# --- from folds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_folds", "coarse"), [(10, 3), (5, 3), (4, 2), (3, 2)])
@pytest.mark.parametrize("grouped", [True, False])
def test_a_temperature_is_continued_to_all_references(n_folds, coarse, grouped):
    z, y, _ = answers(4, n=120)
    images = np.arange(120) // 2
    prompts = images % 20
    fold, _ = deal_references(y, prompts if grouped else None, np.arange(3), n_folds, 0, images)
    told = []

    def anew(other):
        told.append(other)
        return (seen_share(other) / seen_share(fold)) ** -1.5 * z

    factor = sharpening(z, y, prompts if grouped else None, fold, 0.05, anew, images)
    assert factor == pytest.approx(seen_share(fold) ** 1.5, rel=0.01)
    (other,) = told
    assert sorted(set(other)) == list(range(coarse))
    assert seen_share(other) < seen_share(fold)
    whole = prompts if grouped else images
    assert all(len(set(other[whole == name])) == 1 for name in set(whole))
    assert sharpening(z, y, prompts if grouped else None, fold, 0.05, lambda other: 0.5 * z, images) == 1


def test_nothing_is_asked_anew_where_no_folds_are_coarser():
    z, y, prompts = answers(5)

    def never(other):
        raise AssertionError("asked for other folds")

    two, _ = deal_references(y, prompts, np.arange(3), 2, 0)
    assert sharpening(z, y, prompts, two, 0.05, never, np.arange(90)) == 1
    # Three folds of which one is nearly everything: two equal ones see more.
    uneven = np.where(prompts == 0, 1, np.where(prompts == 1, 2, 0))
    assert seen_share(uneven) < 0.5
    assert sharpening(z, y, prompts, uneven, 0.05, never, np.arange(90)) == 1


@pytest.mark.parametrize("seed", [8, 10, 13])
def test_rows_of_one_image_are_left_out_together(seed):
    """Each image ten times over is no more certain than once, unless nobody says that they are one."""
    z, y, _ = answers(seed, n=40)
    rng = np.random.default_rng(seed)
    coarse, usual = 1.3 * (z + rng.normal(size=z.shape)), z + rng.normal(size=z.shape)
    fold, many = np.arange(40) % 5, np.repeat(np.arange(40), 10)

    def ten_times(images):
        return sharpening(usual[many], y[many], None, fold[many], 0.05, lambda other: coarse[many], images)

    once = sharpening(usual, y, None, fold, 0.05, lambda other: coarse, np.arange(40))
    assert ten_times(many) == pytest.approx(once, abs=1e-3)
    assert ten_times(np.arange(400)) < once - 0.05


# --- in use -------------------------------------------------------------------------------------------------------


def plug_in(X, y, new):
    """Return the log-likelihood of classes with unit covariance and the means of their references."""
    means = np.stack([X[y == label].mean(axis=0) for label in range(4)])
    return -((new[:, None] - means) ** 2).sum(axis=2) / 2


def out_of_fold(X, y, fold):
    z = np.empty((len(y), 4))
    for name in range(fold.max() + 1):
        z[fold == name] = plug_in(X[fold != name], y[fold != name], X[fold == name])
    return z


def test_what_was_learned_from_some_is_nearer_to_what_suits_all():
    """Means of few references are uncertain, and a high temperature makes up for it; the more images, the less of it.

    On average over data sets: for each, what the extrapolation gains is lost again to its own variance.
    """
    off = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        means = 0.3 * rng.normal(size=(4, 60))
        y, truth = np.repeat(np.arange(4), 40), np.repeat(np.arange(4), 300)
        X, new = means[y] + rng.normal(size=(160, 60)), means[truth] + rng.normal(size=(1200, 60))
        ids = np.arange(160)
        fold, _ = deal_references(y, None, np.arange(4), 5, 0)
        z = out_of_fold(X, y, fold)
        fitted = DoubtedTemperature().fit(z, y)

        def anew(other, X=X, y=y):
            return out_of_fold(X, y, other)

        factor = sharpening(z, y, None, fold, fitted.doubt, anew, ids)
        usual = best(z, y, fitted.doubt)
        off.append(np.log(np.array([usual, usual * factor]) / best(plug_in(X, y, new), truth, fitted.doubt)))
    usual, sharpened = np.mean(off, axis=0)
    assert usual > 0.05  # calibration on less is too cautious
    assert abs(sharpened) < usual / 2


def gaussian(n, k=3, d=12):
    y = np.repeat(np.arange(k), n)
    return 0.5 * np.random.default_rng(9).normal(size=(k, d))[y] + np.random.default_rng(n).normal(size=(k * n, d)), y


@pytest.mark.parametrize("prompts", [None, np.tile(np.arange(12), 3)])
def test_the_attributor_remembers_by_how_much_it_was_sharpened(monkeypatch, prompts):
    X, y = gaussian(12)
    told = []

    def spy(*args):
        told.append(args)
        return 0.75

    monkeypatch.setattr("morelli.attributors.fused.sharpening", spy)
    images = np.arange(36) + 5
    model = FusedAttributor().fit(X, y, prompts, images=images)
    ((logits, codes, groups, fold, doubt, anew, ids),) = told
    chosen = model.calibration_.calibrator
    assert model.calibration_.sharpening == 0.75
    again = type(chosen)().fit(logits, codes)
    assert chosen.temperature == pytest.approx(0.75 * again.temperature)
    assert chosen.doubt == doubt == again.doubt
    np.testing.assert_array_equal(codes, y)
    np.testing.assert_array_equal(ids, np.arange(36))
    assert (groups is None) == (prompts is None)
    assert seen_share(fold) == pytest.approx(1 - 1 / 10, abs=0.02)
    # What is asked anew is what was asked before, in other folds.
    np.testing.assert_array_equal(anew(fold), logits)
    coarse, _ = deal_references(y, prompts, np.arange(3), 3, 0)
    other = anew(coarse)
    assert other.shape == logits.shape and np.abs(other - logits).min() > 0


def test_two_folds_leave_nothing_to_learn_from():
    X, y = gaussian(12)
    assert FusedAttributor(n_folds=2).fit(X, y).calibration_.sharpening == 1.0
