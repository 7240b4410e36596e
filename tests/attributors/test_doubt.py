from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logit, softmax

import morelli.attributors.doubt as module
from morelli.attributors.calibration import (
    MOST_DOUBT,
    BiasCorrectedTemperature,
    CalibrationProblem,
    TemperatureCalibrator,
)
from morelli.attributors.doubt import DoubtedBiases, DoubtedTemperature, _loss, best_temperature
from morelli.errors import NotEnoughDataError

BOTH = [DoubtedTemperature, DoubtedBiases]


def draw(n, k, seed, temperature=1.0, doubt=0.0, spread=4.0, bias=0.0):
    """Labels drawn from softmax(z / temperature + bias), but for a share of them from all classes alike."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * spread * temperature
    y = (softmax(z / temperature + bias, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    lost = rng.random(n) < doubt
    y[lost] = rng.integers(0, k, lost.sum())
    return z, y


def nll(z, y, temperature, doubt, bias=0.0, balanced=True):
    """Mean negative log-likelihood, from the definition."""
    p = (1 - doubt) * softmax(z / temperature + bias, axis=1) + doubt / z.shape[1]
    w = 1 / np.bincount(y)[y] if balanced else np.ones(len(y))
    return -(w @ np.log(p[np.arange(len(y)), y])) / w.sum()


def least_doubt(n, k):
    """The doubt at which an answer is wrong with probability 1 / (n + 2): a k-th of it falls on the right class."""
    return min(0.5, 1 / (n + 2) / (1 - 1 / k))


@pytest.mark.parametrize(("temperature", "doubt"), [(0.25, 0.05), (1.0, 0.2), (6.0, 0.4)])
def test_finds_the_truth(temperature, doubt):
    z, y = draw(8000, 6, 0, temperature, doubt)
    fitted = DoubtedTemperature().fit(z, y)
    assert fitted.temperature == pytest.approx(temperature, rel=0.1)
    assert fitted.doubt == pytest.approx(doubt, abs=0.02)
    assert not fitted.at_bound
    assert TemperatureCalibrator().fit(z, y).temperature > 1.3 * temperature  # one number has to serve two ends
    assert fitted.nll == pytest.approx(nll(z, y, fitted.temperature, fitted.doubt))
    assert fitted.nll_before == pytest.approx(nll(z, y, 1.0, 0.0))


def test_where_no_answer_is_worth_nothing_there_is_little_doubt():
    z, y = draw(4000, 5, 1, 2.0)
    fitted = DoubtedTemperature().fit(z, y)
    assert fitted.doubt < 0.01
    assert fitted.temperature == pytest.approx(2.0, rel=0.06)


def with_wild_images(n, k, seed):
    """Some images whose logits are a hundred times the others', and mean nothing."""
    z, y = draw(n, k, seed)
    z[: n // 30], y[: n // 30] = 100 * z[: n // 30], np.arange(n // 30) % k
    return z, y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "data",
    [
        lambda seed: draw(100, 4, seed, 2.0, 0.1),
        lambda seed: draw(60, 3, seed, 1.0, 0.0),
        lambda seed: draw(40, 2, seed, 1.0, 0.4),
        lambda seed: draw(150, 8, seed, 0.5, 0.5, spread=20.0),
        lambda seed: with_wild_images(120, 4, seed),
    ],
)
def test_no_temperature_and_doubt_are_better(data, seed):
    z, y = data(seed)
    fitted = DoubtedTemperature().fit(z, y)
    problem = CalibrationProblem.of(z, y, None, True, None)
    least = least_doubt(problem.n_effective, z.shape[1])
    betas = np.geomspace(problem.highest / 1e4, problem.highest, 50)
    grid = [nll(z, y, problem.scale / beta, doubt) for beta in betas for doubt in np.geomspace(least, MOST_DOUBT, 20)]
    assert fitted.nll <= min(grid) + 1e-7
    assert fitted.nll == pytest.approx(nll(z, y, fitted.temperature, fitted.doubt))
    assert least * (1 - 1e-12) <= fitted.doubt <= MOST_DOUBT
    assert fitted.temperature >= problem.scale / problem.highest * (1 - 1e-12)


def test_a_few_wild_images_do_not_make_everything_uncertain():
    z, y = with_wild_images(1200, 4, 0)
    tame = DoubtedTemperature().fit(z[40:], y[40:])
    fitted = DoubtedTemperature().fit(z, y)
    assert fitted.temperature == pytest.approx(tame.temperature, rel=0.3)
    assert 0.01 < fitted.doubt < 0.08
    assert TemperatureCalibrator().fit(z, y).temperature > 10 * tame.temperature


