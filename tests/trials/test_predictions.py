from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morelli.errors import MorelliError
from morelli.trials import Predictions

OBJECTS = ("image_id", "uri", "label", "decision", "error")
ARRAYS = ("group", "proba", "prediction_set", "open_set_p")
FAMILIES = ("evidence", "family_proba", "without_family")


def with_odd_rows(make):
    """Row 0 is unreadable, row 1 of another model, row 2 has no label."""
    base = make()
    proba, sets, p = base.proba.copy(), base.prediction_set.copy(), base.open_set_p.copy()
    label, decision, error = base.label.copy(), base.decision.copy(), base.error.copy()
    proba[0], sets[0], p[0], decision[0], error[0] = np.nan, False, np.nan, "unreadable", "it ends too soon"
    label[1], label[2] = "stranger", None
    return make(proba=proba, prediction_set=sets, open_set_p=p, label=label, decision=decision, error=error)


def assert_same(a: Predictions, b: Predictions) -> None:
    assert (a.classes, a.lineages, a.prompt_known) == (b.classes, b.lineages, b.prompt_known)
    for name in OBJECTS:
        assert getattr(a, name).tolist() == getattr(b, name).tolist()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    for name in FAMILIES:
        assert list(getattr(a, name)) == list(getattr(b, name))
        for family, block in getattr(a, name).items():
            np.testing.assert_array_equal(block, getattr(b, name)[family])


def test_masks_separate_known_unknown_unlabelled_and_unreadable(make):
    p = with_odd_rows(make)
    assert p.readable.tolist() == [False] + [True] * 11
    assert p.known.tolist() == [False, False, False] + [True] * 9
    assert p.unknown.tolist() == [False, True] + [False] * 10
    assert p.labelled.tolist() == [True, True, False] + [True] * 9
    assert p.y[1] == p.y[2] == -1
    assert [p.classes[i] for i in p.y[3:]] == p.label[3:].tolist()
    assert p.top[0] == -1 and np.isnan(p.confidence[0])
    np.testing.assert_array_equal(p.top[1:], p.proba[1:].argmax(axis=1))
    np.testing.assert_array_equal(p.confidence[1:], p.proba[1:].max(axis=1))


def test_parquet_round_trip_is_exact_and_deterministic(make, tmp_path: Path):
    p = with_odd_rows(make)
    p.write(tmp_path / "a" / "p.parquet")
    p.write(tmp_path / "q.parquet")
    assert_same(Predictions.read(tmp_path / "q.parquet"), p)
    assert (tmp_path / "a" / "p.parquet").read_bytes() == (tmp_path / "q.parquet").read_bytes()


def test_round_trip_of_a_slice_and_of_nothing(make, tmp_path: Path):
    p = with_odd_rows(make)
    for part in (p.take([5, 0, 3]), p.take(np.zeros(len(p), bool))):
        part.write(tmp_path / "p.parquet")
        assert_same(Predictions.read(tmp_path / "p.parquet"), part)


def test_file_is_readable_without_morelli(make, tmp_path: Path):
    p = with_odd_rows(make)
    p.write(tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column("answer").to_pylist() == [None] + [p.classes[i] for i in p.top[1:]]
    assert table.column("proba").to_pylist()[3] == p.proba[3].tolist()
    assert {"evidence/residual", "family_proba/residual", "without_family/residual"} <= set(table.column_names)


def test_read_says_what_is_wrong(make, tmp_path: Path):
    with pytest.raises(MorelliError, match="no such file"):
        Predictions.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(MorelliError, match="cannot be read as Parquet"):
        Predictions.read(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(MorelliError, match="holds no Morelli predictions"):
        Predictions.read(tmp_path / "foreign.parquet")
    make().write(tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    pq.write_table(table.drop_columns(["proba"]), tmp_path / "damaged.parquet")
    with pytest.raises(MorelliError, match="damaged"):
        Predictions.read(tmp_path / "damaged.parquet")


def test_arrays_are_read_only_here_and_writable_at_home(make):
    mine = np.full((12, 3), 1 / 3)
    p = make(proba=mine)
    with pytest.raises(ValueError, match="read-only"):
        p.proba[0, 0] = 1.0
    mine[0] = [1.0, 0.0, 0.0]


def test_concat_restores_split_rows(make):
    p = with_odd_rows(make)
    assert_same(Predictions.concat([p.take(np.arange(5)), p.take(np.arange(5, 12))]), p)
    assert not Predictions.concat([p, make(prompt_known=False)]).prompt_known


@pytest.mark.parametrize("change", [{"classes": ("m0", "m1", "x")}, {"lineages": (None, None, None)}, {"evidence": {}}])
def test_concat_refuses_what_does_not_fit(make, change):
    with pytest.raises(MorelliError, match="cannot be joined"):
        Predictions.concat([make(label=["m0"] * 12), make(label=["m0"] * 12, **change)])
    with pytest.raises(MorelliError, match="no predictions"):
        Predictions.concat([])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"proba": np.full((12, 2), 0.5)}, r"proba has shape \(12, 2\), expected \(12, 3\)"),
        ({"proba": np.full((12, 3), 0.5)}, "sum to 1"),
        ({"proba": np.tile([1.5, -0.5, 0.0], (12, 1))}, "sum to 1"),
        ({"proba": np.full((12, 3), np.nan)}, "sum to 1"),
        ({"classes": ("a", "a", "b")}, "no name twice"),
        ({"classes": (), "lineages": ()}, "at least one candidate"),
        ({"lineages": (None,)}, "1 lineages for 3 candidates"),
        ({"group": np.linspace(0, 1, 12)}, "integers"),
        ({"decision": ["sure"] * 12}, "row 0 breaks it"),
        ({"decision": ["unreadable"] * 12}, "exactly where error is set"),
        ({"error": ["broken"] * 12}, "exactly where error is set"),
        ({"error": ["broken"] * 12, "decision": ["unreadable"] * 12}, "must be NaN"),
        ({"open_set_p": np.full(12, 1.2)}, "open_set_p"),
        ({"evidence": {"residual": np.zeros((12, 4))}}, r"evidence\['residual'\] has shape"),
        ({"label": ["m0"]}, "label has shape"),
    ],
)
def test_refusals_name_the_field(make, change, words):
    with pytest.raises(MorelliError, match=words):
        make(**change)
