from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, spearmanr

from morelli.attributors.prompts import Known, TwoLevel, fit_two_level

from .boards import draw


def known_of(drawn):
    names, codes = np.unique(drawn.y, return_inverse=True)
    return Known(drawn.X, codes, drawn.prompts, len(names))


def test_coordinates_have_seeds_of_variance_one():
    rng = np.random.default_rng(0)
    drawn = draw(200, 4, 6, 3, cell=0.5)
    mix = rng.normal(size=(3, 3))
    known = known_of(drawn._replace(X=drawn.X @ mix))
    model = fit_two_level(known)
    Z = model.coordinates(known.X)
    cell = known.prompts * 4 + known.codes
    residual = Z - np.stack([Z[cell == c].mean(axis=0) for c in range(cell.max() + 1)])[cell]
    assert np.allclose(residual.T @ residual / (len(Z) - cell.max() - 1), np.eye(3), atol=0.05)
    assert np.allclose(model.spread, 0.25, atol=0.05)


def test_variances_and_offsets_are_found():
    drawn = draw(400, 5, 4, 2, offset=2.0, cell=1.5, seed_spread=0.5)
    known = known_of(drawn)
    model = fit_two_level(known)
    assert np.allclose(model.spread, (1.5 / 0.5) ** 2, rtol=0.15)
    assert np.allclose(model.prompt_spread, (5.0 / 0.5) ** 2, rtol=0.25)
    assert np.allclose(model.offsets.sum(axis=0), 0, atol=1e-6)
    assert np.allclose(model.doubt, 1 / 400)


def test_offsets_do_not_hang_on_who_has_which_prompts():
    """Classes that miss prompts get the offset that they would have with all of them, not their prompts' mean."""
    drawn = draw(60, 3, 4, 2, prompt=50.0, offset=3.0, cell=0.01, seed_spread=0.1)
    missing = (drawn.y == "model 0") & (drawn.prompts < 40)
    whole, part = known_of(drawn), known_of(drawn).take(~missing)
    one, other = fit_two_level(whole), fit_two_level(part)
    for a, b in ((0, 1), (1, 2)):
        wanted = np.linalg.norm(one.offsets[a] - one.offsets[b])
        assert np.linalg.norm(other.offsets[a] - other.offsets[b]) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("n", [1, 3])
def test_the_likelihood_is_that_of_the_joint_gaussian(n):
    """With prompts' means of a known variance, all of it is one Gaussian, which scipy conditions by brute force."""
    rng = np.random.default_rng(1)
    spread, prompt_spread, offsets = np.array([0.7]), np.array([4.0]), np.array([[0.5], [-0.2], [-0.3]])
    model = TwoLevel(np.zeros(1), np.eye(1), offsets, spread, prompt_spread, np.zeros(3))
    codes = np.repeat(np.arange(3), n)
    references = rng.normal(size=(3 * n, 1)) + 2
    asked = rng.normal(size=(4, 1)) + 2
    known = Known(references, codes, np.zeros(3 * n, int), 3)
    found = model.log_likelihood(known, asked, np.zeros(4, int))["own"]
    mean = offsets[codes, 0]
    same = codes[:, None] == codes[None]
    joint = prompt_spread[0] + spread[0] * same + np.eye(3 * n)
    evidence = multivariate_normal(mean, joint).logpdf(references[:, 0])
    wanted = np.empty((4, 3))
    for k in range(3):
        more = np.append(codes, k)
        both = prompt_spread[0] + spread[0] * (more[:, None] == more[None]) + np.eye(3 * n + 1)
        law = multivariate_normal(offsets[more, 0], both)
        wanted[:, k] = [law.logpdf(np.append(references[:, 0], z)) - evidence for z in asked[:, 0]]
    found, wanted = found - found[:, :1], wanted - wanted[:, :1]
    assert np.allclose(found, wanted, atol=1e-8)


def test_more_features_than_images_are_no_other_model():
    """Within the span of the images nothing is lost: features that do not vary change no answer."""
    drawn = draw(6, 3, 3, 4)
    wide = np.concatenate([drawn.X, np.zeros((len(drawn.X), 200))], axis=1)
    known = known_of(drawn._replace(X=wide))
    model = fit_two_level(known)
    said = model.log_likelihood(known, known.X[:9], known.prompts[:9])
    assert np.isfinite(said["own"]).all() and np.isfinite(said["offset"]).all()
    assert model.basis.shape[1] <= len(known)


@pytest.mark.parametrize("each", [1, 2])
def test_one_image_each_and_copies(each):
    drawn = draw(5, 2, 1, 3)
    known = known_of(drawn)
    known = known.take(np.repeat(np.arange(len(known)), each))
    model = fit_two_level(known)
    said = model.log_likelihood(known, known.X, known.prompts)
    assert np.isfinite(said["own"]).all()
    assert (said["own"].argmax(axis=1) == known.codes).all()


def test_a_prompt_without_references_says_nothing():
    known = known_of(draw(5, 2, 3, 3))
    said = fit_two_level(known).log_likelihood(known, known.X[:2], np.array([99, 99]))
    assert not said["own"].any() and not said["offset"].any()


def test_references_count_the_more_the_more_there_are():
    model = TwoLevel(np.zeros(1), np.eye(1), np.zeros((2, 1)), np.array([1.0]), np.array([1e6]), np.zeros(2))
    gaps = []
    for n in (1, 2, 8, 32):
        codes = np.repeat([0, 1], n)
        known = Known(np.where(codes == 0, 1.0, -1.0)[:, None], codes, np.zeros(2 * n, int), 2)
        said = model.log_likelihood(known, np.array([[1.0]]), np.zeros(1, int))["own"][0]
        gaps.append(said[0] - said[1])
    assert spearmanr(gaps, range(4)).statistic == 1
    assert gaps[-1] == pytest.approx(2.0, rel=0.1)  # (1 + 1)^2 / 2, as if the cells were known


def test_fewer_images_than_features_that_are_all_alike():
    known = Known(np.ones((6, 20)), np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 1]), 2)
    said = fit_two_level(known).log_likelihood(known, known.X, known.prompts)
    assert all(np.isfinite(scores).all() and np.allclose(scores[:, 0], scores[:, 1]) for scores in said.values())