@pytest.mark.parametrize(("beta", "doubt"), [(0.01, 0.3), (2.0, 0.01), (9.0, 0.5), (300.0, 0.004)])
def test_gradient(beta, doubt):
    z, y = draw(30, 5, 2)
    problem = CalibrationProblem.of(z, y, np.random.default_rng(0).random(30), True, None)

    def at(theta):
        return _loss(problem, np.exp(theta[0]), 1 / (1 + np.exp(-theta[1])), theta[2:])[0]

    here, h = np.array([np.log(beta), np.log(doubt / (1 - doubt)), *np.zeros(5)]), 1e-5
    numeric = [(at(here + step) - at(here - step)) / (2 * h) for step in h * np.eye(7)]
    value, gradient = _loss(problem, beta, doubt)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)
    p = (1 - doubt) * softmax(beta * problem.z, axis=1) + doubt / 5
    assert value == pytest.approx(-problem.weights @ np.log(p[np.arange(30), y]))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("k", [2, 3, 12])
@pytest.mark.parametrize("n", [2, 10, 60])
def test_answers_that_were_all_right_follow_the_rule_of_succession(cls, k, n):
    y = np.repeat(np.arange(k), n)
    z = 30 * np.eye(k)[y] + np.random.default_rng(0).normal(size=(k * n, k))
    fitted = cls().fit(z, y)
    assert fitted.at_bound
    # However much surer a new answer is than all that were seen, its doubt stays.
    sure = np.exp(fitted.transform([1e6 * np.eye(k)[0]]))[0]
    assert 1 - sure[0] == pytest.approx(1 / (k * n + 2), rel=1e-9)
    np.testing.assert_allclose(sure[1:], 1 / (k * n + 2) / (k - 1), rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
def test_effective_images_count_for_the_least_doubt(cls):
    y = np.repeat([0, 1], [90, 10])
    z = 30 * np.eye(2)[y] + np.random.default_rng(0).normal(size=(100, 2))
    # Kish: each class has half the weight, so n = 1 / (90 (1/180)^2 + 10 (1/20)^2) = 36.
    assert cls().fit(z, y).doubt == pytest.approx(2 / 38)
    assert cls(class_balanced=False).fit(z, y).doubt == pytest.approx(2 / 102)


@pytest.mark.parametrize("cls", BOTH)
def test_two_images_support_no_less_than_the_most_doubt(cls):
    fitted = cls().fit([[9.0, 0.0], [0.0, 9.0]], [0, 1])
    assert fitted.doubt == MOST_DOUBT
    assert np.exp(fitted.transform([[1e6, 0.0]])).max() == pytest.approx(0.75)  # (2 + 1) / (2 + 2)
    # Fewer than two, by weight: the formula would give more.
    lopsided = cls(class_balanced=False).fit([[9.0, 0.0], [0.0, 9.0]], [0, 1], [1.0, 1e-3])
    assert lopsided.doubt == MOST_DOUBT


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(0, 50), st.integers(2, 5), st.sampled_from([1.0, 5.0]))
def test_temperature_scales_with_the_logits_and_ignores_row_constants(c, seed, k, spread):
    z, y = draw(40, k, seed, doubt=0.1, spread=spread)
    assume(len(np.unique(y)) > 1)
    once = DoubtedTemperature().fit(z, y)
    shifted = c * z + np.random.default_rng(seed).normal(size=(40, 1)) * c
    again = DoubtedTemperature().fit(shifted, y)
    # Not the parameters: where the two trade off against one another the loss is flat, and the probabilities agree.
    assert again.nll == pytest.approx(once.nll, abs=1e-7)
    np.testing.assert_allclose(np.exp(again.transform(shifted)), np.exp(once.transform(z)), atol=2e-3)


