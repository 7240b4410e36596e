"""Screens, uploads and words written over images."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.views import parse_view


def test_a_capture_shows_the_screenshot_within_a_page(picture):
    result = parse_view("screen-capture:0.9,100")(picture)
    shown = parse_view("screenshot:0.9")(picture)
    height, width = shown.shape[:2]
    margin = 2  # 0.03 of 72
    assert result.shape == (height + 5 * margin, width + 2 * margin, 3)
    inside = result[4 * margin : 4 * margin + height, margin : margin + width].astype(int)
    assert np.abs(inside - shown).mean() < 5
    assert np.abs(result[-1].astype(int) - 244).max() < 40  # the page, through JPEG
    assert result[0].mean() < result[-1].mean()


@pytest.mark.parametrize(("side", "shape"), [(200, (80, 112)), (112, (80, 112)), (56, (40, 56)), (16, (11, 16))])
def test_social_makes_smaller_and_never_larger(picture, side, shape):
    result = parse_view(f"social:{side}")(picture)
    assert result.shape[:2] == shape
    factor = side / 112
    chain = f"scale:{factor:.12f}|jpeg:80" if factor < 1 else "jpeg:80"
    np.testing.assert_array_equal(result, parse_view(chain)(picture))


def test_text_covers_a_small_area_with_white_and_black(picture):
    grey = np.full((400, 600, 3), 128, dtype=np.uint8)
    places = set()
    for seed in range(12):
        result = parse_view("text:0.1")(grey, seed)
        changed = np.argwhere((result != 128).any(axis=2))
        top, left = changed.min(axis=0)
        bottom, right = changed.max(axis=0)
        assert 36 <= bottom - top + 1 <= 44 and right - left < 400
        assert result.max() > 220 and result.min() < 40
        assert (np.ptp(result, axis=2) == 0).all()
        places.add((int(top), int(left)))
    assert len(places) > 8


def test_text_grows_with_its_share_at_the_same_seed():
    grey = np.full((300, 900, 3), 128, dtype=np.uint8)
    areas = [(parse_view(f"text:{share}")(grey, 3) != 128).mean() for share in (0.02, 0.05, 0.1, 0.2, 0.5)]
    assert areas == sorted(areas) and areas[0] > 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (9, 9)])
def test_text_fits_into_any_image(shape):
    pixels = np.full((*shape, 3), 128, dtype=np.uint8)
    for seed in range(4):
        assert parse_view("text:0.5")(pixels, seed).shape == (*shape, 3)
