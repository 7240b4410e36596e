from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _small import bare_catalog
from morelli.catalog import Catalog
from morelli.errors import CatalogError, MorelliError
from morelli.trials.selection import EVERYTHING, Selection, leave_out_groups, nested_rows


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return bare_catalog(
        {
            "model": ["a", "a", "b", "b", None, "None"],
            "domain": ["people", None, "people", "animals", None, ""],
            "width": [64, 64, 128, None, 256, 512],
            "alpha": [True, False, None, True, False, False],
            "score": [0.5, 1.0, None, 2.5, 0.5, 1.0],
        }
    )


@pytest.mark.parametrize(
    ("where", "unless", "kept"),
    [
        ({}, {}, [0, 1, 2, 3, 4, 5]),
        ({"domain": "people"}, {}, [0, 2]),
        ({"domain": None}, {}, [1, 4]),
        ({"domain": ["people", None]}, {}, [0, 1, 2, 4]),
        ({"domain": ""}, {}, [5]),
        ({"domain": []}, {}, []),
        ({"model": None}, {}, [4]),  # and not the model that is called None
        ({"model": "None"}, {}, [5]),
        ({"width": [64, 512]}, {}, [0, 1, 5]),
        ({"width": None}, {}, [3]),
        ({"width": np.int64(128)}, {}, [2]),
        ({"width": "128"}, {}, [2]),  # as `Catalog.text` writes it
        ({"width": ["128", None]}, {}, [2, 3]),
        ({"alpha": True}, {}, [0, 3]),
        ({"alpha": [False, None]}, {}, [1, 2, 4, 5]),
        ({"score": 0.5}, {}, [0, 4]),
        ({"score": [1, 2.5]}, {}, [1, 3, 5]),
        ({"model": "a", "alpha": False}, {}, [1]),
        ({}, {"domain": "people"}, [1, 3, 4, 5]),
        ({}, {"domain": ["people", None]}, [3, 5]),
        ({"model": ["a", "b"]}, {"width": 64, "domain": "animals"}, [2]),
        ({"model": "nobody"}, {}, []),
    ],
)
def test_filters(catalog, where, unless, kept):
    selection = Selection(where, unless)
    assert np.flatnonzero(selection.mask(catalog)).tolist() == kept
    again = Selection.from_dict(json.loads(json.dumps(Selection.to_dict(selection)))) if "np" not in repr(where) else 0
    assert again == 0 or np.flatnonzero(again.mask(catalog)).tolist() == kept


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"width": "wide"}, "Column 'width' holds int32 values; ['wide'] does not fit"),
        ({"width": 2.5}, "int32"),
        ({"width": 1 << 40}, "int32"),
        ({"alpha": "yes"}, "bool"),
        ({"model": 3}, "string"),
    ],
)
def test_what_does_not_fit_a_column(catalog, where, words):
    with pytest.raises(MorelliError) as refused:
        Selection(where).mask(catalog)
    assert words in str(refused.value)


def test_order_of_values_and_columns_does_not_matter():
    one = Selection({"model": ["b", "a"], "domain": {"x", None}}, per_class=2)
    other = Selection({"domain": (None, "x"), "model": ("a", "b")}, per_class=2)
    assert one == other
    assert one.to_dict() == other.to_dict() == Selection.from_dict(one.to_dict()).to_dict()
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


scalar = st.one_of(st.none(), st.text(max_size=5), st.integers(-9, 9), st.booleans())
filters = st.dictionaries(st.text(min_size=1, max_size=4), st.lists(scalar, max_size=3), max_size=3)


@given(filters, filters, st.one_of(st.none(), st.integers(1, 99)))
def test_round_trip(where, unless, count):
    selection = Selection(where, unless, count)
    assert Selection.from_dict(json.loads(json.dumps(selection.to_dict()))) == selection


def test_words():
    assert EVERYTHING.describe() == "all images"
    assert Selection({"a": ["x", "y"]}, {"b": None}, 3).describe() == "a = x or y, b not None, 3 of each class"
    assert EVERYTHING.to_dict() == {}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"were": {}}, "not were"),
        ({"where": "people"}, "where is a table"),
        ({"unless": ["a"]}, "unless is a table"),
        ({"where": {"a": {"b": 1}}}, "none of these"),
        ({"where": {"a": [["b"]]}}, "none of these"),
        ({"per_class": "3"}, "whole number"),
        ({"per_class": 2.0}, "whole number"),
        ({"per_class": True}, "whole number"),
        ({"per_class": 0}, "at least one"),
        ("people", "A selection is a table"),
        (3, "A selection is a table"),
        ([{}], "A selection is a table"),
    ],
)
def test_bad_descriptions(values, words):
    with pytest.raises(MorelliError) as refused:
        Selection.from_dict(values)
    assert words in str(refused.value)


# -- so many of each class ---------------------------------------------------------------------------------------------


@st.composite
def rows_of(draw):
    n = draw(st.integers(1, 40))
    labels = np.array(draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n)), dtype=object)
    groups = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), dtype=np.int64)
    rows = np.array(sorted(draw(st.sets(st.integers(0, n - 1)))), dtype=np.int64)
    return rows, labels, groups


@given(rows_of(), st.integers(1, 12), st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=200)
def test_fewer_are_a_part_of_more(drawn, few, more, seed):
    rows, labels, groups = drawn
    less = nested_rows(rows, labels, groups, few, (seed, 1))
    plenty = nested_rows(rows, labels, groups, few + more, (seed, 1))
    assert set(less) <= set(plenty) <= set(rows)
    assert less.tolist() == sorted(set(less))
    for name in "abc":
        assert (labels[less] == name).sum() == min(few, (labels[rows] == name).sum())


@given(st.integers(1, 6), st.integers(0, 9))
def test_classes_have_the_same_prompts(count, seed):
    groups = np.tile(np.arange(8), 3)
    labels = np.repeat(np.array(["a", "b", "c"], dtype=object), 8)
    taken = nested_rows(np.arange(24), labels, groups, count, (seed,))
    prompts = [set(groups[taken[labels[taken] == name]]) for name in "abc"]
    assert prompts[0] == prompts[1] == prompts[2]
    assert len(prompts[0]) == count


def test_seeds_take_other_prompts_and_none_takes_all():
    rows, labels, groups = np.arange(30), np.full(30, "a", dtype=object), np.arange(30)
    draws = {tuple(nested_rows(rows, labels, groups, 5, (seed,))) for seed in range(6)}
    assert len(draws) == 6
    assert nested_rows(rows, labels, groups, 5, (3,)).tolist() == nested_rows(rows, labels, groups, 5, (3,)).tolist()
    assert nested_rows(rows, labels, groups, None, (3,)).tolist() == rows.tolist()
    assert len(nested_rows(rows[:0], labels, groups, 5, (3,))) == 0


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30).flatmap(
        lambda ids: st.tuples(st.just(ids), *(st.sets(st.integers(0, len(ids) - 1)) for _ in range(2)))
    )
)
def test_groups_that_are_judged_are_left_out(drawn):
    groups, train, test = np.array(drawn[0]), *(np.array(sorted(s), dtype=np.int64) for s in drawn[1:])
    left = leave_out_groups(train, test, groups)
    assert set(left) == {row for row in train if groups[row] not in set(groups[test])}


def test_a_missing_column_is_the_catalogs_own_error(catalog):
    with pytest.raises(CatalogError, match="There is no column"):
        Selection(unless={"nothing": 1}).mask(catalog)
