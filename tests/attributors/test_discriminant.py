from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from morelli.attributors.discriminant import CLIP, Discriminant, _solve_low_rank, fit_discriminant


def clouds(seed: int, n: int, d: int, k: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes with a common, correlated covariance."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(k), n)
    mix = rng.normal(size=(d, d)) / np.sqrt(d) + np.eye(d)
    return apart * rng.normal(size=(k, d))[y] + rng.normal(size=(k * n, d)) @ mix, y


def differences(log_likelihood: np.ndarray) -> np.ndarray:
    return log_likelihood - log_likelihood.mean(axis=1, keepdims=True)


def test_two_classes_agree_with_fisher():
    X, y = clouds(0, 4000, 6, 2, 0.5)
    ours = fit_discriminant(X, y, 2, shrinkage=1e-9)
    lda = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    direction = ours.projection[:, 0] / ours.scale
    cosine = direction @ lda.coef_[0] / np.linalg.norm(direction) / np.linalg.norm(lda.coef_[0])
    assert abs(cosine) > 0.9995  # features are clipped, so that the covariances differ a little
    log_likelihood = ours.log_likelihood(X)
    margin = log_likelihood[:, 1] - log_likelihood[:, 0]
    assert np.corrcoef(margin, lda.decision_function(X))[0, 1] > 0.999
    np.testing.assert_allclose(np.std(margin), np.std(lda.decision_function(X)), rtol=0.02)


def test_several_classes_agree_with_fisher():
    X, y = clouds(1, 3000, 5, 4, 0.7)
    ours = differences(fit_discriminant(X, y, 4, shrinkage=1e-9).log_likelihood(X))
    theirs = differences(
        LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(4, 0.25)).fit(X, y).decision_function(X)
    )
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_coordinates_are_white_within_classes():
    X, y = clouds(2, 500, 8, 3, 1.0)
    fitted = fit_discriminant(X, y, 3, shrinkage=1e-9)
    coords = fitted.coordinates(X)
    assert coords.shape == (1500, 2)
    spread = coords - np.stack([coords[y == k].mean(axis=0) for k in range(3)])[y]
    np.testing.assert_allclose(spread.T @ spread / (len(y) - 3), np.eye(2), atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 30), (29, 30), (30, 30), (60, 30)])
def test_woodbury_is_the_primal_solution(shape):
    rng = np.random.default_rng(3)
    rows, right = rng.normal(size=shape), rng.normal(size=(shape[1], 4))
    primal = np.linalg.solve(rows.T @ rows + 0.1 * np.eye(shape[1]), right)
    np.testing.assert_allclose(_solve_low_rank(rows, 0.1, right), primal, rtol=1e-9, atol=1e-9)


def test_fewer_images_than_features_is_the_same_estimator(monkeypatch):
    X, y = clouds(4, 6, 40, 3, 1.0)
    woodbury = fit_discriminant(X, y, 3).log_likelihood(X)

    def primal(rows, ridge, right):
        return np.linalg.solve(rows.T @ rows + ridge * np.eye(rows.shape[1]), right)

    monkeypatch.setattr("morelli.attributors.discriminant._solve_low_rank", primal)
    np.testing.assert_allclose(fit_discriminant(X, y, 3).log_likelihood(X), woodbury, rtol=1e-6, atol=1e-6)


def test_absent_class_has_the_common_mean():
    X, y = clouds(5, 30, 4, 3, 2.0)
    four = fit_discriminant(X, np.where(y == 2, 3, y), 4)
    three = fit_discriminant(X, y, 3)
    np.testing.assert_array_equal(four.means[2], 0)
    np.testing.assert_allclose(four.log_likelihood(X)[:, 2], 0)
    present = four.log_likelihood(X)[:, [0, 1, 3]]
    np.testing.assert_allclose(differences(present), differences(three.log_likelihood(X)), rtol=1e-6, atol=1e-8)


def test_only_one_class_present_says_nothing():
    X = np.random.default_rng(6).normal(size=(5, 3))
    fitted = fit_discriminant(X, np.zeros(5, dtype=int), 2)
    np.testing.assert_array_equal(fitted.log_likelihood(X), 0)


