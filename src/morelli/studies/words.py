"""Sentences and rows that several studies share."""

from __future__ import annotations

from collections.abc import Sequence

from morelli.studies.findings import Column, Findings, Value
from morelli.trials.cells import Cell

__all__ = ["MEASURED", "interval", "interval_words", "nothing_found", "percent", "row_of"]

MEASURED = (
    Column("accuracy", "right", "share"),
    Column("low", "95% from", "share"),
    Column("high", "to", "share"),
    Column("spread", "spread", "share"),
    Column("chance", "chance", "share"),
    Column("lineage", "lineage", "share"),
    Column("ece", "calibration error", "share"),
    Column("coverage", "sets hold", "share"),
    Column("set_size", "in a set", "number"),
    Column("n", "n", "count"),
)
"""Columns that stand behind every accuracy; see `morelli.trials.cells.MEASURES`."""


def row_of(cell: Cell, columns: Sequence[Column] = MEASURED) -> tuple[Value, ...]:
    """Return a cell's measures in the order of columns."""
    return tuple(cell.measures[column.name] for column in columns)


def percent(share: float | None) -> str:
    """Return a share as a number out of 100, with a decimal where it matters.

    >>> [percent(x) for x in (0.024, 0.6234, 0.998, None)]
    ['2.4', '62', '99.8', 'none']
    """
    if share is None:
        return "none"
    value = 100.0 * share
    return f"{value:.1f}" if abs(value) < 9.95 or 99.0 < value < 99.95 else f"{value:.0f}"


def interval(cell: Cell) -> str:
    """Say what the interval of a cell's accuracy is, and how many images are behind it."""
    return interval_words(*cell.interval, len(cell.hits))


def interval_words(low: float | None, high: float | None, n: int) -> str:
    """Say what a 95% interval of shares is, and how many images are behind it."""
    if low is None or high is None:
        return f"no interval, as all images share one prompt; n {n:,}"
    return f"95% interval {percent(low)} to {percent(high)}, n {n:,}"


def nothing_found(why: str) -> Findings:
    """Return findings without a finding."""
    return Findings(sentences=(why,))
