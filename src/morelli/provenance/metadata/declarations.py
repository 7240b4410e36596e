"""What generators are known to write, from a table that is data: see ``declarations.toml``."""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from morelli.provenance._patterns import matches
from morelli.provenance.facts import CLAIMS

__all__ = ["Declaration", "find_declaration", "source_type"]

_LONGEST = 8000


@dataclass(frozen=True, slots=True)
class Declaration:
    """One thing that is known to be written.

    Attributes
    ----------
    claim : str
        A key of `CLAIMS`.
    says : str
        What it amounts to.
    source : str
        Who documents it.
    together : str or None
        A field that has to be there too.
    """

    claim: str
    says: str
    source: str
    together: str | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    by_field: dict[str, tuple[tuple[str, Declaration], ...]]
    source_types: dict[str, Declaration]


def find_declaration(field: str, text: str) -> Declaration | None:
    """Return what a field's text declares, if it is known.

    Parameters
    ----------
    field : str
        Such as ``exif:Software``.
    text : str
        Compared without regard to case and width.
    """
    folded = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold().strip()
    return next((found for pattern, found in _table().by_field.get(field, ()) if matches(pattern, folded)), None)


def source_type(uri: str) -> Declaration | None:
    """Return what one of IPTC's digital source types declares, from its URI or its code alone.

    Examples
    --------
    >>> source_type("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia").claim
    'generator'
    """
    return _table().source_types.get(uri.strip().rstrip("/").rpartition("/")[2].casefold())


@cache
def _table() -> _Table:
    content = tomllib.loads(files(__package__).joinpath("declarations.toml").read_text(encoding="utf-8"))
    fields: dict[str, list[tuple[str, Declaration]]] = {}
    for entry in content["declaration"]:
        made = _made(entry, entry["source"])
        for field in _expanded(entry["fields"], content["groups"]):
            fields.setdefault(field, []).extend(
                (unicodedata.normalize("NFKC", pattern).casefold(), made) for pattern in entry["match"]
            )
    types = {
        entry["code"].casefold(): _made(entry, "http://cv.iptc.org/newscodes/digitalsourcetype/")
        for entry in content["source_type"]
    }
    return _Table({field: tuple(pairs) for field, pairs in fields.items()}, types)


def _made(entry: dict[str, Any], source: str) -> Declaration:
    if entry["claim"] not in CLAIMS:
        raise ValueError(f"{entry['claim']!r} is no claim")
    return Declaration(entry["claim"], entry["says"], source, entry.get("together"))


def _expanded(fields: list[str], groups: dict[str, list[str]]) -> list[str]:
    return [each for field in fields for each in (groups[field[1:]] if field.startswith("@") else [field])]