@pytest.mark.parametrize("cls", BOTH)
def test_a_class_without_images_is_not_held_against_it(cls):
    z, y = draw(200, 4, 7, doubt=0.1)
    fitted = cls().fit(z[y != 3], y[y != 3])
    assert (fitted.bias == 0).tolist() == ([True] * 4 if cls is DoubtedTemperature else [False] * 3 + [True])
    p = np.exp(fitted.transform(z))
    expected = (1 - fitted.doubt) * softmax(z / fitted.temperature + fitted.bias, axis=1) + fitted.doubt / 4
    np.testing.assert_allclose(p, expected, rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
def test_zero_weight_is_absence(cls):
    z, y = draw(80, 3, 8, doubt=0.1)
    w = np.ones(80)
    w[::4] = 0
    a, b = cls().fit(z, y, w), cls().fit(z[w > 0], y[w > 0])
    np.testing.assert_allclose(a.transform(z), b.transform(z), rtol=1e-9)


@pytest.mark.parametrize("cls", BOTH)
def test_constant_logits_say_nothing(cls):
    fitted = cls(class_balanced=False).fit(np.full((30, 4), 7.0), np.repeat([0, 1], [20, 10]))
    assert (fitted.temperature, fitted.at_bound) == (1.0, False)
    assert fitted.doubt == pytest.approx(4 / 3 / 32)
    np.testing.assert_array_equal(fitted.bias, 0)
    np.testing.assert_allclose(np.exp(fitted.transform([[7.0] * 4])), 0.25)
    assert fitted.nll == pytest.approx(np.log(4))


@pytest.mark.parametrize("cls", BOTH)
def test_logits_that_point_away_from_the_truth_give_uniform_probabilities(cls):
    y = np.repeat([0, 1, 2], 20)
    fitted = cls().fit(-10 * np.eye(3)[y], y)
    assert fitted.at_bound
    np.testing.assert_allclose(np.exp(fitted.transform(-10 * np.eye(3))), 1 / 3, atol=1e-3)
    json.dumps(fitted.to_dict(), allow_nan=False)


@given(
    st.floats(1e-6, MOST_DOUBT),
    st.lists(st.floats(-800, 800), min_size=2, max_size=7),
)
def test_doubt_is_spread_evenly(doubt, logits):
    calibrator = DoubtedTemperature()
    calibrator.doubt = doubt
    before = log_softmax(np.array([logits, logits[::-1]]), axis=1)
    after = np.exp(calibrator.doubted(before))
    k = len(logits)
    np.testing.assert_allclose(after.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(after, (1 - doubt) * np.exp(before) + doubt / k, rtol=1e-9)
    assert after.min() >= doubt / k * (1 - 1e-9)
    assert (np.diff(calibrator.doubted(np.sort(before, axis=1)), axis=1) >= 0).all()  # nobody overtakes anybody
    np.testing.assert_array_equal(calibrator.doubted(before[0]), calibrator.doubted(before)[0])


def test_what_is_ruled_out_is_doubted_too():
    calibrator = DoubtedTemperature()
    calibrator.doubt = 0.3
    np.testing.assert_allclose(np.exp(calibrator.doubted([[0.0, -np.inf, -np.inf]])), [[0.8, 0.1, 0.1]])


@pytest.mark.parametrize("cls", BOTH)
def test_doubt_comes_after_the_evidence(cls):
    z, y = draw(200, 4, 9, 2.0, 0.2)
    fitted = cls().fit(z, y)
    expected = log_softmax(z / fitted.temperature + fitted.bias, axis=1)
    np.testing.assert_allclose(fitted.undoubted(z), expected, atol=1e-12)
    np.testing.assert_array_equal(fitted.transform(z), fitted.doubted(fitted.undoubted(z)))
    sharper = fitted.sharpened(0.5)
    assert (sharper.doubt, sharper.temperature) == (fitted.doubt, 0.5 * fitted.temperature)
    np.testing.assert_array_equal(sharper.bias, fitted.bias)


@pytest.mark.parametrize("cls", BOTH)
def test_storage_round_trip(cls):
    for z, y in (draw(50, 3, 10, doubt=0.1), (30 * np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]))):
        fitted = cls().fit(z, y)
        state = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
        again = cls.from_dict(state)
        assert again.to_dict() == fitted.to_dict()
        np.testing.assert_array_equal(again.transform(z), fitted.transform(z))
        wrong = [{"doubt": x} for x in (-0.01, 0.0, 0.51, float("nan"))]
        for damage in ({"temperature": -1.0}, {"temperature": float("inf")}, {"bias": [0.0]}, *wrong):
            with pytest.raises(ValueError, match=f"{cls.name} calibrator is damaged"):
                cls.from_dict({**state, **damage})
        with pytest.raises(KeyError, match="doubt"):
            cls.from_dict({k: v for k, v in state.items() if k != "doubt"})


