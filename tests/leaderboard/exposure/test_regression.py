from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.exposure import PromptFeatures, explain_exposure
from morelli.leaderboard.exposure.regression import RIDGE


def features(values: np.ndarray, names: tuple[str, ...] = ()) -> PromptFeatures:
    names = names or ("words", *(f"f{i}" for i in range(1, values.shape[1])))
    return PromptFeatures(np.arange(len(values)), names, tuple(f"has {n}" for n in names), values, ())


def drawn(n: int, slopes: tuple[float, ...], seed: int = 0, trials: int = 30) -> tuple[PromptFeatures, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.column_stack(
        [rng.uniform(1, 5, n), *((rng.random(n) < 0.4).astype(float) for _ in range(len(slopes) - 1))]
    )
    p = 1 / (1 + np.exp(-(values - values.mean(axis=0)) @ np.array(slopes) - 0.5))
    return features(values), rng.binomial(trials, p) / trials


def test_is_the_penalised_fit_of_scikit_learn():
    """Fractional outcomes are weighted pairs of a hit and a miss."""
    given, y = drawn(60, (0.3, 1.0, -0.5))
    X = (given.values - given.values.mean(axis=0)) / given.values.std(axis=0)
    fit = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=10_000)
    fit.fit(np.vstack([X, X]), np.repeat([1, 0], 60), sample_weight=np.concatenate([y, 1 - y]))
    linear = X @ fit.coef_[0] + fit.intercept_[0]
    slope = fit.coef_[0, 1] / given.values[:, 1].std()
    without = linear - slope * given.values[:, 1]
    expected = np.mean(1 / (1 + np.exp(-without - slope)) - 1 / (1 + np.exp(-without)))
    found = explain_exposure(given, y, n_boot=50)
    assert found.effects[1].difference == pytest.approx(expected, abs=1e-4)
    predicted = 1 / (1 + np.exp(-linear))
    assert found.r2 == pytest.approx(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum(), abs=1e-4)


def test_held_out_is_leave_one_out():
    given, y = drawn(25, (0.5, 1.0), seed=2)
    errors, base = [], []
    for i in range(25):
        rest = np.arange(25) != i
        X = (given.values - given.values.mean(axis=0)) / given.values.std(axis=0)
        fit = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=10_000)
        fit.fit(np.vstack([X[rest]] * 2), np.repeat([1, 0], 24), sample_weight=np.concatenate([y[rest], 1 - y[rest]]))
        errors.append(y[i] - fit.predict_proba(X[[i]])[0, 1])
        base.append(y[i] - y[rest].mean())
    expected = 1 - np.square(errors).sum() / np.square(base).sum()
    assert explain_exposure(given, y, n_boot=20).r2_held_out == pytest.approx(expected, abs=1e-4)


def test_planted_effects_are_found():
    given, y = drawn(120, (0.4, 1.2, 0.0))
    found = explain_exposure(given, y, n_boot=500)
    words, strong, none = found.effects
    assert words.interval[0] > 0.05 and words.q < 0.05 and words.prompts is None
    assert strong.interval[0] < strong.difference < strong.interval[1] and strong.interval[0] > 0.15
    assert none.interval[0] < 0 < none.interval[1] and none.q > 0.05
    assert strong.prompts == int(given.values[:, 1].sum())
    assert found.r2 > found.r2_held_out > 0.5


def test_features_that_say_nothing():
    """As often as it should, the interval includes zero; and held out, there is nothing."""
    outside, r2 = [], []
    for seed in range(40):
        given, y = drawn(40, (0.0, 0.0, 0.0, 0.0), seed=seed)
        found = explain_exposure(given, y, n_boot=200, seed=seed)
        outside += [effect.interval[0] > 0 or effect.interval[1] < 0 for effect in found.effects]
        r2.append(found.r2_held_out)
    assert np.mean(outside) < 0.15
    assert np.mean(r2) < 0.0


def test_separation_stays_finite():
    values = np.column_stack([np.arange(20.0), np.repeat([0.0, 1.0], 10)])
    found = explain_exposure(features(values), np.repeat([0.0, 1.0], 10), n_boot=100)
    numbers = [x for e in found.effects for x in (e.difference, *e.interval, e.p, e.q)]
    assert np.isfinite(numbers).all() and found.effects[1].difference > 0.3


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_constant_exposure(value):
    given, y = drawn(20, (0.1, 0.1))
    found = explain_exposure(given, np.full_like(y, value), n_boot=50)
    assert np.isnan(found.r2_held_out) and np.isnan(found.r2)
    assert all(abs(effect.difference) < 1e-3 for effect in found.effects)


def test_p_is_corrected_for_the_number_of_features():
    given, y = drawn(60, (0.2, 0.6, 0.0, 0.0, 0.1))
    found = explain_exposure(given, y, n_boot=300)
    assert all(effect.q >= effect.p > 0 for effect in found.effects)
    assert any(effect.q > effect.p for effect in found.effects)


def test_unknown_exposure_is_left_out_and_said_to_be():
    given, y = drawn(20, (0.1, 0.1))
    y[3] = np.nan
    found = explain_exposure(given, y, n_boot=20)
    assert found.prompts == 19 and "1 prompts" in found.notes[-1]


def test_too_little():
    given, y = drawn(7, (0.1, 0.1))
    with pytest.raises(NotEnoughDataError, match="there are 7"):
        explain_exposure(given, y)
    with pytest.raises(NotEnoughDataError):
        explain_exposure(features(np.ones((20, 2))), np.linspace(0, 1, 20))
    with pytest.raises(NotEnoughDataError):
        explain_exposure(PromptFeatures(np.zeros(0, int), (), (), np.zeros((0, 0)), ()), [0.5, 0.5])
    with pytest.raises(MorelliError, match="share"):
        explain_exposure(features(np.arange(20.0).reshape(10, 2)), np.linspace(0, 1.5, 10))
