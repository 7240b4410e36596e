"""What a study found, as plain values: sentences, tables and charts. How they look is up to `morelli.report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Bar",
    "BarChart",
    "Chart",
    "Column",
    "Findings",
    "HeatMap",
    "Level",
    "LineChart",
    "Point",
    "ScatterChart",
    "Series",
    "Table",
]

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        For files: lower-case, words joined by underscores.
    title : str
        For people.
    kind : {"text", "count", "share", "difference", "number", "p"}
        How values are shown: as they are; whole; a share in [0, 1] out of 100; a difference of shares, with its sign,
        in points; two decimals; a p-value.
    """

    name: str
    title: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of results.

    Attributes
    ----------
    name : str
        For files and anchors: lower-case words joined by hyphens, unique in the study.
    title : str
        A sentence without a full stop.
    columns : tuple of Column
    rows : tuple of tuple
        One value for each column; None is undefined.
    note : str
        What a reader needs to know to read it.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a line: a share in [0, 1] at `x`, with its 95% interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart.

    Attributes
    ----------
    name : str
    points : tuple of Point
        By x.
    paper : bool
        The figures are a paper's, and not ours.
    fitted : bool
        The line is a fitted curve, drawn without marks and in the colour of the series before it.
    """

    name: str
    points: tuple[Point, ...]
    paper: bool = False
    fitted: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A line at a share in [0, 1], such as chance or the nuisance floor."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Shares against a number.

    Attributes
    ----------
    name, title : str
        As for `Table`.
    x_label, y_label : str
    series : tuple of Series
    levels : tuple of Level
    log_x : bool
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    log_x: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a share in [0, 1], with its interval; those of one `group` share a colour."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    group: str = ""
    paper: bool = False


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars, the first above.

    Attributes
    ----------
    name, title : str
        As for `Table`.
    x_label : str
    bars : tuple of Bar
    levels : tuple of Level
    """

    name: str
    title: str
    x_label: str
    bars: tuple[Bar, ...]
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A matrix of shares, or of differences of shares.

    Attributes
    ----------
    name, title : str
        As for `Table`.
    row_label, column_label : str
    rows, columns : tuple of str
    values : tuple of tuple of (float or None)
        One tuple for each row.
    signed : bool
        Values are differences in [-1, 1], coloured by sign.
    """

    name: str
    title: str
    row_label: str
    column_label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    signed: bool = False


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Points in a plane, with names.

    Attributes
    ----------
    name, title : str
        As for `Table`.
    x_label, y_label : str
    points : tuple of (str, float, float)
        Name, x and y.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    points: tuple[tuple[str, float, float], ...]


Chart = LineChart | BarChart | HeatMap | ScatterChart


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a study found.

    Attributes
    ----------
    sentences : tuple of str
        The answer in words, the most important first; each carries its figures.
    tables : tuple of Table
    charts : tuple of Chart
    notes : tuple of str
        What a reader must know before relying on it.
    values : mapping of str to Any
        Figures by name, JSON-ready, for programs and benchmarks.
    unanswered : bool
        Whether nothing was measured of what the study asks about, whatever stands beside it: commands end with 1.
    """

    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    values: Mapping[str, Any] | None = None
    unanswered: bool = False
