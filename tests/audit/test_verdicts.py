from __future__ import annotations

import io
import json

import pytest

from morelli.audit.verdicts import PRIORITY, check_verdict, machine_answer, read_verdicts
from morelli.errors import LedgerError

from .ledger._made import image_id, made_verdict

BAD = [
    {"uri": 5},
    {"uri": None},
    {"image_id": "abc"},
    {"image_id": image_id(1).upper()},
    {"image_id": image_id(1) + "\n"},
    {"image_id": 5},
    {"decision": "sure"},
    {"decision": ["unknown"]},
    {"decision": None},
    {"label": None},
    {"label": 3},
    {"probability": 1.5},
    {"probability": "0.5"},
    {"probability": float("nan")},
    {"probability": True},
    {"open_set_p": -0.1},
    {"candidates": [{"model": 1, "probability": 0.5, "llr": 0.0}]},
    {"candidates": [{"model": "a", "probability": 2, "llr": 0.0}]},
    {"candidates": [{"model": "a"}]},
    {"candidates": ["a"]},
    {"candidates": None},
    {"prediction_set": [1]},
    {"prediction_set": 7},
    {"evidence": {"residual": {"a": "1"}}},
    {"evidence": {"residual": {"a": float("inf")}}},
    {"evidence": [1]},
    {"quality": []},
    {"bundle": []},
    {"bundle": {"id": 5}},
    {"bundle": {"id": "a b"}},
    {"bundle": {"id": "a" * 201}},
    {"provenance": ["c2pa"]},
    {"error": 404},
    {"lineage": None},
    {"schema_version": 2},
    {"schema_version": None},
]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_what_is_no_verdict(change):
    with pytest.raises(LedgerError, match="This is no verdict"):
        check_verdict({**made_verdict(1), **change})


@pytest.mark.parametrize("missing", ["uri", "image_id", "decision", "lineage", "schema_version"])
def test_a_field_is_missing(missing):
    with pytest.raises(LedgerError, match="This is no verdict"):
        check_verdict({name: value for name, value in made_verdict(1).items() if name != missing})


@pytest.mark.parametrize("decision", PRIORITY)
def test_every_decision_has_a_place_in_the_queue(decision):
    filed = check_verdict(made_verdict(1, decision, probability=0.25))
    assert filed.priority == PRIORITY[decision]
    assert filed.score == (0.25 if decision in ("attributed", "ambiguous") else 0.0)
    assert filed.image_id == (None if decision == "unreadable" else image_id(1))


def test_unknown_fields_are_kept():
    assert check_verdict(made_verdict(1, later={"a": 1})).verdict["later"] == {"a": 1}


def test_what_the_machine_answered():
    answers = {decision: machine_answer(made_verdict(1, decision)) for decision in PRIORITY}
    assert answers == {
        "conflict": None,
        "unknown": (None,),
        "ambiguous": ("flux-1",),
        "unreadable": None,
        "attributed": ("flux-1",),
    }


def test_lines_are_read_whatever_they_hold():
    good = json.dumps(made_verdict(1)).encode()
    lines = [
        b"\xef\xbb\xbf" + good,
        b"",
        b"  ",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"kind": "pooled", "schema_version": 1}).encode(),
        good.replace(b"ambiguous", b"sure"),
        good + b"\r",
        good,
    ]
    read = list(read_verdicts(io.BytesIO(b"\n".join(lines))))
    assert [line.number for line in read] == [1, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [line.number for line in read if line.filed is not None] == [1, 10, 11]
    assert [line.number for line in read if line.problem is not None] == [4, 5, 6, 7, 9]


def test_a_line_without_end_is_not_held_in_memory(monkeypatch):
    from morelli.audit import verdicts

    monkeypatch.setattr(verdicts, "_LONGEST_LINE", 1000)
    text = b"x" * 5500 + b"\n" + json.dumps(made_verdict(1), separators=(",", ":")).encode()[:900] + b"\n{}\n"
    read = list(read_verdicts(io.BytesIO(text)))
    assert [line.number for line in read] == [1, 2, 3]
    assert "longer than 1000 bytes" in read[0].problem
    for length in (999, 1000, 1001, 2000):  # a line that ends where a piece ends
        assert [line.number for line in read_verdicts(io.BytesIO(b"x" * length + b"\n{}\n"))] == [1, 2]


def test_nothing():
    assert list(read_verdicts(io.BytesIO(b""))) == []
