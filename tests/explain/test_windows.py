from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morelli.errors import MorelliError
from morelli.explain._windows import MAX_WINDOWS, Axis, Windows, lay_windows

SIDES = st.integers(64, 4000)


@st.composite
def layouts(draw: st.DrawFn) -> Windows:
    return lay_windows(draw(SIDES), draw(SIDES))


@given(layouts())
@settings(max_examples=200)
def test_windows_lie_in_the_image_on_the_codecs_grid(windows):
    height, width = windows.size
    assert min(height, width) >= 64
    corners = list(windows.corners())
    assert len(corners) == len(windows) == len(set(corners)) <= MAX_WINDOWS
    for top, left in corners:
        assert top % 16 == 0 and left % 16 == 0
        assert 0 <= top <= windows.height - height and 0 <= left <= windows.width - width
    grid = windows.grid
    left, top, right, bottom = grid.box
    assert 0 <= left < right <= grid.width and 0 <= top < bottom <= grid.height
    assert grid.width - (right - left) < max(grid.cell_width, 1) and grid.height - (bottom - top) < grid.cell_height


@given(layouts(), st.floats(-1e6, 1e6))
def test_equal_votes_give_a_flat_map(windows, value):
    cells = windows.average(np.full(len(windows), value))
    assert cells.shape == (windows.grid.rows, windows.grid.columns)
    np.testing.assert_allclose(cells, value, rtol=1e-12)


@given(st.data())
def test_votes_are_neither_lost_nor_made(data):
    windows = data.draw(layouts())
    votes = data.draw(arrays(np.float64, len(windows), elements=st.floats(-1e3, 1e3)))
    covered = np.rint(windows.average(np.ones(len(windows)))).astype(int)
    assert (covered == 1).all()
    # How many windows cover a cell, counted one by one.
    count = np.zeros((windows.grid.rows, windows.grid.columns))
    for row in range(windows.down.windows):
        for column in range(windows.across.windows):
            count[row : row + windows.down.span, column : column + windows.across.span] += 1
    of_a_window = windows.down.span * windows.across.span
    np.testing.assert_allclose((windows.average(votes) * count).sum(), votes.sum() * of_a_window, atol=1e-6)
    cells = windows.average(votes)
    assert votes.min() - 1e-9 <= cells.min() and cells.max() <= votes.max() + 1e-9


def test_average_of_columns_is_the_columns_average():
    windows = lay_windows(256, 256)
    votes = np.random.default_rng(0).normal(size=(len(windows), 3))
    together = windows.average(votes)
    for k in range(3):
        np.testing.assert_allclose(together[:, :, k], windows.average(votes[:, k]))


@pytest.mark.parametrize(
    ("height", "width", "size", "n", "cells"),
    [
        (1024, 1024, (256, 256), 49, (8, 8)),
        (512, 512, (256, 256), 25, (8, 8)),
        (256, 256, (128, 128), 25, (8, 8)),
        (2048, 3072, (512, 512), 77, (8, 12)),
        (64, 64, (64, 64), 1, (1, 1)),
        (140, 100, (140, 100), 1, (1, 1)),
        (100, 300, (100, 128), 11, (1, 18)),
        (16000, 16000, (4000, 4000), 49, (8, 8)),
    ],
)
def test_what_is_laid_by_default(height, width, size, n, cells):
    windows = lay_windows(height, width)
    assert (windows.size, len(windows), (windows.grid.rows, windows.grid.columns)) == (size, n, cells)


def test_a_long_strip_is_bounded():
    windows = lay_windows(64, 16000)
    assert windows.size[0] == 64
    assert 100 < len(windows) <= MAX_WINDOWS
    assert windows.grid.coverage > 0.95


def test_a_side_of_ones_own():
    windows = lay_windows(512, 512, 64)
    assert (windows.size, len(windows)) == ((64, 64), 225)
    for side in (0, 48, 65):
        with pytest.raises(MorelliError, match="a multiple of 32"):
            lay_windows(512, 512, side)
    with pytest.raises(MorelliError, match=r"64 pixels would be 961 on an image of 1024x1024; at most 256"):
        lay_windows(1024, 1024, 64)


def test_noise_is_that_of_white_noise():
    windows = Windows(1000, 1000, Axis(0, 10, 101, 2), Axis(0, 10, 101, 2))
    votes = 3 * np.random.default_rng(0).normal(size=len(windows))
    assert windows.noise(votes) == pytest.approx(3, rel=0.03)
    ramp = np.repeat(np.arange(100) >= 50, 100) * 1000.0  # half of the image stands out
    assert windows.noise(votes + ramp) == pytest.approx(3, rel=0.06)


def test_one_window_has_no_noise():
    assert lay_windows(64, 64).noise(np.ones(1)) is None
