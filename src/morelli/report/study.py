"""A study on disk: one page, its figures and tables for papers, and all that was measured as long tables."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from morelli._files import write_text
from morelli.report._findings import (
    ROWS_UP_TO,
    Drawn,
    Grid,
    draw,
    findings_grid,
    findings_to_dict,
    has_paper,
    inside_page,
    json_ready,
    meter_of,
    sort_value,
    with_file_names,
)
from morelli.report._page import render
from morelli.report._study_files import remove_stale, write_bytes, write_long
from morelli.report._study_tables import python_value, shown, table_rich
from morelli.report._text import clean, number

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table as RichTable

    from morelli.studies.study_result import StudyResult

__all__ = ["render_study", "study_headline", "study_table", "study_to_dict", "write_study"]

SCHEMA_VERSION: Final = 1
_LONG: Final = ("cells", "classes", "confusion", "predictions")
_CLASS_ROWS_UP_TO = 400


def study_headline(result: StudyResult) -> str:
    """Return the first sentence of what was found."""
    sentences = result.findings.sentences
    return clean(sentences[0]) if sentences else "Nothing could be measured: no trial of this study has a result."


def study_table(result: StudyResult, width: int = 100) -> RichTable | None:
    """Return the first table of what was found for `rich`, so wide at most, or None if there is none."""
    tables = result.findings.tables
    return table_rich(tables[0], width) if tables else None


def study_to_dict(result: StudyResult) -> dict[str, Any]:
    """Return a study without its long tables, JSON-ready; a number that is none becomes None.

    Returns
    -------
    dict
        ``schema_version``, ``name``, ``title``, ``question``, ``paper``, ``findings`` (``sentences``, ``tables``,
        ``charts`` each with its ``kind``, ``notes``, ``values``), ``missing`` and ``provenance``.
    """
    # Not by asdict, which copies mappings, and cannot copy all kinds of them.
    provenance = {field.name: getattr(result.provenance, field.name) for field in fields(result.provenance)}
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": result.name,
        "title": result.title,
        "question": result.question,
        "paper": result.paper,
        "findings": findings_to_dict(result.findings),
        "missing": result.missing,
        "provenance": provenance,
    }
    ready: dict[str, Any] = json_ready(document)
    return ready


def render_study(result: StudyResult) -> str:
    """Render a study as a whole HTML document that loads nothing from anywhere.

    Its links lead to the files that `write_study` puts beside it.
    """
    result = replace(result, findings=with_file_names(result.findings))
    return _page(result, draw(result.findings))


def write_study(result: StudyResult, folder: Path) -> list[Path]:
    """Write a study: the page, JSON, figures and tables for papers, and the long tables.

    ``study.html`` and ``study.json``; ``cells``, ``classes``, ``confusion`` and ``predictions`` as Parquet and CSV;
    every table as ``tables/NAME.csv``, ``.md`` and ``.tex``; every chart as ``figures/NAME.svg`` and ``.png``. Tables
    and figures that an earlier study left in `folder` and that this one does not make are removed. The same result
    gives the same bytes.

    Parameters
    ----------
    result : StudyResult
    folder : Path
        Made if need be.

    Returns
    -------
    list of Path
        The files, the page first.
    """
    result = replace(result, findings=with_file_names(result.findings))
    # All is drawn before anything is written, so that what cannot be drawn leaves an earlier study whole.
    drawn = draw(result.findings)
    page = _page(result, drawn)
    document = study_to_dict(result)
    document["files"] = sorted(drawn.files)
    listing = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    folder.mkdir(parents=True, exist_ok=True)
    long = [path for name in _LONG for path in write_long(getattr(result, name), folder, name)]
    for name, text in drawn.texts.items():
        write_text(folder / name, text)
    for name, data in drawn.images.items():
        write_bytes(folder / name, data)
    remove_stale(folder, document["files"])
    write_text(folder / "study.json", listing)
    write_text(folder / "study.html", page)
    return [folder / "study.html", folder / "study.json", *long, *(folder / name for name in drawn.files)]


def _page(result: StudyResult, drawn: Drawn) -> str:
    findings = result.findings
    n_cells, shown_cells, classes = _first_cells(result.classes, result.cells)
    return render(
        "study.html",
        title=result.title,
        r=result,
        headline=study_headline(result),
        figures=inside_page(drawn.figures),
        tables=[(table, findings_grid(table), meter_of(table)) for table in findings.tables],
        cells=_long_grid(result.cells, result.cells.slice(0, ROWS_UP_TO)),
        classes=_long_grid(result.classes, classes),
        n_cells=n_cells,
        shown_cells=shown_cells,
        options=json.dumps(json_ready(result.provenance.options), ensure_ascii=False, indent=2, sort_keys=True),
        has_paper=has_paper(findings.charts),
    )


def _long_grid(whole: pa.Table, part: pa.Table) -> Grid:
    import pyarrow as pa

    numeric = [pa.types.is_floating(f.type) or pa.types.is_integer(f.type) for f in part.schema]
    columns = [column.to_pylist() for column in part.columns]
    rows = tuple(tuple((_raw(value), sort_value(value)) for value in row) for row in zip(*columns, strict=True))
    heads = tuple((name.replace("_", " "), n) for name, n in zip(part.column_names, numeric, strict=True))
    return Grid(heads, rows, whole.num_rows)


def _first_cells(classes: pa.Table, cells: pa.Table) -> tuple[int, int, pa.Table]:
    """Return how many cells there are, how many are shown, and the rows of those: whole cells as far as there is room.

    The columns that come first in `classes` and are in `cells` too are a cell's coordinates.
    """
    keys = []
    for name in classes.column_names:
        if name not in cells.column_names:
            break
        keys.append(name)
    part = classes.select(keys).to_pylist() if keys else [{}] * classes.num_rows
    starts = [i for i, row in enumerate(part) if i == 0 or row != part[i - 1]]
    ends = [*starts[1:], len(part)] if starts else []
    fitting = [end for end in ends if end <= _CLASS_ROWS_UP_TO]
    n_shown = len(fitting) if fitting or not ends else 1
    last = fitting[-1] if fitting else min(_CLASS_ROWS_UP_TO, len(part))
    return len(starts), n_shown, classes.slice(0, last)


def _raw(value: Any) -> str:
    """Return a value of a long table as it is in its file, rounded."""
    own = python_value(value)
    if isinstance(own, float):
        return f"{own:.3f}".replace("-", "−") if abs(own) < 1000 else number(round(own))
    if isinstance(own, (list, dict)):
        return json.dumps(json_ready(own), ensure_ascii=False)
    return shown(own, "text")
