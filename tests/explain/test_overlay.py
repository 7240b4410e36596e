from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from morelli.explain import Grid, TraceMap, full_colour, legend_of, overlay, paint, write_overlay
from morelli.explain._colours import tint


def chroma(colour):
    return int(colour[2]) - int(colour[0])


def test_tint_changes_no_lightness():
    """Mean channel differences vanish at zero, and lightness (of Oklab, here recomputed) is what was asked for."""
    lightness = np.repeat(np.linspace(0.4, 0.8, 9), 5)
    values = np.tile(np.linspace(-0.6, 0.6, 5), 9)
    rgb = tint(lightness, values) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    found = np.cbrt(linear @ to_lms.T) @ np.array([0.2104542553, 0.7936177850, -0.0040720468])
    np.testing.assert_allclose(found, lightness, atol=0.006)


def test_colours_say_which_and_how_much():
    blues = [chroma(colour) for colour in tint(np.full(9, 0.65), np.linspace(-1, 1, 9))]
    assert blues == sorted(blues)
    assert blues[0] < -100 and blues[4] == 0 and blues[-1] > 100
    assert (tint(0.5, 5) == tint(0.5, 1)).all()


def test_colours_lie_where_the_cells_are(small_map):
    painted = paint(replace(small_map, noise=None), np.full((90, 100, 3), 128, np.uint8))
    times = painted.shape[1] // 100
    assert painted.shape == (90 * times, 100 * times, 3)

    def at(x, y):
        return chroma(painted[times * y, times * x])

    assert at(10, 15) > at(10, 60) > 0  # cells 0, 0 and 1, 0
    assert at(90, 15) < at(90, 60) < 0
    assert at(50, 15) == at(50, 60) == 0
    assert at(2, 15) == at(10, 5) == at(98, 15) == 0  # no cell is there
    edge = [chroma(colour) for colour in painted[times * 15]]
    assert (edge[5 * times - 1], edge[5 * times], edge[35 * times - 1], edge[35 * times]) == (
        0,
        at(10, 15),
        at(10, 15),
        0,
    )


def test_the_picture_shows_through(small_map):
    pixels = np.zeros((90, 100, 3), np.uint8)
    pixels[:, ::2] = 255
    painted = paint(replace(small_map, noise=None), pixels).astype(int).sum(axis=2)
    times = painted.shape[1] // 100
    assert painted[10, 8 * times] > painted[10, 9 * times] + 150


def test_signs_mark_what_is_beyond_the_noise(small_map):
    flat = np.full((90, 100, 3), 128, np.uint8)
    marked, bare = paint(small_map, flat), paint(replace(small_map, noise=None), flat)
    times = marked.shape[1] // 100
    # The largest deviation is eight times the noise, so that the colours are the same.
    changed = (marked != bare).any(axis=2)
    assert changed[: 50 * times, 5 * times : 35 * times].any() and changed[: 50 * times, 65 * times : 95 * times].any()
    assert not changed[:, 36 * times : 64 * times].any()


def test_a_scale_for_several_maps(small_map):
    flat = np.full((90, 100, 3), 128, np.uint8)
    assert full_colour(small_map) == 4
    assert full_colour(replace(small_map, noise=10.0)) == 20
    assert full_colour(replace(small_map, values=np.zeros((2, 3)), noise=None)) == 1
    faint = paint(small_map, flat, limit=40)
    assert 0 < chroma(faint[75, 40]) < chroma(paint(small_map, flat)[75, 40])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 200), (1500, 3000), (40, 5000)])
def test_sizes(height, width):
    grid = Grid(height, width, 0, 0, height, width, 1, 1)
    shown = TraceMap("votes", "ada", None, grid, np.ones((1, 1)), 1.0, None, 1, (height, width))
    painted = paint(shown, np.zeros((height, width, 3), np.uint8))
    assert 448 <= max(painted.shape) <= 1024
    assert painted.shape[1] / painted.shape[0] == pytest.approx(width / height, rel=0.2)
    assert max(paint(shown, np.zeros((height, width, 3), np.uint8), 144).shape) <= 144
    page = overlay(shown, np.zeros((height, width, 3), np.uint8))
    assert page.shape[1] >= painted.shape[1] and page.shape[0] > painted.shape[0] + 60
    assert (page[0] == 255).all()


def test_another_image_is_refused(small_map):
    with pytest.raises(ValueError, match="100x90"):
        paint(small_map, np.zeros((100, 90, 3), np.uint8))


def test_what_is_written(small_map, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (90, 100, 3), dtype=np.uint8)
    path = write_overlay(tmp_path / "neu ü" / "a map.png", small_map, pixels)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info == {}
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), overlay(small_map, pixels))
    assert [file.name for file in path.parent.iterdir()] == ["a map.png"]
    before = path.read_bytes()
    assert write_overlay(path, small_map, pixels).read_bytes() == before


def test_legend(small_map):
    text = " ".join(legend_of(small_map))
    assert "Blue: evidence for ada. Orange: for bob." in text
    assert "+0.0 nats" in text and "Noise: 0.5 nats" in text and "layout +1.5" in text
    alone = replace(small_map, against=None, noise=None, unplaced={}, n_windows=1)
    assert "the mean of all candidates" in " ".join(legend_of(alone)) and "One window" in " ".join(legend_of(alone))
    hidden = replace(small_map, method="occlusion", candidate="x\n\x1b[31m")
    assert "covering" in legend_of(hidden)[0] and "\x1b" not in legend_of(hidden)[0]


def test_names_in_any_script_can_be_drawn(small_map):
    page = overlay(replace(small_map, candidate="模型 модель 🎨" * 20), np.zeros((90, 100, 3), np.uint8))
    assert page.shape[2] == 3
