"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import ViewError
from morelli.views import list_views, parse_view, register_view
from morelli.views.registry import _VIEWS, Parameter
from morelli.views.sheet import MAX_VIEWS, contact_sheet, example_views

HERE = [info for info in list_views() if info.recipe is None]  # the others need weights


def test_examples_are_one_of_each_view():
    names = [view.name for view in example_views()]
    assert names[0] == "none" and len(names) == 1 + len(HERE)
    assert [name.partition(":")[0] for name in names[1:]] == [info.name for info in HERE]


def test_a_view_that_names_no_use_is_not_among_them(monkeypatch):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    register_view("test-mute", "Nothing", Parameter("x", "x"))(lambda pixels, _: pixels)
    assert not any(view.name.startswith("test-mute") for view in example_views())


def test_a_sheet_shows_whole_and_centre(picture):
    large = np.kron(picture, np.ones((4, 4, 1), dtype=np.uint8))  # 320 x 448
    sheet = contact_sheet(large, [parse_view("none"), parse_view("brightness:0")])
    assert sheet.errors == () and sheet.pixels.dtype == np.uint8
    height, width = sheet.pixels.shape[:2]
    centre = large[72:248, 136:312]
    windows = [
        (top, left)
        for top in range(height - 176)
        for left in range(width - 176)
        if (sheet.pixels[top, left] == centre[0, 0]).all()
        and np.array_equal(sheet.pixels[top : top + 176, left : left + 176], centre)
    ]
    assert len(windows) == 1  # the centre in native pixels, once
    assert ((sheet.pixels == 0).all(axis=2)).sum() > 176 * 176  # the black view


def test_the_size_is_bounded_by_the_number_of_views(picture):
    shapes = [contact_sheet(picture, [parse_view("flip")] * n).pixels.shape for n in (1, 4, 5)]
    assert shapes[0][1] < shapes[1][1] == shapes[2][1] <= 1470
    assert shapes[0][0] == shapes[1][0] < shapes[2][0] <= 2 * 201 + 6
    large = contact_sheet(np.zeros((3000, 10, 3), dtype=np.uint8), [parse_view("scale:2")]).pixels
    assert large.shape == shapes[0]
    for count in (0, MAX_VIEWS + 1):
        with pytest.raises(ViewError, match="1 to 200 views"):
            contact_sheet(picture, [parse_view("flip")] * count)


def test_views_that_fail_say_so_on_the_sheet(picture):
    sheet = contact_sheet(picture, [parse_view("flip"), parse_view("scale:8|scale:8|scale:8")])
    assert len(sheet.errors) == 1 and "choose less" in sheet.errors[0]
    good = contact_sheet(picture, [parse_view("flip"), parse_view("flip")])
    assert sheet.pixels.shape == good.pixels.shape


def test_sheets_repeat_and_follow_the_seed(picture):
    views = [parse_view("noise:30"), parse_view("|".join(["flip"] * 40))]  # a long name is cut
    first, same, other = (contact_sheet(picture, views, seed).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.any(first != other)
