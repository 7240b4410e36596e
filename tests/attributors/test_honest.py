from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from morelli.attributors import OutOfFold, decide
from morelli.attributors.honest import WHOLE
from morelli.attributors.rivals import Centroid, Logistic
from morelli.errors import NotEnoughDataError


def cloud(seed: int, n: int, distance: float = 2.0, classes: int = 4):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(classes), n)
    X = rng.normal(size=(classes * n, 10)) + distance * np.eye(classes, 10)[codes]
    return X, np.array(["ada", "bob", "cyd", "dov"])[codes], np.tile(np.arange(n), classes)


@pytest.fixture(scope="module")
def fitted():
    return OutOfFold(LogisticRegression()).fit(*cloud(0, 60))


def test_manners():
    one = OutOfFold(Centroid(temperature=0.3), n_folds=4, level=0.8, random_state=2)
    other = clone(one)
    assert other.get_params()["estimator__temperature"] == 0.3
    assert (other.n_folds, other.level, other.random_state) == (4, 0.8, 2)
    other.fit(*cloud(0, 12))
    assert not hasattr(one.estimator, "classes_"), "the estimator given is not fitted"
    assert not hasattr(other.estimator, "classes_")
    assert other.classes_.tolist() == ["ada", "bob", "cyd", "dov"]
    assert other.training_.n_folds == 4


def test_answers(fitted):
    X, y, _ = cloud(1, 200)
    answers = fitted.answer(X)
    assert (answers.proba == fitted.predict_proba(X)).all()
    assert np.allclose(answers.proba.sum(axis=1), 1)
    assert (fitted.predict(X) == fitted.classes_[answers.proba.argmax(axis=1)]).all()
    held = answers.prediction_set[np.arange(len(y)), np.searchsorted(fitted.classes_, y)]
    assert 0.85 < held.mean() < 0.96, "sets keep what they promise"
    assert 0.02 < (answers.open_set_p <= 0.05).mean() < 0.09, "p-values of candidates' images are uniform"
    assert list(answers.evidence) == list(answers.family_proba) == list(fitted.weights_) == [WHOLE]
    assert np.allclose(answers.evidence[WHOLE].sum(axis=1), 0)
    assert np.allclose(fitted.without(answers, WHOLE), 0.25)
    assert set(decide(answers, 0.05)) <= {"attributed", "ambiguous", "unknown"}


def test_calibration(fitted):
    X, y, _ = cloud(2, 400)
    proba = fitted.predict_proba(X)
    confidence, right = proba.max(axis=1), fitted.predict(X) == y
    assert abs(confidence.mean() - right.mean()) < 0.04


def test_overconfident_estimators_are_calmed():
    """A temperature a hundred times too low is found and undone."""
    X, y, groups = cloud(3, 60)
    calm = OutOfFold(Centroid(temperature=0.1)).fit(X, y, groups).predict_proba(X)
    wild = OutOfFold(Centroid(temperature=0.001)).fit(X, y, groups).predict_proba(X)
    assert np.allclose(calm, wild, atol=1e-3)


def test_doubtful_images_have_small_p(fitted):
    X, _, _ = cloud(4, 100)
    between = np.zeros((50, 10))
    assert np.median(fitted.answer(between).open_set_p) < np.median(fitted.answer(X).open_set_p) - 0.2
    assert fitted.answer(between).open_set_p.min() >= fitted.smallest_p


def test_groups_are_held_out_whole():
    """A classifier that remembers its neighbours is not believed where prompts are told."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(20), 4)
    y = np.where(groups < 10, "ada", "bob")
    X = rng.normal(size=(20, 30))[groups] + 0.01 * rng.normal(size=(80, 30))
    nearest = KNeighborsClassifier(1)
    assert OutOfFold(nearest).fit(X, y).training_.accuracy > 0.95
    honest = OutOfFold(nearest).fit(X, y, groups)
    assert honest.training_.accuracy < 0.75
    assert honest.training_.leak_free
    assert not OutOfFold(nearest).fit(X, y).training_.leak_free


def test_impossible_classes_and_missing_ones():
    """Zero probabilities stay finite; a class with one group is held out image by image, and a note says so."""
    X, y, groups = cloud(6, 12)
    groups = np.where(y == "dov", 99, groups)
    fitted = OutOfFold(KNeighborsClassifier(3)).fit(X, y, groups)
    answers = fitted.answer(X)
    assert np.isfinite(answers.evidence[WHOLE]).all()
    assert "dov share one prompt" in fitted.training_.notes[0]


def test_groups_reach_estimators_that_ask_for_them(monkeypatch):
    seen = []
    real = Logistic.fit

    def fit(self, X, y, groups=None):
        seen.append(groups)
        return real(self, X, y, groups=groups)

    monkeypatch.setattr(Logistic, "fit", fit)
    X, y, groups = cloud(7, 8)
    OutOfFold(Logistic(strengths=(0.1,)), n_folds=2).fit(X, y, groups)
    assert len(seen) == 3
    assert all(part is not None for part in seen)
    assert len(seen[-1]) == len(y)


def test_deterministic():
    X, y, groups = cloud(8, 20)
    one, two = (OutOfFold(Centroid()).fit(X, y, groups).answer(X) for _ in range(2))
    assert (one.proba == two.proba).all()
    assert (one.open_set_p == two.open_set_p).all()


def test_float32_stays(monkeypatch):
    X, y, groups = cloud(9, 8)
    kinds = []
    real = Centroid.fit

    def fit(self, X, y, groups=None):
        kinds.append(X.dtype)
        return real(self, X, y)

    monkeypatch.setattr(Centroid, "fit", fit)
    OutOfFold(Centroid()).fit(X.astype(np.float32), y, groups)
    assert set(kinds) == {np.dtype(np.float32)}


def test_what_is_refused():
    X, y, groups = cloud(10, 6)
    with pytest.raises(NotEnoughDataError, match="one class"):
        OutOfFold(Centroid()).fit(X[:6], y[:6])
    with pytest.raises(NotEnoughDataError, match="at least 3 reference images"):
        OutOfFold(Centroid()).fit(X[:8], y[:8])
    with pytest.raises(ValueError, match="NaN"):
        OutOfFold(Centroid()).fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="groups has shape"):
        OutOfFold(Centroid()).fit(X, y, groups[:-1])
    with pytest.raises(ValueError, match="n_folds must be at least 2"):
        OutOfFold(Centroid(), n_folds=1).fit(X, y, groups)
    with pytest.raises(ValueError, match="continuous"):
        OutOfFold(Centroid()).fit(X, X[:, 0])
