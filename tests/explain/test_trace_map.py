from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.explain import Grid, TraceMap


def test_mass_inside_a_box(small_map):
    assert small_map.mass_inside((0, 0, 100, 90)) == pytest.approx(1)
    assert small_map.mass_inside((5, 10, 35, 50)) == pytest.approx(4 / 6)
    assert small_map.mass_inside((5, 10, 20, 50)) == pytest.approx(2 / 6)  # half of that cell
    assert small_map.mass_inside((65, 10, 95, 90)) == 0
    assert small_map.mass_inside((35, 10, 35, 90)) == 0


def test_nothing_positive_has_no_mass(small_map):
    grid = Grid(10, 10, 0, 0, 10, 10, 1, 1)
    shown = TraceMap("votes", "ada", None, grid, np.array([[-1.0]]), -1.0, None, 1, (10, 10))
    assert shown.mass_inside((0, 0, 10, 10)) is None
    assert shown.strength is None
    assert shown.to_dict()["noise"] is None


@given(st.floats(0, 100), st.floats(0, 90), st.floats(0, 100), st.floats(0, 90))
def test_boxes_divide_the_mass(x, y, x2, y2):
    grid = Grid(90, 100, 10, 5, 40, 30, 2, 3)
    left = grid.share_inside((0, 0, x, 90)) + grid.share_inside((x, 0, 100, 90))
    np.testing.assert_allclose(left, 1, atol=1e-9)
    inside = grid.share_inside((min(x, x2), min(y, y2), max(x, x2), max(y, y2)))
    assert (inside >= 0).all() and (inside <= 1 + 1e-12).all()


def test_grid():
    grid = Grid(90, 100, 10, 5, 40, 30, 2, 3)
    assert grid.box == (5, 10, 95, 90)
    assert grid.coverage == pytest.approx(0.8)
    assert grid.cell(1, 2) == (65, 50, 95, 90)


def test_relative_strength_and_strongest(small_map):
    assert small_map.relative.mean() == pytest.approx(0)
    assert small_map.strength == pytest.approx(8)
    assert small_map.strongest == ((0, 0), 4.0)


def test_one_family(small_map):
    left = small_map.of_family("left")
    np.testing.assert_array_equal(left.values, 0.25 * small_map.values)
    assert (left.noise, left.unplaced, list(left.families)) == (0.125, {}, ["left"])
    with pytest.raises(MorelliError, match=r"no family called 'x'; there are: left, right\."):
        small_map.of_family("x")
    with pytest.raises(MorelliError, match="layout is measured on the whole image"):
        small_map.of_family("layout")


def test_json(small_map):
    values = small_map.to_dict()
    assert list(values) == [
        "schema_version", "method", "candidate", "against", "meaning", "image", "grid", "windows", "judged_as", "whole",
        "noise", "strength", "shift", "values", "families", "unplaced",
    ]  # fmt: skip
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["grid"] == {
        "left": 5, "top": 10, "cell_width": 30, "cell_height": 40, "columns": 3, "rows": 2, "coverage": 0.8
    }  # fmt: skip
    assert values["values"] == [[4.0, 0.0, -4.0], [2.0, 0.0, -2.0]]
    assert values["families"]["left"][0] == [1.0, 0.0, -1.0]
    assert "ada against bob" in values["meaning"]


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.full((2, 3), np.nan)])
def test_values_that_fit_no_grid(small_map, values):
    with pytest.raises(ValueError, match=r"finite and of shape \(2, 3\)"):
        TraceMap("votes", "ada", None, small_map.grid, values, 0.0, None, 1, (1, 1))
