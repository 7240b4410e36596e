from __future__ import annotations

import hashlib
import json

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from hypothesis import given
from hypothesis import strategies as st

from morelli.audit.ledger._content import canonical_json, commitment_to, link_hash, new_salt
from morelli.errors import LedgerError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
LONE = st.text(
    st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), min_size=1
)  # as in file names that are not UTF-8


@given(st.dictionaries(st.text() | LONE, JSON | LONE, max_size=4))
def test_canonical_json_is_one_text_for_equal_values(values):
    text = canonical_json(values)
    assert text.isascii()
    assert json.loads(text) == values
    assert canonical_json(dict(reversed(values.items()))) == text
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_what_is_no_json(value):
    with pytest.raises(LedgerError, match="is not JSON"):
        canonical_json({"a": value})


def test_what_is_nested_without_end():
    value: dict[str, object] = {}
    value["a"] = value["b"] = value
    with pytest.raises(LedgerError, match="100 deep"):
        canonical_json(value)


@pytest.mark.parametrize("make", [lambda inner: {"a": inner}, lambda inner: [1, inner]])
def test_what_is_nested_too_deeply_is_not_recorded(make):
    """Else it might be recorded, and not read again."""
    value = {"a": 1}
    for _ in range(98):
        value = make(value)
    assert json.loads(canonical_json({"value": value})) == {"value": value}
    with pytest.raises(LedgerError, match="100 deep"):
        canonical_json({"value": make(value)})


def test_the_formats_are_fixed():
    """What was written by one version of Morelli is verified by all later ones: these bytes never change."""
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é\x00"}) == '{"a":"\\u00e9\\u0000","b":[1,2.5,null,true]}'
    salt = "00" * 31 + "ff"
    plain = b"morelli.ledger.content.1\n" + bytes(31) + b'\xff{"a":1}'
    assert commitment_to(salt, '{"a":1}') == hashlib.sha256(plain).hexdigest()
    fields = {"seq": 1, "at": "2026-03-01T09:30:00.000000Z", "kind": "opened", "subject": None}
    plain = b'morelli.ledger.entry.1\n{"at":"2026-03-01T09:30:00.000000Z","kind":"opened","seq":1,"subject":null}'
    assert link_hash(fields) == hashlib.sha256(plain).hexdigest()


def test_salts_differ():
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert {len(salt) for salt in salts} == {64}
    assert len({commitment_to(salt, "{}") for salt in salts}) == 100
