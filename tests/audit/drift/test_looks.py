from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.audit.drift import Look, add_look, level_of_look, read_looks, write_looks
from morelli.errors import MorelliError


def look(number, key="a", rate=0.05, p=0.3):
    level = level_of_look(number, rate)
    return Look(key, 10, 12, p, level, p <= level)


@given(st.integers(1, 10_000), st.floats(0.001, 0.5))
def test_over_any_number_of_looks_the_levels_stay_below_the_rate(number, rate):
    assert sum(level_of_look(k, rate) for k in range(1, min(number, 300))) < rate
    assert level_of_look(number, rate) < rate


def test_a_model_that_never_changes_is_hardly_ever_called_changed():
    """40 looks with uniform p-values, 4,000 times: 0.05 is held where 0.05 at each look gives 0.87."""
    p = np.random.default_rng(0).random((4000, 40))
    levels = np.array([level_of_look(k) for k in range(1, 41)])
    assert 0.035 < (p <= levels).any(axis=1).mean() < 0.056


@pytest.mark.parametrize(("number", "rate"), [(0, 0.05), (1, 0.0), (1, 1.0)])
def test_looks_that_there_are_not(number, rate):
    with pytest.raises(MorelliError, match="count from 1"):
        level_of_look(number, rate)


def test_the_same_look_counts_once(tmp_path):
    path = tmp_path / "über looks.json"
    assert read_looks(path, 0.05) == []
    looks = add_look(add_look([], look(1)), look(2, "b"))
    assert add_look(looks, look(1, "a", p=0.001))[0].p == 0.001 and len(add_look(looks, look(1, "a"))) == 2
    write_looks(path, looks, 0.05)
    assert read_looks(path, 0.05) == looks


def test_another_rate_on_the_way_is_refused(tmp_path):
    write_looks(tmp_path / "looks.json", [look(1)], 0.05)
    with pytest.raises(MorelliError, match=r"rate of 0\.05, and not 0\.1"):
        read_looks(tmp_path / "looks.json", 0.1)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(kind="x"),
        lambda d: d.update(schema_version=9),
        lambda d: d["looks"][0].update(level=0.5),
        lambda d: d["looks"][0].update(p=2),
        lambda d: d["looks"][0].pop("new"),
        lambda d: d["looks"][0].update(more=1),
        lambda d: d.update(looks=7),
        lambda d: d.pop("rate"),
    ],
)
def test_damaged_histories_are_refused(change, tmp_path):
    path = tmp_path / "looks.json"
    write_looks(path, [look(1)], 0.05)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(MorelliError, match="no history"):
        read_looks(path, 0.05)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_files_that_are_no_history(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(MorelliError, match="no history"):
        read_looks(tmp_path / "x.json", 0.05)
