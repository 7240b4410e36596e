from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from morelli.encoders.forensic import Planes, get_family
from morelli.encoders.forensic.layout import CELLS, thumbnail


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width", "side"), [(64, 64, 32), (192, 256, 32), (96, 480, 8), (64, 4000, 32)])
def test_thumbnail_is_the_mean_of_cells(height: int, width: int, side: int) -> None:
    pixels = _noise(height, width)
    expected = pixels.reshape(side, height // side, side, width // side, 3).mean(axis=(1, 3))
    measured = thumbnail(pixels, side)
    assert measured.shape == (side, side, 3) and measured.dtype == np.float32
    np.testing.assert_allclose(measured, expected, rtol=1e-5)
    # Pillow rounds to whole levels, once for each direction.
    box = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
    np.testing.assert_allclose(measured, box, atol=1.01)


def test_thumbnail_uses_every_pixel_of_a_size_that_does_not_divide() -> None:
    pixels = _noise(70, 101)
    rows, columns = (np.diff(np.linspace(0, n, 33).astype(int)) for n in (70, 101))
    weights = np.outer(rows, columns)[..., None]
    np.testing.assert_allclose(
        (thumbnail(pixels, 32) * weights).sum(axis=(0, 1)) / weights.sum(), pixels.mean(axis=(0, 1)), rtol=1e-5
    )


def test_thumbnail_of_a_large_picture_is_close_to_the_mean_of_all_pixels() -> None:
    y, x = np.mgrid[:1024, :1536]
    smooth = np.stack([x // 8, y // 8, (x + y) // 16], axis=-1).astype(np.uint8)
    expected = smooth.reshape(32, 32, 32, 48, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(thumbnail(smooth, 32), expected, atol=1)


def test_features_tell_where_light_and_detail_are() -> None:
    def measure(pixels: np.ndarray) -> np.ndarray:
        return get_family("layout").measure(Planes(pixels))[0]

    grey = np.full((256, 256, 3), 100, dtype=np.uint8)
    flat = measure(grey)
    assert flat.max() == pytest.approx(100) and np.count_nonzero(np.abs(flat) > 1e-3) == CELLS**2
    corner = grey.copy()
    corner[:32, :32] = 200
    changed = np.flatnonzero(np.abs(measure(corner) - flat) > 1e-3)
    assert changed[0] == 0 and changed.size < 10
    everywhere = measure(grey + np.uint8(20))
    np.testing.assert_allclose(everywhere[: CELLS**2], 120, rtol=1e-5)
    np.testing.assert_allclose(everywhere[CELLS**2 :], flat[CELLS**2 :], atol=1e-3)
