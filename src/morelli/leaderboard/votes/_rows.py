"""Dataclasses of results as rows of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from math import isfinite
from typing import Any

import pyarrow as pa

from morelli.leaderboard.votes.rigging import Needed
from morelli.studies.findings import Column, Value

__all__ = ["long_table", "reached_share", "row_of"]


def row_of(one: Any, columns: Sequence[Column]) -> tuple[Value, ...]:
    values = asdict(one)
    if isinstance(one, Needed):
        values["reached"] = reached_share(one)
    return tuple(_plain(values[column.name]) for column in columns)


def reached_share(row: Needed) -> float | None:
    return row.reached / row.simulations if row.simulations else None


def _plain(value: Any) -> Value:
    return None if isinstance(value, float) and not isfinite(value) else value


def long_table(rows: Sequence[Any], kind: type) -> pa.Table:
    """Return dataclasses as a table; a column without any value is one of numbers."""
    columns = {}
    for field in fields(kind):
        values = [_plain(getattr(row, field.name)) for row in rows]
        nothing = all(value is None for value in values)
        columns[field.name] = pa.array(values, pa.float64() if nothing else None)
    return pa.table(columns)