def test_constant_features_are_ignored():
    X, y = clouds(7, 20, 5, 3, 1.5)
    plain = fit_discriminant(X, y, 3, shrinkage=1e-6)
    padded = np.insert(X, [0, 2, 5], [0.0, 0.1, -1e6], axis=1)
    fitted = fit_discriminant(padded, y, 3, shrinkage=1e-6 * 8 / 5)  # the same ridge, now spread over eight features
    assert np.isinf(fitted.scale).sum() == 3
    fitted.check(8, 3)
    np.testing.assert_allclose(fitted.log_likelihood(padded), plain.log_likelihood(X), rtol=1e-4, atol=1e-4)
    moved = padded.copy()
    moved[:, 0] = 1e6  # a feature that never varied in training may do so later
    np.testing.assert_allclose(fitted.log_likelihood(moved), fitted.log_likelihood(padded))
    assert np.isfinite(fit_discriminant(np.ones((6, 3)), np.repeat([0, 1], 3), 2).log_likelihood(np.ones((1, 3)))).all()


@pytest.mark.parametrize("n", [4, 60])  # fewer and more images than features
def test_units_and_order_of_features_do_not_matter(n):
    X, y = clouds(8, n, 20, 3, 1.0)
    rng = np.random.default_rng(0)
    within = rng.normal(size=(10, 20))
    plain = fit_discriminant(X, y, 3, within=within).log_likelihood(X)
    factor, shift = 10 ** rng.uniform(-3, 3, 20) * rng.choice([-1, 1], 20), 100 * rng.normal(size=20)
    other = X * factor + shift
    fitted = fit_discriminant(other, y, 3, within=within * factor)
    np.testing.assert_allclose(fitted.log_likelihood(other), plain, rtol=1e-5, atol=1e-5)
    order = rng.permutation(20)
    fitted = fit_discriminant(X[:, order], y, 3, within=within[:, order])
    np.testing.assert_allclose(fitted.log_likelihood(X[:, order]), plain, rtol=1e-6, atol=1e-6)


def test_classes_that_do_not_differ_are_shrunk_together():
    noise = np.random.default_rng(9).normal(size=(2000, 5))
    y = np.arange(2000) % 4
    spread = np.ptp(fit_discriminant(noise, y, 4).log_likelihood(noise), axis=1)
    far = noise + 2 * np.eye(4, 5)[y]
    apart = np.ptp(fit_discriminant(far, y, 4).log_likelihood(far), axis=1)
    assert np.median(spread) < 0.2 < 5 < np.median(apart)


def test_few_references_widen_the_predictive_density():
    X, y = clouds(10, 400, 6, 3, 1.0)
    many = fit_discriminant(X, y, 3)
    few = fit_discriminant(X[::40], y[::40], 3)
    assert (many.variance > 1).all() and (few.variance > 1).all()
    assert few.variance.max() > many.variance.max()
    np.testing.assert_allclose(many.variance, 1 + 1 / 400, rtol=1e-3)


def test_within_image_spread_helps_where_images_are_few():
    """The nuisance has far more directions than there are references; only the regions of images show them."""
    gains = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        d, k, nuisance = 120, 4, rng.normal(size=(30, 120))
        means = 0.7 * rng.normal(size=(k, d))

        def draw(n, rng=rng, nuisance=nuisance, means=means, d=d, k=k):
            y = np.repeat(np.arange(k), n)
            return means[y] + rng.normal(size=(k * n, 30)) @ nuisance + 0.3 * rng.normal(size=(k * n, d)), y

        (X, y), (new, truth) = draw(4), draw(100)
        within = rng.normal(size=(32, 30)) @ nuisance + 0.3 * rng.normal(size=(32, d))
        accuracy = [
            (fit_discriminant(X, y, k, within=rows).log_likelihood(new).argmax(axis=1) == truth).mean()
            for rows in (None, within)
        ]
        gains.append(accuracy[1] - accuracy[0])
    assert np.mean(gains) > 0.15, gains
    assert min(gains) > 0, gains


