"""The description of a colour profile."""

from __future__ import annotations

from morelli.provenance.metadata.blocks import clean

__all__ = ["icc_description"]

_MAX_TAGS = 100
_MAX_TEXT = 200


def icc_description(profile: bytes) -> str | None:
    """Return what a profile calls itself (ICC.1:2022, section 9.2.41), or None where it says nothing readable."""
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(132, 132 + 12 * min(count, _MAX_TAGS), 12):
        if profile[entry : entry + 4] != b"desc":
            continue
        start = int.from_bytes(profile[entry + 4 : entry + 8], "big")
        tag = profile[start : start + int.from_bytes(profile[entry + 8 : entry + 12], "big")]
        if tag[:4] == b"desc":
            return clean(tag[12 : 12 + int.from_bytes(tag[8:12], "big")].decode("latin-1"), _MAX_TEXT) or None
        if tag[:4] == b"mluc":
            length, offset = int.from_bytes(tag[20:24], "big"), int.from_bytes(tag[24:28], "big")
            return clean(tag[offset : offset + length].decode("utf-16-be", "replace"), _MAX_TEXT) or None
    return None
