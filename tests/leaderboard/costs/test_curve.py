from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.costs import Curve, Needed, curve_of_board, read_curve

from .._planted_boards import planted

CURVE = Curve((1, 10, 30), (0.6, 0.8, 0.9), (0.5, 0.7, 0.8), (0.7, 0.9, 0.95))


def test_needed_is_read_off_in_the_logarithm():
    # 0.7 lies half way between 1 and 10 in the logarithm: at 3.16.
    assert CURVE.needed(0.7) == Needed(4, 1, 10)
    assert CURVE.needed(0.6).references == 1
    assert CURVE.needed(0.9) == Needed(30, 10, None)
    assert CURVE.needed(0.8).high == 30


def test_nothing_is_said_beyond_what_was_measured():
    assert CURVE.needed(0.91).references is None
    assert CURVE.needed(0.99) == Needed(None, None, None)
    assert CURVE.all_references[0] == 1
    assert CURVE.all_references[-1] == 30


shares = st.floats(0, 1)


@settings(deadline=None)
@given(st.dictionaries(st.integers(1, 60), shares, min_size=1, max_size=8).map(dict.items), shares, shares)
def test_the_curve_is_monotone_within_range_and_needs_grow(points, first, second):
    ks, accuracy = zip(*sorted(points), strict=True)
    curve = Curve(ks, accuracy)
    values = curve.at(curve.accuracy)
    assert (np.diff(values) >= -1e-12).all()
    assert values.min() >= min(accuracy) - 1e-12
    assert values.max() <= max(accuracy) + 1e-12
    if list(accuracy) == sorted(accuracy):
        np.testing.assert_allclose(values[np.array(ks) - ks[0]], accuracy, atol=1e-12)
    low, high = sorted((max(first, 1e-3), max(second, 1e-3)))
    need, more = curve.needed(low).references, curve.needed(high).references
    if more is not None:
        assert need is not None
        assert need <= more
        assert values[more - ks[0]] >= high - 1e-9
    assert curve.needed(low).low is None  # there is no interval


def test_a_curve_that_falls_is_made_monotone_by_least_squares():
    curve = Curve((1, 2, 3), (0.5, 0.8, 0.6))
    np.testing.assert_allclose(curve.at(curve.accuracy), [0.5, 0.7, 0.7])


@pytest.mark.parametrize(
    "given",
    [((), ()), ((1, 1), (0.5, 0.6)), ((2, 1), (0.5, 0.6)), ((0,), (0.5,)), ((1,), (1.2,)), ((1,), (float("nan"),)),
     ((1, 2), (0.5,)), ((1,), (0.5,), (-0.1,), (0.6,))],
)  # fmt: skip
def test_curves_that_make_no_sense(given):
    with pytest.raises(MorelliError):
        Curve(*given)


@pytest.mark.parametrize("wanted", [0, -0.1, 1.1, float("nan")])
def test_wanted_accuracies_are_shares(wanted):
    with pytest.raises(MorelliError, match="between 0 and 1"):
        CURVE.needed(wanted)


def test_a_measured_curve_rises_with_n_and_intervals():
    board = planted(prompts=15, models=4, images=6)
    curve = curve_of_board(board, references=(1, 3, 30), draws=3)
    assert curve.references == (1, 3, 5)
    assert curve.accuracy[0] < curve.accuracy[-1]
    assert all(a < b < c for a, b, c in zip(curve.low, curve.accuracy, curve.high, strict=True))
    assert curve_of_board(board, references=(1, 3, 30), draws=3) == curve


def test_csv_and_json_are_read(tmp_path):
    path = tmp_path / "kürve.csv"
    path.write_text("\ufeffreferences,accuracy,low,high\n10,0.8,0.7,0.9\n1,0.6,,\n", encoding="utf-8")
    curve = read_curve(path)
    assert (curve.references, curve.accuracy, curve.name) == ((1, 10), (0.6, 0.8), "kürve")
    assert np.isnan(curve.low[0])
    assert curve.low[1] == 0.7
    assert curve.needed(0.65).high is not None  # known at ten references only
    for text in (
        '[{"references": 2, "accuracy": 0.5}]',
        '{"curve": [{"references": 2, "accuracy": 0.5, "low": null}]}',
    ):
        other = tmp_path / "curve.json"
        other.write_text(text)
        assert read_curve(other).accuracy == (0.5,)


def test_rows_are_chosen_by_columns(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("attacker,references,accuracy\nknn,1,0.3\ncentroid,1,0.6\ncentroid,2,0.7\n")
    with pytest.raises(MorelliError, match=r"several rows have 1 references.*attacker"):
        read_curve(path)
    curve = read_curve(path, {"attacker": "centroid"})
    assert (curve.references, curve.name) == ((1, 2), "centroid")
    with pytest.raises(MorelliError, match='no column "model"'):
        read_curve(path, {"model": "x"})
    with pytest.raises(MorelliError, match="no row as asked for"):
        read_curve(path, {"attacker": "nobody"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "there is no row"),
        ("a.csv", "k,accuracy\n1,0.5\n", "there is no references"),
        ("a.csv", "references\n1\n", "there is no accuracy"),
        ("a.csv", "references,accuracy\nx,0.5\n", "'x' is no number of references"),
        ("a.csv", "references,accuracy\n1.5,0.5\n", "'1.5' is no number"),
        ("a.csv", "references,accuracy\n1,much\n", "'much' is no share"),
        ("a.csv", "references,accuracy\n1,\n", "has no accuracy"),
        ("a.csv", "references,accuracy\n1,80\n", "shares between 0 and 1"),
        ("a.json", "{", "no JSON"),
        ("a.json", '{"a": 1}', "a list of objects"),
    ],
)
def test_files_that_hold_no_curve(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(MorelliError) as raised:
        read_curve(tmp_path / name)
    assert words in str(raised.value)
    assert name in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MorelliError, match="cannot be read"):
        read_curve(tmp_path / "none.csv")