@pytest.mark.parametrize("cls", BOTH)
def test_bad_input(cls):
    with pytest.raises(NotEnoughDataError, match="two classes"):
        cls().fit(np.zeros((3, 2)), [1, 1, 1])
    with pytest.raises(ValueError, match="NaN"):
        cls().fit([[0.0, np.nan], [0.0, 1.0]], [0, 1])
    for call in (lambda c: c.transform([[0.0, 1.0]]), lambda c: c.to_dict(), lambda c: c.sharpened(0.5)):
        with pytest.raises(ValueError, match="call fit first"):
            call(cls())


# --- biases besides -----------------------------------------------------------------------------------------------


def test_biases_and_doubt_find_the_truth():
    bias = np.array([1.5, -0.5, 0.0, -1.0])
    z, y = draw(8000, 4, 11, 2.0, 0.15, bias=bias)
    fitted = DoubtedBiases(class_balanced=False).fit(z, y)
    np.testing.assert_allclose(fitted.bias, bias - bias.mean(), atol=0.15)
    assert fitted.temperature == pytest.approx(2.0, rel=0.1)
    assert fitted.doubt == pytest.approx(0.15, abs=0.02)
    assert not fitted.at_bound
    assert fitted.nll == pytest.approx(nll(z, y, fitted.temperature, fitted.doubt, fitted.bias, balanced=False))
    assert fitted.nll_before == pytest.approx(nll(z, y, 1.0, 0.0, balanced=False))
    assert fitted.nll < DoubtedTemperature(class_balanced=False).fit(z, y).nll - 0.01
    # Biases that know nothing of doubt are held back by what is worth nothing, as a temperature is.
    without = BiasCorrectedTemperature(class_balanced=False).fit(z, y)
    assert without.temperature > 1.2 * fitted.temperature
    assert np.ptp(without.bias) < np.ptp(fitted.bias)


def objective_of(monkeypatch, z, y, w=None, **settings):
    """What the search for biases minimises, over log(beta), logit(doubt) and the biases."""
    told = []
    real = module.minimize

    def spy(fun, x0, **kwargs):
        told.append((fun, kwargs["bounds"]))
        return real(fun, x0, **kwargs)

    monkeypatch.setattr(module, "minimize", spy)
    return DoubtedBiases(**settings).fit(z, y, w), *told[-1]


@pytest.mark.parametrize("ridge", [0.3, 5.0])
def test_gradient_with_biases(monkeypatch, ridge):
    z, y = draw(40, 4, 12, doubt=0.1)
    w = np.random.default_rng(0).random(40)
    _, objective, _ = objective_of(monkeypatch, z, y, w, ridge=ridge)
    problem = CalibrationProblem.of(z, y, w, True, None)
    rng = np.random.default_rng(1)
    for beta, doubt in ((0.01, 0.3), (2.0, 0.01), (9.0, 0.5), (100.0, 0.004)):
        here, h = np.concatenate(([np.log(beta), logit(doubt)], rng.normal(size=4))), 1e-5
        numeric = [(objective(here + step)[0] - objective(here - step)[0]) / (2 * h) for step in h * np.eye(6)]
        value, gradient = objective(here)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)
        p = (1 - doubt) * softmax(beta * problem.z + here[2:], axis=1) + doubt / 4
        penalty = ridge / (2 * problem.n_effective) * (here[2:] ** 2).sum()
        assert value == pytest.approx(-problem.weights @ np.log(p[np.arange(40), y]) + penalty)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "data",
    [
        lambda seed: draw(100, 4, seed, 2.0, 0.1, bias=np.array([1.0, 0.0, 0.0, -1.0])),
        lambda seed: draw(60, 3, seed, 1.0, 0.0),
        lambda seed: draw(40, 2, seed, 1.0, 0.4),
        lambda seed: draw(150, 8, seed, 0.5, 0.5, spread=20.0),
        lambda seed: with_wild_images(120, 4, seed),
    ],
)
def test_no_biases_nearby_are_better(data, seed, monkeypatch):
    z, y = data(seed)
    fitted, objective, bounds = objective_of(monkeypatch, z, y)
    problem = CalibrationProblem.of(z, y, None, True, None)
    low, high = (np.array(side, dtype=float) for side in zip(*bounds, strict=True))
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    found = np.concatenate(([np.log(problem.scale / fitted.temperature), logit(fitted.doubt)], fitted.bias))
    best, gradient = objective(found)
    # Downhill leads out of bounds only.
    inward = np.where(found <= low + 1e-9, np.minimum(gradient, 0), gradient)
    inward = np.where(found >= high - 1e-9, np.maximum(inward, 0), inward)
    np.testing.assert_allclose(inward, 0, atol=1e-4)
    rng = np.random.default_rng(seed)
    for size in (1e-3, 0.03, 0.3):
        for step in size * rng.normal(size=(60, len(found))):
            assert objective(np.clip(found + step, low, high))[0] >= best - 1e-8
    k = z.shape[1]
    assert best == pytest.approx(fitted.nll + (fitted.bias**2).sum() / (2 * problem.n_effective))
    assert fitted.nll == pytest.approx(nll(z, y, fitted.temperature, fitted.doubt, fitted.bias))
    assert least_doubt(problem.n_effective, k) * (1 - 1e-12) <= fitted.doubt <= MOST_DOUBT
    # Biases of zero were allowed, and the penalty on others is not negative.
    assert best <= DoubtedTemperature().fit(z, y).nll + 1e-9


