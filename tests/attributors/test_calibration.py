from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from morelli.attributors.calibration import (
    MOST_DOUBT,
    BiasCorrectedTemperature,
    CalibrationProblem,
    LogitCalibrator,
    TemperatureCalibrator,
)
from morelli.errors import NotEnoughDataError

BOTH = [TemperatureCalibrator, BiasCorrectedTemperature]


def draw(n, k, seed, temperature=1.0, bias=0.0, spread=2.0):
    """Labels drawn from softmax(z / temperature + bias): the truth that a calibrator should find."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * spread * temperature
    p = softmax(z / temperature + bias, axis=1)
    return z, (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


def weighted_nll(z, y, w, temperature, bias=0.0):
    return -np.sum(w * log_softmax(z / temperature + bias, axis=1)[np.arange(len(z)), y]) / np.sum(w)


@pytest.mark.parametrize("truth", [0.25, 1.0, 6.0])
def test_temperature_finds_the_truth(truth):
    z, y = draw(6000, 8, 0, truth)
    fitted = TemperatureCalibrator().fit(z, y)
    assert fitted.temperature == pytest.approx(truth, rel=0.06)
    assert not fitted.at_bound
    assert fitted.n == 6000
    assert fitted.nll <= fitted.nll_before + 1e-12


@pytest.mark.parametrize("balanced", [False, True])
def test_temperature_has_zero_gradient_and_is_the_minimum(balanced):
    z, y = draw(300, 5, 1, 3.0)
    w = np.random.default_rng(2).random(300)
    fitted = TemperatureCalibrator(class_balanced=balanced).fit(z, y, w)
    if balanced:
        w = w / np.bincount(y, w)[y]
    t = fitted.temperature
    p = softmax(z / t, axis=1)
    gradient = np.sum(w * ((p * z).sum(axis=1) - z[np.arange(300), y])) / w.sum()
    assert abs(gradient) < 1e-8
    assert fitted.nll == pytest.approx(weighted_nll(z, y, w, t))
    assert fitted.nll_before == pytest.approx(weighted_nll(z, y, w, 1.0))
    assert all(weighted_nll(z, y, w, t * f) > fitted.nll for f in (0.9, 0.99, 1.01, 1.1))


@settings(max_examples=25, deadline=None)
@given(
    st.floats(1e-3, 1e3),
    st.integers(0, 50),
    st.integers(2, 6),
    st.sampled_from([1.0, 50.0]),
)
def test_temperature_scales_with_the_logits_and_ignores_row_constants(c, seed, k, spread):
    z, y = draw(40, k, seed, spread=spread)
    if len(np.unique(y)) < 2:
        return
    once = TemperatureCalibrator().fit(z, y)
    shifted = c * z + np.random.default_rng(seed).normal(size=(40, 1)) * c
    again = TemperatureCalibrator().fit(shifted, y)
    assert again.temperature == pytest.approx(c * once.temperature, rel=1e-6)
    np.testing.assert_allclose(again.transform(shifted), once.transform(z), atol=1e-5 * spread)


def test_two_classes_agree_with_logistic_regression():
    z, y = draw(500, 2, 3, 2.0)
    fitted = TemperatureCalibrator(class_balanced=False).fit(z, y)
    slope = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10).fit(z[:, 1:] - z[:, :1], y).coef_[0, 0]
    assert 1 / fitted.temperature == pytest.approx(slope, rel=1e-4)


def test_separable_logits_claim_no_more_than_the_rule_of_succession():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 10)
    z = 30 * np.eye(4)[y] + rng.normal(size=(40, 4))
    fitted = TemperatureCalibrator().fit(z, y)
    assert fitted.at_bound
    error = 1 - np.exp(fitted.transform(z)).max(axis=1)
    assert (error.sum() - error.max()) / 40 == pytest.approx(1 / 42)
    free = TemperatureCalibrator(least_error=0.0).fit(z, y)
    assert free.at_bound
    assert 0 < free.temperature < fitted.temperature
    assert np.isfinite(free.transform(z)).all()
    biased = BiasCorrectedTemperature().fit(z, y)
    assert biased.at_bound
    assert np.abs(biased.bias).max() < 0.5


def test_one_near_tie_does_not_license_certainty():
    y = np.repeat([0, 1], 30)
    z = np.column_stack([np.where(y == 0, 10.0, -10.0), np.zeros(60)])
    z[0, 0] = 1e-4
    probs = np.exp(TemperatureCalibrator().fit(z, y).transform(z))
    assert np.median(1 - probs.max(axis=1)) > 0.01


def test_logits_that_point_away_from_the_truth_give_uniform_probabilities():
    y = np.repeat([0, 1, 2], 20)
    fitted = TemperatureCalibrator().fit(-10 * np.eye(3)[y], y)
    assert fitted.at_bound
    np.testing.assert_allclose(np.exp(fitted.transform(-10 * np.eye(3))), 1 / 3, atol=1e-3)


def test_biases_have_zero_gradient():
    z, y = draw(400, 6, 4, 2.0, bias=np.linspace(-1, 1, 6))
    fitted = BiasCorrectedTemperature(class_balanced=False, ridge=2.0).fit(z, y)
    excess = (np.exp(fitted.transform(z)) - np.eye(6)[y]) / 400
    np.testing.assert_allclose(excess.sum(axis=0) + 2.0 / 400 * fitted.bias, 0, atol=1e-6)
    assert abs((excess * z).sum()) < 1e-5
    assert fitted.bias.sum() == pytest.approx(0, abs=1e-5)


def test_biases_find_the_truth_with_many_images_and_shrink_with_few():
    bias = np.array([1.5, -0.5, 0.0, -1.0])
    z, y = draw(8000, 4, 5, 3.0, bias)
    many = BiasCorrectedTemperature(class_balanced=False).fit(z, y)
    np.testing.assert_allclose(many.bias, bias - bias.mean(), atol=0.15)
    assert many.temperature == pytest.approx(3.0, rel=0.06)
    few = BiasCorrectedTemperature(class_balanced=False, ridge=100.0).fit(z[:20], y[:20])
    assert np.abs(few.bias).max() < 0.2


def test_class_balance_undoes_the_mix_of_references():
    # Logits of a uniform prior, but class 0 was collected nine times as often: nothing to correct.
    rng = np.random.default_rng(6)
    z = rng.normal(size=(60_000, 3)) * 1.5
    p = softmax(z, axis=1)
    y = (p.cumsum(axis=1) > rng.random((len(z), 1))).argmax(axis=1)
    keep = (y == 0) | (rng.random(len(z)) < 1 / 9)
    balanced = BiasCorrectedTemperature().fit(z[keep], y[keep])
    np.testing.assert_allclose(balanced.bias, 0, atol=0.1)
    raw = BiasCorrectedTemperature(class_balanced=False).fit(z[keep], y[keep])
    assert raw.bias[0] - raw.bias[1] == pytest.approx(np.log(9), abs=0.2)


@pytest.mark.parametrize("cls", BOTH)
def test_one_image_per_class(cls):
    z = np.array([[2.0, 1.0, 0.0], [0.5, 1.0, 0.0], [1.0, 0.0, 0.2]])
    log_p = cls().fit(z, [0, 1, 2]).transform(z)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1)


@pytest.mark.parametrize("cls", BOTH)
def test_constant_logits(cls):
    fitted = cls(class_balanced=False).fit(np.full((30, 2), 7.0), np.repeat([0, 1], [20, 10]))
    assert fitted.temperature == 1.0
    p = np.exp(fitted.transform([[7.0, 7.0]]))[0]
    expected = 0.5 if cls is TemperatureCalibrator else 0.65
    assert p[0] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("cls", BOTH)
def test_a_class_without_images_is_not_held_against_it(cls):
    z, y = draw(60, 4, 7)
    fitted = cls().fit(z[y != 3], y[y != 3])
    assert fitted.bias[3] == 0.0
    assert np.isfinite(fitted.transform(z)).all()


@pytest.mark.parametrize("cls", BOTH)
def test_zero_weight_is_absence(cls):
    z, y = draw(80, 3, 8)
    w = np.ones(80)
    w[::4] = 0
    a = cls().fit(z, y, w)
    b = cls().fit(z[w > 0], y[w > 0])
    assert a.n == b.n == 60
    np.testing.assert_allclose(a.transform(z), b.transform(z), rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize(
    ("z", "y", "error", "words"),
    [
        (np.zeros((3, 1)), [0, 0, 0], NotEnoughDataError, "two classes"),
        (np.zeros((3, 2)), [1, 1, 1], NotEnoughDataError, "two classes"),
        (np.zeros((0, 2)), [], NotEnoughDataError, "two classes"),
        ([[0, np.nan], [0, 1]], [0, 1], ValueError, "1 of 2 images are NaN"),
        ([[0, -np.inf], [0, 1]], [0, 1], ValueError, "infinite"),
        (np.zeros(3), [0, 1, 0], ValueError, "matrix"),
        (np.zeros((2, 2)), [0, 2], ValueError, "0..1"),
        (np.zeros((2, 2)), [-1, 0], ValueError, "0..1"),
        (np.zeros((2, 2)), [0.0, 1.0], ValueError, "integers"),
        (np.zeros((2, 2)), [0], ValueError, "one class index per image"),
    ],
)
def test_bad_input(cls, z, y, error, words):
    with pytest.raises(error, match=words):
        cls().fit(z, y)


@pytest.mark.parametrize("cls", BOTH)
def test_bad_use(cls):
    with pytest.raises(ValueError, match="call fit first"):
        cls().transform([[0.0, 1.0]])
    with pytest.raises(ValueError, match="call fit first"):
        cls().to_dict()
    fitted = cls().fit([[0.0, 1.0], [2.0, 1.0]], [1, 0])
    with pytest.raises(ValueError, match="3 classes"):
        fitted.transform([[0.0, 1.0, 2.0]])
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform([[0.0, np.nan]])
    for weights, words in (([1.0], "one entry"), ([1.0, -1.0], "negative"), ([np.nan, 1.0], "finite")):
        with pytest.raises(ValueError, match=words):
            cls().fit([[0.0, 1.0], [2.0, 1.0]], [1, 0], weights)
    with pytest.raises(ValueError, match="least_error"):
        cls(least_error=0.7)
    assert fitted.transform(np.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(ValueError, match="ridge"):
        BiasCorrectedTemperature(ridge=0.0)


@pytest.mark.parametrize("cls", BOTH)
def test_storage_round_trip(cls):
    z, y = draw(50, 3, 9)
    fitted: LogitCalibrator = cls().fit(z, y)
    state = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    again = cls.from_dict(state)
    assert again.to_dict() == fitted.to_dict()
    np.testing.assert_array_equal(again.transform(z), fitted.transform(z))
    wrong = [{"doubt": x} for x in (-0.01, MOST_DOUBT + 0.01, float("nan"))]
    for damage in ({"temperature": -1.0}, {"bias": [0.0]}, *wrong):
        with pytest.raises(ValueError, match="damaged"):
            cls.from_dict({**state, **damage})


@pytest.mark.parametrize("cls", BOTH)
def test_sharpening_multiplies_the_temperature_and_nothing_else(cls):
    z, y = draw(80, 3, 13, 2.0, bias=np.array([0.5, 0.0, -0.5]))
    fitted = cls(class_balanced=False).fit(z, y)
    before = fitted.to_dict()
    sharper = fitted.sharpened(0.8)
    assert fitted.to_dict() == before
    assert sharper.to_dict() == {**before, "temperature": pytest.approx(0.8 * fitted.temperature)}
    expected = log_softmax(z / (0.8 * fitted.temperature) + fitted.bias, axis=1)
    np.testing.assert_allclose(sharper.transform(z), expected, atol=1e-12)
    for factor in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="multiplied"):
            fitted.sharpened(factor)
    with pytest.raises(ValueError, match="call fit first"):
        cls().sharpened(0.8)


@pytest.mark.parametrize("cls", BOTH)
def test_without_a_share_of_doubt_nothing_is_doubted(cls):
    z, y = draw(50, 3, 14)
    fitted = cls().fit(z, y)
    assert fitted.doubt == fitted.to_dict()["doubt"] == 0.0
    np.testing.assert_array_equal(fitted.undoubted(z), fitted.transform(z))
    np.testing.assert_array_equal(fitted.doubted([[0.0, -np.inf]]), [[0.0, -np.inf]])


@pytest.mark.parametrize("cls", BOTH)
def test_any_calibrator_may_be_doubted_and_remembers_it(cls):
    z, y = draw(50, 3, 14)
    fitted = cls().fit(z, y)
    plain = fitted.transform(z)
    fitted.doubt = 0.3
    np.testing.assert_allclose(np.exp(fitted.transform(z)), 0.7 * np.exp(plain) + 0.1)
    np.testing.assert_array_equal(fitted.undoubted(z), plain)
    again = cls.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again.doubt == fitted.sharpened(0.5).doubt == 0.3
    np.testing.assert_array_equal(again.transform(z), fitted.transform(z))


@given(st.integers(2, 9), st.integers(2, 60), st.booleans(), st.integers(0, 20))
def test_the_least_doubt_is_as_often_wrong_as_the_rule_of_succession(k, n, balanced, seed):
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, k, n - 2)])
    w = rng.random(n) + 0.01
    problem = CalibrationProblem.of(rng.normal(size=(n, k)), y, w, balanced, None)
    if balanced:
        w = w / np.bincount(y, w)[y]
    effective = w.sum() ** 2 / (w**2).sum()
    assert problem.n_effective == pytest.approx(effective)
    wrong = problem.least_doubt * (k - 1) / k
    assert problem.least_doubt <= MOST_DOUBT
    if problem.least_doubt < MOST_DOUBT:
        assert wrong == pytest.approx(1 / (effective + 2))
    else:
        assert wrong <= 1 / (effective + 2) * (1 + 1e-9)
