"""Defences that make all images of a prompt alike."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.leaderboard.defence.pixels import match_colours, match_histograms, match_sharpness
from morelli.views import parse_view
from morelli.views._filters import gaussian

from ._leaderboard import MODELS, tinted

IMAGES = [tinted(1, seed, model) for seed in range(3) for model in MODELS]
OWNERS = np.tile(np.arange(3), 3)


def channels(images):
    return np.array([image.reshape(-1, 3).mean(axis=0) for image in images])


def test_colours_become_those_of_the_pool():
    made = match_colours(IMAGES, OWNERS)
    assert np.ptp(channels(IMAGES), axis=0).min() > 5
    np.testing.assert_allclose(channels(made), np.tile(channels(IMAGES).mean(axis=0), (9, 1)), atol=0.6)
    stds = [image.reshape(-1, 3).std(axis=0) for image in made]
    assert np.ptp(stds, axis=0).max() < 0.6


def test_a_model_with_many_images_does_not_set_the_target():
    dark, light = np.full((8, 8, 3), 40, dtype=np.uint8), np.full((8, 8, 3), 200, dtype=np.uint8)
    made = match_colours([dark, dark, dark, light], np.array([0, 0, 0, 1]))
    assert all((image == 120).all() for image in made)
    made = match_histograms([dark, dark, dark, light], np.array([0, 0, 0, 1]))
    assert np.ptp([image.mean() for image in made]) <= 1 and abs(made[0].mean() - 120) <= 1


def test_histograms_become_one_and_levels_keep_their_order():
    made = match_histograms(IMAGES, OWNERS)
    quantiles = np.array([np.quantile(image.reshape(-1, 3), [0.1, 0.3, 0.5, 0.7, 0.9], axis=0) for image in made])
    assert np.ptp(quantiles, axis=0).max() <= 3
    for before, after in zip(IMAGES, made, strict=True):
        order = np.argsort(before[:, :, 1].ravel(), kind="stable")
        assert (np.diff(after[:, :, 1].ravel()[order].astype(int)) >= 0).all()


def energy(pixels):
    return float(np.sqrt(np.mean((pixels - gaussian(pixels, 1.0)) ** 2)))


def test_sharpness_becomes_one():
    images = [parse_view(name)(tinted(2, 0, "blue")) for name in ("none", "blur:0.5", "sharpen:0.5")]
    made = match_sharpness(images, np.arange(3))
    before, after = ([energy(image) for image in of] for of in (images, made))
    assert max(after) / min(after) < 1.15 < 2 < max(before) / min(before)
    assert np.mean(after) == pytest.approx(np.exp(np.mean(np.log(before))), rel=0.1)


def test_flat_images_stay():
    flat = [np.full((12, 12, 3), level, dtype=np.uint8) for level in (30, 30)]
    for function in (match_colours, match_histograms, match_sharpness):
        for image in function(flat, np.array([0, 1])):
            assert (image == 30).all()
    mixed = match_sharpness([flat[0], tinted(0, 0, "blue")], np.array([0, 1]))
    assert (mixed[0] == 30).all()


def test_images_of_different_sizes_go_together():
    images = [tinted(0, 0, "blue"), tinted(0, 1, "amber")[:40, :70]]
    for function in (match_colours, match_histograms, match_sharpness):
        assert [image.shape for image in function(images, np.array([0, 1]))] == [(96, 96, 3), (40, 70, 3)]