def test_a_strong_ridge_leaves_the_temperature_and_the_doubt():
    z, y = draw(300, 4, 13, 2.0, 0.1, bias=np.array([1.0, 0.0, 0.0, -1.0]))
    plain = DoubtedTemperature().fit(z, y)
    held = DoubtedBiases(ridge=1e9).fit(z, y)
    np.testing.assert_allclose(held.bias, 0, atol=1e-6)
    assert held.temperature == pytest.approx(plain.temperature, rel=1e-3)
    assert held.doubt == pytest.approx(plain.doubt, abs=1e-3)
    norms = [np.linalg.norm(DoubtedBiases(ridge=ridge).fit(z, y).bias) for ridge in (0.1, 10.0, 1e3)]
    assert norms == sorted(norms, reverse=True)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(0, 50), st.integers(2, 5))
def test_biases_do_not_depend_on_the_unit_of_the_logits(c, seed, k):
    z, y = draw(60, k, seed, doubt=0.1)
    assume(len(np.unique(y)) > 1)
    once = DoubtedBiases().fit(z, y)
    shifted = c * z + np.random.default_rng(seed).normal(size=(60, 1)) * c
    again = DoubtedBiases().fit(shifted, y)
    assert again.nll == pytest.approx(once.nll, abs=1e-4)
    np.testing.assert_allclose(np.exp(again.transform(shifted)), np.exp(once.transform(z)), atol=2e-2)


def test_settings_of_the_ridge_are_stored_and_checked():
    z, y = draw(50, 3, 14, doubt=0.1)
    assert DoubtedBiases.from_dict(DoubtedBiases(ridge=3.0).fit(z, y).to_dict()).ridge == 3.0
    for ridge in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="ridge"):
            DoubtedBiases(ridge=ridge)


# --- the best temperature at a given doubt ------------------------------------------------------------------------


@pytest.mark.parametrize("doubt", [1e-9, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_no_temperature_is_better_at_a_given_doubt(doubt, seed):
    z, y = with_wild_images(120, 4, seed) if seed == 2 else draw(80, 3, seed, 2.0, 0.15)
    problem = CalibrationProblem.of(z, y, None, True, None)
    found = best_temperature(problem, doubt)
    low = problem.solve_temperature()[0] * np.exp(-3)
    grid = [nll(z, y, problem.scale / beta, doubt) for beta in np.geomspace(low, problem.highest, 400)]
    assert nll(z, y, found, doubt) <= min(grid) + 1e-6
    assert problem.scale / problem.highest * (1 - 1e-12) <= found <= problem.scale / low * (1 + 1e-12)


def test_the_best_temperature_is_that_of_the_calibrators():
    z, y = draw(500, 4, 15, 2.0, 0.1)
    problem = CalibrationProblem.of(z, y, None, True, None)
    fitted = DoubtedTemperature().fit(z, y)
    assert best_temperature(problem, fitted.doubt) == pytest.approx(fitted.temperature, rel=1e-3)
    assert best_temperature(problem, 1e-12) == pytest.approx(TemperatureCalibrator().fit(z, y).temperature, rel=1e-3)
    scaled = CalibrationProblem.of(7.0 * z, y, None, True, None)
    assert best_temperature(scaled, 0.1) == pytest.approx(7.0 * best_temperature(problem, 0.1), rel=1e-9)
    constant = CalibrationProblem.of(np.full((6, 2), 3.0), np.arange(6) % 2, None, True, None)
    assert best_temperature(constant, 0.1) == 1.0
