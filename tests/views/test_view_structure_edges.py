"""Canny's edges, the image without them, oriented gradients."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.views import parse_view
from morelli.views.structure_edges import canny


def grey(values):
    return np.repeat(np.asarray(values, dtype=np.uint8)[:, :, np.newaxis], 3, axis=2)


def step(column, shape=(40, 60), low=40, high=200):
    return grey(np.where(np.arange(shape[1]) < column, low, high) * np.ones(shape))


@pytest.mark.parametrize("column", [5, 30, 50])
@pytest.mark.parametrize("sigma", [0.0, 1.0, 1.4, 3.0])
def test_canny_finds_a_step_in_one_column(column, sigma):
    # The gradient is as long on either side of the step; the left pixel is the edge.
    expected = np.zeros((40, 60), dtype=bool)
    expected[:, column - 1] = True
    np.testing.assert_array_equal(canny(step(column), sigma, 8), expected)
    turned = np.ascontiguousarray(step(column).swapaxes(0, 1))
    np.testing.assert_array_equal(canny(turned, sigma, 8), expected.T)


def test_canny_is_white_on_black_and_sees_luma_alone():
    result = parse_view("canny")(step(30))
    assert set(np.unique(result)) == {0, 255} and (np.ptp(result, axis=2) == 0).all()
    assert not parse_view("canny")(grey(np.full((40, 60), 99))).any()


def test_canny_follows_a_circle():
    distance = np.hypot(*np.mgrid[-40:41, -40:41])
    edges = canny(grey(np.where(distance < 25, 220, 30)), 1.4, 8)
    assert np.abs(distance[edges] - 24.5).max() < 1.6
    angles = np.arctan2(*(part[edges] for part in np.mgrid[-40:41, -40:41]))
    assert len(np.unique(np.round(angles * 12 / np.pi))) >= 24  # all the way round
    assert 120 < edges.sum() < 200  # one pixel wide: the circumference is 154


@pytest.mark.parametrize("contrast", [20, 60])
def test_the_threshold_is_in_levels_per_pixel(contrast):
    # Unblurred, Sobel sees half a step on either side of it.
    pixels = step(30, low=100, high=100 + contrast)
    assert canny(pixels, 0, contrast / 2).any() and not canny(pixels, 0, contrast / 2 + 0.5).any()


def test_hysteresis_keeps_weak_edges_that_touch_strong_ones():
    rows = np.linspace(18, 60, 80)  # the step is weak above and strong below
    pixels = grey(np.where(np.arange(60) < 30, 100, 100 + rows[:, np.newaxis]))
    edges = canny(pixels, 0, 16)
    assert edges[1:-1, 29:31].any(axis=1).all()
    only_weak = grey(np.where(np.arange(60) < 30, 100, 100 + np.minimum(rows, 30)[:, np.newaxis]))
    assert not canny(only_weak, 0, 16).any()


def test_no_edges_leaves_areas_and_paints_edges_over():
    pixels = step(30)
    result = parse_view("no-edges")(pixels).astype(int)
    near = np.abs(np.arange(60) - 29) <= 2
    np.testing.assert_array_equal(result[:, ~near], pixels[:, ~near])
    jump = np.abs(np.diff(result[20, :, 0]))
    assert jump.max() < 100 < np.abs(np.diff(pixels[20, :, 0].astype(int))).max()
    flat = grey(np.full((20, 30), 50))
    np.testing.assert_array_equal(parse_view("no-edges")(flat), flat)


def test_no_edges_of_nothing_but_edges_is_the_mean():
    pixels = grey([[0, 255, 0]] * 3)
    assert canny(pixels, 0, 8).any()
    result = parse_view("no-edges:0")(pixels)
    assert (result == 85).all()


def test_no_edges_reaches_into_wide_painted_areas():
    rng = np.random.default_rng(1)
    pixels = grey(rng.integers(0, 256, (120, 120)))
    pixels[:, :4] = 100
    result = parse_view("no-edges:0.5,2")(pixels)
    assert result.shape == pixels.shape and result[:, 20:].std() < pixels[:, 20:].std()


@pytest.mark.parametrize("axis", [0, 1])
def test_hog_of_a_ramp_has_one_orientation(axis):
    ramp = np.arange(96) * 2 * np.ones((96, 1))
    result = parse_view("hog")(grey(ramp if axis == 1 else ramp.T))[..., 0]
    cells = result.reshape(6, 16, 6, 16).swapaxes(1, 2)
    # A line along the edges, which is across the gradient. Upwards it is one bin; a quarter turn lies between two.
    least, aside = (120, 3) if axis == 1 else (80, 4)
    for cell in cells.reshape(-1, 16, 16):
        lines = cell if axis == 1 else cell.T
        assert (lines[2:14, 7:9] > least).all()
        assert not lines[:, :aside].any() and not lines[:, -aside:].any()


def test_hog_of_flat_images_is_black_and_contrast_hardly_matters():
    assert not parse_view("hog:8")(grey(np.full((40, 40), 9))).any()
    results = [parse_view("hog:8")(step(30, low=100, high=100 + rise)).astype(int) for rise in (60, 150)]
    assert np.abs(results[0] - results[1]).max() < 60 and results[0].max() > 150


def test_hog_leaves_what_is_no_whole_cell_black(picture):
    result = parse_view("hog:30")(picture)
    assert result[:60, :90].any() and not result[60:].any() and not result[:, 90:].any()
