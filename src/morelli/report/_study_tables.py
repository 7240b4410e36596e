"""The tables of studies for pages, papers, spreadsheets and the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from morelli._text import FORMULA, safe_text
from morelli.report._text import NOTHING, clean, decimal, number, per_hundred, shorten, signed

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from morelli.studies.findings import Column, Table

__all__ = [
    "FORMULA",
    "csv_field",
    "python_value",
    "shown",
    "table_csv",
    "table_latex",
    "table_markdown",
    "table_rich",
]

Value = str | int | float | bool | None

_LONGEST: Final = 34

_LATEX: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "µ": r"$\mu$",
    "×": r"$\times$", "→": r"$\rightarrow$", "±": r"$\pm$", "\u202f": r"\,", "\u00a0": "~", "“": "``", "”": "''",
    "‘": "`", "’": "'", "`": r"\textasciigrave{}", "\ufffd": "?",
    # After the end of a row these would be read as its options, and two hyphens as a dash.
    "[": "{[}", "]": "{]}", "*": "{*}", "-": "-{}",
}  # fmt: skip
_LATEX_PATTERN: Final = re.compile("|".join(re.escape(c) for c in _LATEX if c != "-") + "|-(?=-)")
_MARKDOWN_PATTERN: Final = re.compile(r"([\\`*_\[\]<>|~#$&])")


def python_value(value: Any) -> Any:
    """Return a scalar of numpy's as Python's own, and None for a number that is none."""
    own = value.item() if hasattr(value, "item") else value
    return None if isinstance(own, float) and not isfinite(own) else own


def shown(value: Value, kind: str, *, thin: bool = False) -> str:
    """Return a value as people read it.

    Parameters
    ----------
    value : str, int, float, bool or None
        Text is shown as it is, whatever the column's kind.
    kind : {"text", "count", "share", "difference", "number", "p"}
        See `morelli.studies.findings.Column`.
    thin : bool
        Whether thousands are set apart by thin spaces.

    Examples
    --------
    >>> [shown(*pair) for pair in ((0.624, "share"), (-0.031, "difference"), (1200, "count"), (0.0002, "p"))]
    ['62', '−3.1', '1200', '<0.001']
    """
    value = python_value(value)
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "count":
        return number(round(value)) if thin else str(round(value))
    if kind == "share":
        return per_hundred(value).replace("-", "−")
    if kind == "difference":
        return signed(value)
    if kind == "number":
        return decimal(value)
    if kind == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.01 else f"{value:.2f}"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def csv_field(value: Value) -> str:
    """Return one field of a CSV file, in full precision; text that a spreadsheet would run gets an apostrophe first."""
    value = python_value(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    text = clean(value)
    text = f"'{text}" if text.startswith(FORMULA) else text
    return '"' + text.replace('"', '""') + '"' if not text or any(c in text for c in ',"\r\n') else text


def table_csv(table: Table) -> str:
    """Return a table as CSV: the columns' names, raw values in full precision, nothing where one is undefined."""
    rows = [[column.name for column in table.columns], *table.rows]
    return "".join(",".join(map(csv_field, row)) + "\n" for row in rows)


def table_markdown(table: Table) -> str:
    """Return a table as Markdown (pipes), its title above and its note below."""
    heads = [_markdown(column.title) for column in table.columns]
    rules = ["---" if column.kind == "text" else "---:" for column in table.columns]
    lines = [f"**{_markdown(table.title)}**", "", _piped(heads), _piped(rules)]
    lines += [_piped([_markdown(text) for text in _cells(row, table.columns)]) for row in table.rows]
    if table.note:
        lines += ["", _markdown(table.note)]
    return "\n".join(lines) + "\n"


def table_latex(table: Table) -> str:
    """Return a table as LaTeX; it needs the package ``booktabs``, and fonts in T1 encoding."""
    columns = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    caption = _latex(table.title) + "." + (f" {_latex(table.note)}" if table.note else "")
    lines = [
        "% \\usepackage[T1]{fontenc}, \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9:-]', '-', table.name)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _ampersands([_latex(column.title) for column in table.columns]),
        r"\midrule",
        *(_ampersands([_latex(text) for text in _cells(row, table.columns)]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def table_rich(table: Table, width: int = 100) -> RichTable:
    """Return a table for `rich`; nothing in it is read as markup.

    A terminal is narrow. What is the same word in all of several rows is said once, beside the title; the ends of an
    interval share a column; long words lose their middle; and columns that find no room are left out, the last first.

    Parameters
    ----------
    table : Table
    width : int, default 100
        Characters that there are.
    """
    from rich import box
    from rich.table import Table as RichTable

    texts = [i for i, column in enumerate(table.columns) if column.kind == "text"]
    same = [i for i in texts if len(table.rows) > 1 and len({row[i] for row in table.rows}) == 1]
    said = ", ".join(f"{table.columns[i].title} {shown(table.rows[0][i], 'text')}" for i in same)
    columns = [_Shown.of(table, i) for i in range(len(table.columns)) if i not in same]
    for i in range(len(columns) - 2, -1, -1):
        if columns[i].title.endswith("% from") and columns[i + 1].title == "to":
            columns[i : i + 2] = [columns[i].until(columns[i + 1])]
    while len(columns) > 2 and sum(one.width + 3 for one in columns) > width:
        # Text says what a row is about; of the figures those at the end say least, but for the number of images.
        spare = [one for one in columns if not one.text and one.title != "n"] or columns
        columns.remove(spare[-1])
    title = " ".join(part for part in (table.title, f"({said})" if said else "") if part)
    found = RichTable(
        box=box.SIMPLE_HEAD, title=safe_text(clean(title), style="bold") if title else None, title_justify="left"
    )
    for one in columns:
        side: Any = "left" if one.text else "right"
        found.add_column(safe_text(clean(one.title)), justify=side, no_wrap=not one.text, overflow="fold")
    for row in zip(*(one.cells for one in columns), strict=True):
        # Only text is a stranger's; made printable, the thin spaces of numbers would be spelled out.
        found.add_row(*(safe_text(cell) if one.text else cell for cell, one in zip(row, columns, strict=True)))
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column on its way to a terminal."""

    title: str
    cells: tuple[str, ...]
    text: bool

    @classmethod
    def of(cls, table: Table, i: int) -> _Shown:
        column = table.columns[i]
        values = [row[i] for row in table.rows]
        cells = [shorten(v, _LONGEST) if isinstance(v, str) else shown(v, column.kind, thin=True) for v in values]
        # A word among numbers is a stranger's as well.
        return cls(column.title, tuple(cells), column.kind == "text" or any(isinstance(v, str) for v in values))

    def until(self, high: _Shown) -> _Shown:
        """Return one column for an interval."""
        pairs = zip(self.cells, high.cells, strict=True)
        return _Shown(
            self.title.split()[-2], tuple(NOTHING if low == NOTHING else f"{low} to {end}" for low, end in pairs), False
        )

    @property
    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells), 1)


def _cells(row: Sequence[Value], columns: Sequence[Column]) -> list[str]:
    return [shown(value, column.kind) for value, column in zip(row, columns, strict=True)]


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ampersands(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _markdown(text: str) -> str:
    return _MARKDOWN_PATTERN.sub(r"\\\1", _one_line(text))


def _latex(text: str) -> str:
    return _LATEX_PATTERN.sub(lambda hit: _LATEX[hit[0]], _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(clean(text).split()) if any(c in text for c in "\n\r\t\v\f\u2028\u2029\x85") else clean(text)
