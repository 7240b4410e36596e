"""What the tables of a described study may hold, and where their axes lead; every refusal names the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morelli.errors import MorelliError
from morelli.trials.cells import MEASURES, check_coordinates
from morelli.trials.selection import Selection

__all__ = ["SHARES", "check_block", "check_shown", "only", "placed", "short", "tables_of"]

_TRIAL = {
    "cell", "attributor", "train", "test", "train_views", "test_view", "cross_validate", "straddle", "options", "axes",
    "background",
}  # fmt: skip
_TABLES = ("cell", "train", "test", "background", "options", "axes")
_FLAGS = ("cross_validate", "straddle")
_PLAIN = {"attributor", "train_views", "test_view", *_FLAGS}
_FIGURES = {"lines": ("x",), "bars": ("rows",), "heat-map": ("rows", "columns")}

SHARES = set(MEASURES) - {
    "n", "n_unreadable", "n_unknown", "seeds", "references", "classes", "log_loss", "set_size", "fit_seconds",
    "missing",
}  # fmt: skip
"""Measures that lie in [0, 1]."""


def only(values: Any, allowed: set[str], where: str) -> None:
    """Refuse what is no table, and names that are not allowed in it.

    Raises
    ------
    MorelliError
    """
    if not isinstance(values, Mapping):
        raise MorelliError(f"{where}: it is a table of names and values, not {values!r}.")
    foreign = sorted(set(values) - allowed)
    if foreign:
        raise MorelliError(f"{where}: nothing is called {', '.join(foreign)}; there are: {', '.join(sorted(allowed))}.")


def check_block(block: Any, where: str) -> set[str]:
    """Check a table ``[[trials]]``, and return the coordinates of its cells.

    Raises
    ------
    MorelliError
        Something in it is unknown or of the wrong kind, or two coordinates have one name.
    """
    only(block, _TRIAL, where)
    for name in _TABLES:
        if not isinstance(block.get(name, {}), Mapping):
            raise MorelliError(f"{where}: {name} is a table of names and values, not {block[name]!r}.")
    for axis, values in block.get("axes", {}).items():
        if not _leads_somewhere(axis.split(".", 2)):
            raise MorelliError(f"{where}: there is nothing called {axis} to vary.")
        if not isinstance(values, list) or not values:
            raise MorelliError(f"{where}: an axis is a list of values, not {values!r}.")
        for value in values:
            _check_plain(axis, value, where)
    for name in _PLAIN & block.keys():
        _check_plain(name, block[name], where)
    for name, value in block.get("cell", {}).items():
        if not isinstance(value, str | int | float):
            raise MorelliError(f"{where}: the coordinate {name} is a word or a number, not {value!r}.")
    names = [*block.get("cell", {}), *(short(axis) for axis in block.get("axes", {}))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MorelliError(f"{where}: two coordinates would be called {', '.join(twice)}.")
    try:
        for name in ("train", "test", "background"):
            Selection.from_dict(block.get(name, {}))
        check_coordinates(names)
    except MorelliError as error:
        raise MorelliError(f"{where}: {error}") from None
    return set(names)


def check_shown(spec: Any, kind: str, axes: set[str], where: str) -> None:
    """Check a table ``[[table]]`` or ``[[figure]]`` that shows some of the coordinates `axes`.

    Raises
    ------
    MorelliError
        Something in it is unknown, or cannot be drawn.
    """
    only(spec, {"name", "title", "value", "rows", "columns"} | ({"kind", "x", "series"} if kind == "figure" else set()),
         where)  # fmt: skip
    for name, text in spec.items():
        if not isinstance(text, str):
            raise MorelliError(f"{where}: {name} is a word, not {text!r}.")
    value = spec.get("value", "accuracy")
    if value not in MEASURES:
        raise MorelliError(f"{where}: {value} is not measured; there are: {', '.join(MEASURES)}.")
    if kind == "figure" and spec.get("kind") not in _FIGURES:
        raise MorelliError(f"{where}: a figure's kind is one of {', '.join(_FIGURES)}, not {spec.get('kind')!r}.")
    if spec.get("kind") in ("bars", "heat-map") and value not in SHARES:
        raise MorelliError(f"{where}: {spec['kind']} show shares, and {value} is none; a table or lines can show it.")
    needed = _FIGURES[spec["kind"]] if kind == "figure" else ("rows", "columns")
    for axis in (*needed, *(name for name in ("series",) if name in spec)):
        if spec.get(axis) not in axes:
            raise MorelliError(
                f"{where}: {axis} is one of the coordinates {', '.join(sorted(axes))}, not {spec.get(axis)!r}."
            )


def placed(block: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block with values at dotted places; what follows the second dot is the name of a column."""
    plain: dict[str, Any] = {key: value for key, value in block.items() if key != "axes"}
    for place, value in values.items():
        *path, last = place.split(".", 2 if place.startswith(("train.", "test.")) else 1)
        inner = plain
        for name in path:
            inner[name] = dict(inner.get(name, {}))
            inner = inner[name]
        inner[last] = value
    return plain


def short(axis: str) -> str:
    """Name a coordinate.

    >>> [short(axis) for axis in ("train.where.domain", "train.per_class", "options.C", "test_view")]
    ['train domain', 'per_class', 'C', 'test_view']
    """
    parts = axis.split(".", 2)
    if parts[0] == "options":
        return axis.partition(".")[2]
    if parts[-1] == "per_class":
        return "per_class"
    return " ".join(part for part in parts if part != "where" or part is parts[-1])


def _leads_somewhere(parts: list[str]) -> bool:
    if parts[0] in ("train", "test", "background"):
        return parts[1:] == ["per_class"] or (len(parts) == 3 and parts[1] in ("where", "unless"))
    return len(parts) > 1 if parts[0] == "options" else len(parts) == 1 and parts[0] in _PLAIN


def _check_plain(name: str, value: Any, where: str) -> None:
    """Refuse a value that cannot stand at this place of a block."""
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) for item in items):
        raise MorelliError(f"{where}: values of {name} are words and numbers, or lists of them, not {value!r}.")
    if name in _FLAGS and not isinstance(value, bool):
        raise MorelliError(f"{where}: {name} is true or false, not {value!r}.")
    if name in ("attributor", "test_view") and not isinstance(value, str):
        raise MorelliError(f"{where}: {name} is a word, not {value!r}.")
    if name == "train_views" and not all(isinstance(item, str) for item in items):
        raise MorelliError(f"{where}: {name} are words, not {value!r}.")


def tables_of(document: Mapping[str, Any], kind: str, path: Path) -> list[Any]:
    """Return the tables ``[[kind]]`` of a document.

    Raises
    ------
    MorelliError
        They are not given as such.
    """
    tables = document.get(kind, [])
    if not isinstance(tables, list):
        raise MorelliError(f"{path}: write [[{kind}]], with two brackets, as there may be several.")
    return tables
