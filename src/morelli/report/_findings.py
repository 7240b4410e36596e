"""Findings on their way to pages and files: drawn, written as tables for papers, and as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from morelli.report._study_charts import chart_png, chart_svg
from morelli.report._study_drawing import slug
from morelli.report._study_tables import python_value, shown, table_csv, table_latex, table_markdown
from morelli.report._svg import unthemed
from morelli.report._text import clean
from morelli.studies.findings import BarChart, Chart, Findings, HeatMap, LineChart, ScatterChart, Table

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = [
    "ROWS_UP_TO",
    "Drawn",
    "Grid",
    "draw",
    "findings_grid",
    "findings_to_dict",
    "has_paper",
    "inside_page",
    "json_ready",
    "meter_of",
    "sort_value",
    "with_file_names",
]

ROWS_UP_TO = 200
"""Rows of a table that a page shows."""

_KINDS: Final = {LineChart: "line", BarChart: "bar", HeatMap: "heat", ScatterChart: "scatter"}
# A page opens at once while it has a few megabytes; the files beside it hold everything.
_FIGURES_UP_TO = 2_500_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """All files of some findings.

    Attributes
    ----------
    figures : dict of str to str
        SVG of each chart for a page, by the chart's name.
    texts : dict of str to str
        Files, by path.
    images : dict of str to bytes
        Likewise.
    """

    figures: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """Paths of all files, texts first."""
        return [*self.texts, *self.images]


def draw(findings: Findings) -> Drawn:
    """Draw the charts and write the tables of findings whose names files can have, see `with_file_names`."""
    drawn = Drawn()
    for chart in findings.charts:
        drawn.figures[chart.name] = chart_svg(chart)
        drawn.texts[f"figures/{chart.name}.svg"] = unthemed(drawn.figures[chart.name]) + "\n"
        drawn.images[f"figures/{chart.name}.png"] = chart_png(chart)
    for table in findings.tables:
        drawn.texts[f"tables/{table.name}.csv"] = table_csv(table)
        drawn.texts[f"tables/{table.name}.md"] = table_markdown(table)
        drawn.texts[f"tables/{table.name}.tex"] = table_latex(table)
    return drawn


def inside_page(figures: Mapping[str, str]) -> dict[str, Markup]:
    """Return the figures that a page has room for; the others are in files beside it."""
    from markupsafe import Markup

    inside: dict[str, Markup] = {}
    room = _FIGURES_UP_TO
    for name, text in figures.items():
        size = len(text.encode())
        if size <= room:
            inside[name] = Markup(text)
            room -= size
    return inside


def findings_to_dict(findings: Findings) -> dict[str, Any]:
    """Return findings as a mapping; `json_ready` makes it fit for JSON."""
    return {
        "sentences": findings.sentences,
        "tables": [asdict(table) for table in findings.tables],
        "charts": [{"kind": _KINDS[type(chart)], **asdict(chart)} for chart in findings.charts],
        "notes": findings.notes,
        "values": findings.values or {},
    }


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of a table as a page shows them: heads with whether they are numbers, cells as (text, value to sort by)."""

    heads: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[tuple[str, float | None], ...], ...]
    total: int


def findings_grid(table: Table) -> Grid:
    """Return the first rows of a table for a page."""
    rows = tuple(
        tuple(
            (shown(value, column.kind, thin=True), sort_value(value))
            for value, column in zip(row, table.columns, strict=True)
        )
        for row in table.rows[:ROWS_UP_TO]
    )
    return Grid(tuple((c.title, c.kind != "text") for c in table.columns), rows, len(table.rows))


def meter_of(table: Table) -> int:
    """Return the column that has bars beside its numbers: the first of shares in [0, 1], or -1."""
    for i, column in enumerate(table.columns):
        values = [python_value(row[i]) for row in table.rows]
        numbers = [v for v in values if isinstance(v, (int, float))]
        if column.kind == "share" and numbers and all(0.0 <= v <= 1.0 for v in numbers):
            return i
    return -1


def has_paper(charts: Sequence[Chart]) -> bool:
    """Say whether a paper's figures stand in a chart."""
    return any(
        any(s.paper for s in chart.series)
        if isinstance(chart, LineChart)
        else isinstance(chart, BarChart) and any(bar.paper for bar in chart.bars)
        for chart in charts
    )


def with_file_names(findings: Findings, prefix: str = "") -> Findings:
    """Return the findings with names that files can have, each once, and all beginning with `prefix`."""
    return replace(findings, tables=_renamed(findings.tables, prefix), charts=_renamed(findings.charts, prefix))


def json_ready(value: Any) -> Any:
    """Return a value with what JSON can hold; a number that is none becomes None."""
    if isinstance(value, Mapping):
        return {clean(key): json_ready(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(entry) for entry in value]
    if isinstance(value, str):
        return clean(value)
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    return python_value(value)


def _renamed(items: Sequence[Any], prefix: str) -> tuple[Any, ...]:
    taken: set[str] = set()
    found = []
    for item in items:
        own = slug(prefix + item.name)
        name, k = own, 1
        while name in taken:
            k += 1
            name = f"{own}-{k}"
        taken.add(name)
        found.append(item if item.name == name else replace(item, name=name))
    return tuple(found)


def sort_value(value: Any) -> float | None:
    """Return the number that a cell is sorted by."""
    own = python_value(value)
    return float(own) if isinstance(own, (int, float)) else None
