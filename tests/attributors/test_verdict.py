from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.attributors import Candidate, Lineage, Verdict
from morelli.attributors.verdict import SCHEMA_VERSION

REQUIRED = [
    "schema_version", "uri", "image_id", "decision", "label", "probability", "lineage", "candidates", "prediction_set",
    "open_set_p", "evidence", "judged_as", "quality", "bundle", "provenance", "error",
]  # fmt: skip

# All of Unicode, half surrogate pairs included: os.fsdecode makes them of file names that are not UTF-8.
TEXT = st.text(st.characters(), max_size=20)
SHARE = st.floats(0, 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = {
    "image_id": st.none() | TEXT,
    "judged_as": st.none() | TEXT,
    "label": st.none() | TEXT,
    "error": st.none() | TEXT,
}

VERDICTS = st.builds(
    Verdict,
    uri=TEXT,
    decision=st.sampled_from(["attributed", "ambiguous", "unknown", "conflict", "unreadable"]),
    probability=st.none() | SHARE,
    lineage=st.builds(Lineage, st.none() | TEXT, st.none() | SHARE, st.booleans()),
    candidates=st.lists(st.builds(Candidate, TEXT, SHARE, FINITE), max_size=4).map(tuple),
    prediction_set=st.lists(TEXT, max_size=4).map(tuple),
    open_set_p=st.none() | SHARE,
    evidence=st.dictionaries(TEXT, st.dictionaries(TEXT, FINITE, max_size=3), max_size=3),
    quality=st.dictionaries(TEXT, st.none() | FINITE | TEXT | st.integers(), max_size=3),
    bundle=st.dictionaries(TEXT, TEXT, max_size=3),
    provenance=st.dictionaries(TEXT, st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2), max_size=3),
    schema_version=st.just(SCHEMA_VERSION),
    **MAYBE,
)


@settings(max_examples=150, deadline=None)
@given(VERDICTS)
def test_json_round_trip(verdict):
    text = verdict.to_json()
    assert "\n" not in text and "\r" not in text
    text.encode("utf-8")  # can be written
    values = json.loads(text)
    assert list(values) == REQUIRED
    assert Verdict.from_dict(values) == verdict
    assert Verdict.from_dict(verdict.to_dict()) == verdict
    assert Verdict.from_dict(values).to_json() == text


def test_defaults_are_complete():
    values = json.loads(Verdict("a.png", None, "unreadable", error="no image").to_json())
    assert list(values) == REQUIRED
    assert values["lineage"] == {"label": None, "probability": None, "settled": False}
    assert values["candidates"] == values["prediction_set"] == []
    assert values["label"] is values["probability"] is values["open_set_p"] is values["image_id"] is None
    assert set(
        json.loads(Verdict("", None, "", candidates=(Candidate("a", 1.0, 0.0),)).to_json())["candidates"][0]
    ) == {
        "model",
        "probability",
        "llr",
    }


def test_unicode_stays_readable():
    text = Verdict("Ünïcode 日本 🎨.png", None, "unknown").to_json()
    assert "Ünïcode 日本 🎨.png" in text
    assert '"half \\udc80.png"' in Verdict("half \udc80.png", None, "unknown").to_json()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_nan_in_json(value):
    broken = [
        Verdict("a", None, "attributed", probability=value),
        Verdict("a", None, "attributed", open_set_p=value),
        Verdict("a", None, "attributed", candidates=(Candidate("m", 0.5, value),)),
        Verdict("a", None, "attributed", evidence={"f": {"m": value}}),
        Verdict("a", None, "attributed", lineage=Lineage("l", value)),
        Verdict("a", None, "attributed", quality={"blur": value}),
    ]
    for verdict in broken:
        with pytest.raises(ValueError, match="JSON"):
            verdict.to_json()


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_schema_version(version):
    values = Verdict("a", None, "unknown").to_dict()
    with pytest.raises(ValueError, match=f"reads {SCHEMA_VERSION}"):
        Verdict.from_dict({**values, "schema_version": version})


def test_no_schema_version():
    values = Verdict("a", None, "unknown").to_dict()
    del values["schema_version"]
    with pytest.raises(ValueError, match="schema version None"):
        Verdict.from_dict(values)


def test_fields_of_a_later_morelli_are_left_out():
    """New fields may come without a new schema version."""
    verdict = Verdict(
        "a", "f" * 64, "attributed", "m", 0.9, Lineage("l", 0.9, True), (Candidate("m", 0.9, 2.0),), ("m",)
    )
    values = verdict.to_dict()
    values["mood"] = "sunny"
    values["lineage"]["depth"] = 3
    values["candidates"][0]["rank"] = 1
    before = json.dumps(values)
    assert Verdict.from_dict(values) == verdict
    assert json.dumps(values) == before  # the caller's values are not touched
