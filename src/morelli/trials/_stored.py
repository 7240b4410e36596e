"""Studies as plain values, with a schema version, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from morelli.errors import MorelliError

__all__ = ["listed", "restored", "stored"]

Study = TypeVar("Study")


def stored(study: Any, schema_version: int) -> dict[str, Any]:
    """Return a study as plain dicts and lists, ready for `json.dumps(..., allow_nan=False)`."""
    plain: dict[str, Any] = listed(dataclasses.asdict(study))
    return {"schema_version": schema_version, **plain}


def restored(
    values: Mapping[str, Any], schema_version: int, what: str, build: Callable[[dict[str, Any]], Study]
) -> Study:
    """Return what `build` makes of values that `stored` gave.

    Raises
    ------
    MorelliError
        If a field is missing, foreign, or of another schema version; `what` names the study in the message.
    """
    plain = dict(values)
    found = plain.pop("schema_version", None)
    if found != schema_version:
        raise MorelliError(f"This {what} has schema version {found!r}; this Morelli reads {schema_version}.")
    try:
        return build(plain)
    except (KeyError, TypeError, ValueError) as problem:
        raise MorelliError(f"This {what} is damaged or of another version ({problem}).") from problem


def listed(value: Any) -> Any:
    """Turn tuples into lists, as JSON would, so that a dict compares equal after a round trip."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [listed(item) for item in value]
    return value
