"""Size, place and frame."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from morelli.errors import ViewError
from morelli.views import parse_view
from morelli.views.geometry import _inscribed


@pytest.mark.parametrize(("side", "shape"), [(40, (40, 56)), (80, (80, 112)), (160, (160, 224)), (33, (33, 46))])
def test_resize_sets_the_short_side(picture, side, shape):
    assert parse_view(f"resize:{side}")(picture).shape[:2] == shape
    upright = np.ascontiguousarray(picture.swapaxes(0, 1))
    assert parse_view(f"resize:{side}")(upright).shape[:2] == shape[::-1]


def test_resize_is_antialiased_bicubic(picture):
    expected = np.asarray(Image.fromarray(picture).resize((56, 40), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(parse_view("resize:40")(picture), expected)
    np.testing.assert_array_equal(parse_view("scale:0.5")(picture), expected)


def test_resize_refuses_to_fill_the_memory():
    with pytest.raises(ViewError, match="choose less"):
        parse_view("resize:8192")(np.zeros((1, 10, 3), dtype=np.uint8))


def test_scale_and_screenshot_sizes(picture):
    assert parse_view("scale:0.01")(picture).shape == (1, 1, 3)
    assert parse_view("scale:1.5")(picture).shape == (120, 168, 3)
    assert parse_view("screenshot")(picture).shape == (72, 101, 3)
    expected = np.asarray(Image.fromarray(picture).resize((101, 72), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(parse_view("screenshot")(picture), expected)


def test_crop_keeps_the_centre(picture):
    np.testing.assert_array_equal(parse_view("crop:0.5")(picture), picture[20:60, 28:84])
    np.testing.assert_array_equal(parse_view("crop:1")(picture), picture)


def test_random_crops_lie_within_and_move(picture):
    seen = set()
    for seed in range(30):
        result = parse_view("random-crop:0.5")(picture, seed)
        assert result.shape == (40, 56, 3)
        windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0], (40, 56))
        places = np.argwhere((windows == result[..., 0]).all(axis=(2, 3)))
        assert len(places) == 1
        seen.add(tuple(places[0]))
    assert len(seen) > 20


def test_downup_keeps_the_size_and_loses_detail(picture):
    small = Image.fromarray(picture).resize((56, 40), Image.Resampling.BICUBIC)
    expected = np.asarray(small.resize((112, 80), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(parse_view("downup:0.5")(picture), expected)
    np.testing.assert_array_equal(parse_view("downup:0.999")(picture), picture)  # no whole pixel is lost
    assert parse_view("downup:0.01")(picture).shape == picture.shape


# --- rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_quarter_turns_move_pixels(picture, turns):
    np.testing.assert_array_equal(parse_view(f"rotate:{90 * turns}")(picture), np.rot90(picture, turns))


@pytest.mark.parametrize("degrees", [1e-6, 89.999999, 90.000001, 180.000001, 269.999999])
def test_nearly_quarter_turns_are_nearly_those(picture, degrees):
    result = parse_view(f"rotate:{degrees:.6f}")(picture)
    expected = np.rot90(picture, round(degrees / 90))
    shape = np.array(expected.shape[:2]) - result.shape[:2]
    assert (shape >= 0).all() and (shape <= 1).all()
    # A lost row shifts the centre by half a pixel, and the grain is fine; what is smooth stays.
    smooth = parse_view("blur:4")(picture)
    result, expected = parse_view(f"rotate:{degrees:.6f}")(smooth), np.rot90(smooth, round(degrees / 90))
    inner = expected[: result.shape[0], : result.shape[1]].astype(int)
    assert np.abs(inner - result)[4:-4, 4:-4].max() < 8


@pytest.mark.parametrize("degrees", [5, 33, 45, 77, 120, 200, 315])
@pytest.mark.parametrize("shape", [(90, 90), (60, 140), (140, 60), (30, 200)])
def test_rotation_shows_nothing_but_picture(degrees, shape):
    white = np.full((*shape, 3), 255, dtype=np.uint8)
    result = parse_view(f"rotate:{degrees}")(white)
    assert (result == 255).all()
    corners = np.array([(x, y) for x in (-1, 1) for y in (-1, 1)]) * (np.array(result.shape[1::-1]) / 2)
    angle = np.radians(degrees)
    turned = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert (np.abs(turned) <= np.array(shape[::-1]) / 2 + 0.01).all()


def test_the_inscribed_rectangle_is_the_largest():
    for width, height in ((100, 100), (160, 90), (300, 20)):
        for degrees in (3, 20, 44.9, 60, 85):
            sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
            best = max(
                (w * h, w)
                for w in np.linspace(0.5, width + height, 4000)
                if (h := min((width - w * cosine) / sine, (height - w * sine) / cosine)) > 0
            )
            assert np.prod(_inscribed(width, height, sine, cosine)) == pytest.approx(best[0], rel=2e-3)


def test_rotation_is_anticlockwise_about_the_centre(picture):
    smooth = parse_view("blur:3")(picture)
    result = parse_view("rotate:20")(smooth)
    turned = np.asarray(Image.fromarray(smooth).rotate(20, Image.Resampling.BICUBIC, expand=True))
    top, left = ((np.array(turned.shape[:2]) - result.shape[:2]) // 2).tolist()
    same = turned[top : top + result.shape[0], left : left + result.shape[1]].astype(int)
    assert np.abs(same - result).mean() < 2
    assert np.abs(same - np.asarray(Image.fromarray(result).transpose(Image.Transpose.ROTATE_180))).mean() > 10


# --- borders ----------------------------------------------------------------------------------------------------------


def test_a_border_grows_the_image_around_it(picture):
    result = parse_view("border:0.1,7")(picture)
    assert result.shape == (96, 128, 3)
    np.testing.assert_array_equal(result[8:-8, 8:-8], picture)
    outside = np.ones(result.shape, dtype=bool)
    outside[8:-8, 8:-8] = False
    assert (result[outside] == 7).all()
    assert (parse_view("border:0.001")(picture)[0] == 255).all()  # at least a pixel


def test_a_border_refuses_to_fill_the_memory():
    with pytest.raises(ViewError, match="choose less"):
        parse_view("border:0.5")(np.broadcast_to(np.zeros(3, dtype=np.uint8), (6000, 6000, 3)))
