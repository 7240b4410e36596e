"""Rivals on vectors: closed forms, and the manners that all of them share."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from morelli.attributors.rivals import (
    Centroid,
    Fingerprint,
    GaussianNaive,
    Logistic,
    Neighbours,
    Perceptron,
    SpectrumDiscriminant,
)
from morelli.errors import NotEnoughDataError

BLOCKS = {"left": slice(0, 5), "right": slice(5, 12)}
RIVALS = [
    Centroid(),
    Centroid(standardise=False),
    Fingerprint(),
    GaussianNaive(BLOCKS),
    Logistic(),
    Neighbours(k=3),
    Perceptron(hidden=(32,)),
    SpectrumDiscriminant(),
]
each_rival = pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: repr(rival)[:40])


@each_rival
def test_manners(rival, references, unseen):
    fresh = clone(rival)
    assert fresh.get_params() == rival.get_params()
    assert not hasattr(fresh, "classes_")
    assert fresh.fit(references.X, references.y, groups=references.groups) is fresh
    assert fresh.classes_.tolist() == ["ada", "bob", "cyd"]
    assert fresh.n_features_in_ == 12
    proba = fresh.predict_proba(unseen.X)
    assert proba.shape == (48, 3)
    assert np.allclose(proba.sum(axis=1), 1)
    assert np.isfinite(fresh.predict_log_proba(unseen.X)).all()
    assert (fresh.predict(unseen.X) == fresh.classes_[proba.argmax(axis=1)]).all()
    assert (fresh.predict(unseen.X) == unseen.y).mean() > 0.8
    assert fresh.get_params() == rival.get_params(), "fitting changes no setting"


@each_rival
def test_same_again(rival, references, unseen):
    first, second = (clone(rival).fit(references.X, references.y, groups=references.groups) for _ in range(2))
    assert (first.predict_proba(unseen.X) == second.predict_proba(unseen.X)).all()


@each_rival
def test_what_is_refused(rival, references):
    with pytest.raises(NotEnoughDataError, match="one class"):
        clone(rival).fit(references.X[:16], references.y[:16])
    broken = references.X.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clone(rival).fit(broken, references.y)
    fitted = clone(rival).fit(references.X, references.y)
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict_proba(broken)
    with pytest.raises(ValueError, match="features"):
        fitted.predict_proba(references.X[:, :3])


@each_rival
def test_two_classes(rival, references):
    rows = references.y != "cyd"
    fitted = clone(rival).fit(references.X[rows], references.y[rows])
    assert fitted.predict_proba(references.X).shape == (48, 2)
    assert (fitted.predict(references.X[rows]) == references.y[rows]).mean() > 0.8


def test_centroid_by_hand(references, unseen):
    fitted = Centroid(temperature=0.2, standardise=False).fit(references.X, references.y)
    for row, log_proba in zip(unseen.X, fitted.predict_log_proba(unseen.X), strict=True):
        cosines = []
        for name in fitted.classes_:
            mine = [x / np.linalg.norm(x) for x in references.X[references.y == name]]
            centre = np.mean(mine, axis=0)
            cosines.append(row @ centre / np.linalg.norm(row) / np.linalg.norm(centre))
        expected = np.exp(np.array(cosines) / 0.2)
        assert np.allclose(np.exp(log_proba), expected / expected.sum())


def test_standardised_centroid_knows_no_units(references, unseen):
    units = np.logspace(-3, 3, 12)
    plain = Centroid().fit(references.X, references.y).predict_proba(unseen.X)
    scaled = Centroid().fit(references.X * units, references.y).predict_proba(unseen.X * units)
    assert np.allclose(plain, scaled)


def test_nearest_neighbour_by_hand(references, unseen):
    fitted = Neighbours(k=1, standardise=False).fit(references.X, references.y)
    units = references.X / np.linalg.norm(references.X, axis=1, keepdims=True)
    for row, answer in zip(unseen.X, fitted.predict(unseen.X), strict=True):
        assert answer == references.y[np.argmax(units @ row)]


def test_more_neighbours_than_references(references):
    fitted = Neighbours(k=1000).fit(references.X, references.y)
    assert (fitted.predict(references.X) == references.y).mean() > 0.9


def test_gaussian_naive_is_sklearns_with_one_family(references, unseen):
    ours = GaussianNaive(smoothing=1e-9).fit(references.X, references.y)
    theirs = GaussianNB(priors=np.full(3, 1 / 3)).fit(references.X, references.y)
    assert np.allclose(ours.predict_log_proba(unseen.X), theirs.predict_log_proba(unseen.X))


def test_gaussian_naive_adds_families(references, unseen):
    both = GaussianNaive(BLOCKS).fit(references.X, references.y).predict_log_proba(unseen.X)
    parts = sum(
        GaussianNaive(smoothing=0.01).fit(references.X[:, block], references.y).predict_log_proba(unseen.X[:, block])
        for block in BLOCKS.values()
    )
    assert np.allclose(np.diff(both), np.diff(parts))


def test_rotation_changes_no_logistic_regression(unseen):
    """With more features than references the fit goes through a rotation; the answer is that of the direct one."""
    rng = np.random.default_rng(3)
    X, y = np.hstack([unseen.X, rng.normal(size=(48, 100))]), unseen.y
    ours = Logistic(strengths=(0.01,)).fit(X[::2], y[::2])
    assert ours.rotation_ is not None
    scaler = StandardScaler().fit(X[::2])
    direct = LogisticRegression(C=0.01, tol=1e-8, max_iter=2000).fit(scaler.transform(X[::2]), y[::2])
    assert np.allclose(ours.predict_proba(X), direct.predict_proba(scaler.transform(X)), atol=2e-3)


def test_logistic_chooses_by_groups(references):
    """A feature that tells the prompt's class within a group must not be believed when prompts are held out."""
    rng = np.random.default_rng(4)
    y = np.repeat(["ada", "bob"], 30)
    groups = np.arange(60) // 3
    X = np.hstack([rng.normal(size=(60, 2)), 10 * np.eye(20)[groups]])
    leaky = Logistic(strengths=(0.001, 10.0)).fit(X, y)
    honest = Logistic(strengths=(0.001, 10.0)).fit(X, y, groups=groups)
    assert leaky.strength_ == 10.0
    assert honest.strength_ == 0.001


def test_planted_fingerprint():
    """A faint pattern under strong noise, the same in all images of a class, is found and recognised."""
    rng = np.random.default_rng(5)
    planted = rng.normal(size=(2, 4096))
    codes = np.repeat([0, 1], 40)
    X = (0.3 * planted[codes] + rng.normal(size=(80, 4096)) + 7.0).astype(np.float32)
    fitted = Fingerprint().fit(X[::2], codes[::2])
    for mine, truth in zip(fitted.fingerprints_, planted, strict=True):
        assert np.corrcoef(mine, truth)[0, 1] > 0.7
    assert (fitted.predict(X[1::2]) == codes[1::2]).all()
    row, mark = X[1].astype(np.float64), fitted.fingerprints_[0]
    assert fitted.correlation(X[1:2])[0, 0] == pytest.approx(np.corrcoef(row, mark)[0, 1], abs=1e-5)


def test_spectrum_discriminant_is_sklearns(references, unseen):
    ours = SpectrumDiscriminant().fit(references.X[:, :3], references.y)
    scaler = StandardScaler().fit(references.X[:, :3])
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    theirs.fit(scaler.transform(references.X[:, :3]), references.y)
    expected = theirs.predict_proba(scaler.transform(unseen.X[:, :3]))
    assert np.allclose(ours.predict_proba(unseen.X[:, :3]), expected)
