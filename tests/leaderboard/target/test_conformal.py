from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.board import Board
from morelli.leaderboard.target import ConformalTarget, measure_spread
from morelli.leaderboard.target.spread import distances_to_all


def board_of(X, prompt):
    return Board(X, np.zeros(len(X), int), prompt, ("target",), tuple(f"p{i}" for i in range(prompt.max() + 1)))


def by_definition(X, prompt, z, at, prior):
    """The p-value, image by image as it is written."""
    cells = [X[prompt == p] for p in range(prompt.max() + 1)]
    freedom = sum(max(len(c) - 1, 0) for c in cells)
    common = sum(((c - c.mean(axis=0)) ** 2).sum() for c in cells) / freedom

    def strangeness(image, references):
        k, mean = len(references), references.mean(axis=0)
        scale = (prior * common + ((references - mean) ** 2).sum()) / (prior + k - 1)
        return ((image - mean) ** 2).sum() / ((1 + 1 / k) * scale)

    t = strangeness(z, cells[at])
    shares = [
        np.mean([strangeness(c[i], np.delete(c, i, axis=0)) >= t - 1e-12 for i in range(len(c))])
        for q, c in enumerate(cells)
        if q != at and len(c) >= 2
    ]
    return (1 + sum(shares)) / (len(shares) + 1)


@pytest.mark.parametrize("prior", [0.5, 1.0, 4.0])
def test_p_values_are_as_defined(prior):
    rng = np.random.default_rng(0)
    prompt = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 2])
    X = rng.normal(size=(len(prompt), 3)).astype(np.float32) * np.exp(rng.normal(size=6))[prompt, None]
    X = X.astype(np.float32)
    board = board_of(X, prompt)
    spread = measure_spread(board, np.arange(len(board)))
    at = np.arange(6).repeat(4)
    z = rng.normal(size=(24, 3)).astype(np.float32)
    distances = distances_to_all(z, at, spread.centroids)[:, 0]
    found = ConformalTarget(spread, 0, prior).p_values(distances, at)
    expected = [by_definition(X.astype(float), prompt, z[i].astype(float), at[i], prior) for i in range(24)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


NOISES = {
    "gauss": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape),
    "one direction": lambda rng, shape: rng.normal(size=shape) * np.array([5.0, 1, 0.1, 0.1, 0.1, 0.1]),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("exact", [False, True])
def test_images_of_the_target_have_p_values_that_are_not_too_small(noise, k, exact):
    """P(p <= a) <= a, whatever images are like, also where prompts have scales of their own."""
    rng = np.random.default_rng(k)
    prompts, repeats = 15, 120
    found = []
    for _ in range(repeats):
        scale = np.exp(0.5 * rng.normal(size=prompts))
        X = (NOISES[noise](rng, (prompts, k + 1, 6)) * scale[:, None, None]).astype(np.float32)
        board = board_of(X[:, :k].reshape(-1, 6), np.repeat(np.arange(prompts), k))
        spread = measure_spread(board, np.arange(len(board)))
        at = np.arange(prompts)
        tested = measure_spread(board, np.flatnonzero(np.arange(len(board)) % k)) if exact else spread
        distances = distances_to_all(X[:, k], at, tested.centroids)[:, 0]
        found.append(ConformalTarget(spread, 0, tested=tested).p_values(distances, at))
    p = np.array(found)
    for level in (0.1, 0.2, 0.5, 0.8, 0.9) if exact else (0.1, 0.2, 0.5):
        shares = (p <= level).mean(axis=1)  # prompts of one repeat share their calibration
        error = shares.std() / np.sqrt(repeats)
        assert shares.mean() <= level + 3 * error
    # And not so cautious that they say nothing.
    assert (p <= 0.5).mean() > (0.42 if exact else 0.3)


def test_images_of_others_have_smaller_ones():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 3, 6)).astype(np.float32)
    board = board_of(X.reshape(-1, 6), np.repeat(np.arange(20), 3))
    spread = measure_spread(board, np.arange(60))
    at = np.arange(20)
    far = distances_to_all((rng.normal(size=(20, 6)) + 6).astype(np.float32), at, spread.centroids)[:, 0]
    np.testing.assert_allclose(ConformalTarget(spread, 0).p_values(far, at), 1 / 20)


def test_what_is_undefined_and_what_is_degenerate():
    prompt = np.array([0, 1, 2])
    one = measure_spread(board_of(np.eye(3), prompt), np.arange(3))
    assert np.isnan(ConformalTarget(one, 0).p_values(np.ones(3), prompt)).all()  # one reference each
    single = measure_spread(board_of(np.eye(3), np.zeros(3, int)), np.arange(3))
    assert np.isnan(ConformalTarget(single, 0).p_values(np.ones(1), np.zeros(1, int))).all()  # no other prompt
    # Identical images: another one is as usual as can be, and any other one as strange.
    equal = measure_spread(board_of(np.ones((6, 2)), np.repeat(np.arange(3), 2)), np.arange(6))
    p = ConformalTarget(equal, 0).p_values(np.array([0.0, 0.5]), np.array([0, 1]))
    np.testing.assert_allclose(p, [1.0, 1 / 3])
    with pytest.raises(MorelliError, match="more than 0"):
        ConformalTarget(equal, 0, 0.0)