def test_only_the_shape_of_within_counts():
    X, y = clouds(11, 6, 30, 3, 1.0)
    within = np.random.default_rng(0).normal(size=(12, 30))
    reference = fit_discriminant(X, y, 3, within=within).log_likelihood(X)
    # 0.01 and not 100, because large values are clipped
    np.testing.assert_allclose(fit_discriminant(X, y, 3, within=0.01 * within).log_likelihood(X), reference, rtol=1e-6)
    plain = fit_discriminant(X, y, 3).log_likelihood(X)
    for nothing in (np.zeros((5, 30)), np.zeros((0, 30))):
        np.testing.assert_array_equal(fit_discriminant(X, y, 3, within=nothing).log_likelihood(X), plain)


def test_no_spread_at_all_gives_moderate_answers():
    """One image for each class (as in a fold of a tiny catalog): nobody knows how much images of a class differ."""
    X = np.random.default_rng(12).normal(size=(2, 50))
    for within in (None, np.ones((2, 50))):
        fitted = fit_discriminant(X, np.array([0, 1]), 2, within=within)
        fitted.check(50, 2)
        assert 0 < np.ptp(fitted.log_likelihood(X), axis=1).max() < 1000


def test_one_freak_feature_cannot_decide_alone():
    X, y = clouds(13, 50, 5, 2, 1.0)
    fitted = fit_discriminant(X, y, 2)
    freak = X[:1].copy()
    freak[0, 3] = fitted.centre[3] + CLIP * fitted.scale[3]
    more = freak.copy()
    more[0, 3] = 1e12
    np.testing.assert_allclose(fitted.log_likelihood(more), fitted.log_likelihood(freak))


def test_float32_features():
    X, y = clouds(14, 20, 8, 3, 1.0)
    single = fit_discriminant(X.astype(np.float32), y, 3)
    assert all(getattr(single, name).dtype == np.float64 for name in Discriminant.__dataclass_fields__)
    both = single.log_likelihood(X), fit_discriminant(X, y, 3).log_likelihood(X)
    np.testing.assert_allclose(*both, rtol=1e-3, atol=1e-3)


class TestCheck:
    fitted = fit_discriminant(*clouds(15, 10, 5, 3, 1.0), 3)

    def test_accepts_what_was_fitted(self):
        self.fitted.check(5, 3)

    @pytest.mark.parametrize(("features", "classes"), [(4, 3), (6, 3), (5, 2), (5, 4)])
    def test_refuses_other_sizes(self, features, classes):
        with pytest.raises(ValueError, match="instead of float64"):
            self.fitted.check(features, classes)

    @pytest.mark.parametrize("name", Discriminant.__dataclass_fields__)
    def test_refuses_other_arrays(self, name):
        array = getattr(self.fitted, name)
        spoilt = array.copy()
        spoilt.flat[0] = np.nan
        with pytest.raises(ValueError, match=f"{name} is not finite"):
            replace(self.fitted, **{name: spoilt}).check(5, 3)
        for other in (array.astype(np.float32), array.ravel()[:-1], array[None], np.array(1.0)):
            with pytest.raises(ValueError, match="instead of float64"):
                replace(self.fitted, **{name: other}).check(5, 3)

    @pytest.mark.parametrize("name", ["centre", "origin", "projection", "means", "variance"])
    def test_only_a_scale_may_be_infinite(self, name):
        spoilt = getattr(self.fitted, name).copy()
        spoilt.flat[-1] = np.inf
        with pytest.raises(ValueError, match=f"{name} is not finite"):
            replace(self.fitted, **{name: spoilt}).check(5, 3)

    @pytest.mark.parametrize("name", ["scale", "variance"])
    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_spread_is_positive(self, name, value):
        spoilt = getattr(self.fitted, name).copy()
        spoilt[0] = value
        with pytest.raises(ValueError, match=f"{name} is not positive"):
            replace(self.fitted, **{name: spoilt}).check(5, 3)
