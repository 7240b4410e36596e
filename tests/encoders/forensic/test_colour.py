from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders.forensic import Planes, get_family
from morelli.encoders.forensic.colour import _histograms, _shares


def _colour(pixels: np.ndarray) -> np.ndarray:
    return get_family("colour").measure(Planes(pixels))


def test_histograms_are_square_roots_of_shares() -> None:
    values = np.random.default_rng(0).normal(20, 60, (3, 5000)).astype(np.float32)
    measured = _histograms(values, -80, 80, 32)
    for row, expected in zip(measured, values, strict=True):
        counts, _ = np.histogram(np.clip(expected, -80, 79.999), bins=32, range=(-80, 80))
        np.testing.assert_allclose(row**2 * 5000, counts, atol=2)
    np.testing.assert_allclose((measured**2).sum(axis=1), 1)
    np.testing.assert_allclose(
        _shares(np.array([[0, 0, 3, 3], [1, 1, 1, 1]]), 4) ** 2, [[0.5, 0, 0, 0.5], [0, 1, 0, 0]]
    )


@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (90, 120, 40)])
def test_one_colour_fills_one_bin_of_each_histogram(rgb: tuple[int, int, int]) -> None:
    pixels = np.broadcast_to(np.array(rgb, dtype=np.uint8), (128, 128, 3))
    features = _colour(pixels)
    assert set(np.unique(features)) == {0, 1}
    assert (features == features[0]).all()


def test_shares_of_pixels_at_the_edges_of_the_gamut() -> None:
    """One row in four is moved from 252 to 255, within one bin of every histogram: only the edges change."""
    inside = np.full((64, 64, 3), 252, dtype=np.uint8)
    clipped = inside.copy()
    clipped[::4] = 255
    before, after = _colour(inside)[0], _colour(clipped)[0]
    assert np.flatnonzero(before != after).size == 2
    np.testing.assert_allclose(after[before != after], 0.5, rtol=1e-6)
    np.testing.assert_allclose(_colour(255 - clipped)[0][-4:], [0, 0, 0.5, 0.5], rtol=1e-6)


def test_nothing_but_values_counts() -> None:
    """Shuffling cells of 4x4 pixels within a tile moves no histogram: where a colour is does not matter."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (16 * 16, 1, 1, 3), dtype=np.uint8)

    def lay(order: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(cells[order].reshape(16, 16, 3), 4, axis=0), 4, axis=1)

    np.testing.assert_array_equal(_colour(lay(np.arange(256))), _colour(lay(rng.permutation(256))))
