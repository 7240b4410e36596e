"""What a desk found, on disk: one page with a part for each analysis, and the files behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from morelli._files import write_text
from morelli.errors import MorelliError
from morelli.report._findings import (
    Drawn,
    Grid,
    draw,
    findings_grid,
    findings_to_dict,
    has_paper,
    inside_page,
    json_ready,
    meter_of,
    with_file_names,
)
from morelli.report._page import render
from morelli.report._study_files import remove_stale, write_bytes, write_long
from morelli.report._study_tables import table_rich
from morelli.report._text import clean
from morelli.studies.findings import Findings, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from morelli.studies.section import Section

__all__ = ["render_sections", "section_tables", "sections_headline", "sections_json", "write_sections"]

SCHEMA_VERSION: Final = 1
DESKS: Final = ("leaderboard", "audit")
"""Names that pages and documents may have."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A section as the page shows it."""

    name: str
    title: str
    question: str
    findings: Findings
    tables: tuple[tuple[Table, Grid, int], ...]
    long: tuple[tuple[str, int], ...]


def sections_headline(sections: Sequence[Section]) -> str:
    """Return the first sentence of all."""
    sentences = [sentence for section in sections for sentence in section.findings.sentences]
    return clean(sentences[0]) if sentences else "Nothing could be measured."


def section_tables(section: Section, width: int = 100) -> list[RichTable]:
    """Return the tables of a section for `rich`, so wide at most."""
    return [table_rich(table, width) for table in section.findings.tables]


def render_sections(
    sections: Sequence[Section], *, title: str, provenance: Mapping[str, Any], desk: str = "leaderboard"
) -> str:
    """Render sections as a whole HTML document that loads nothing from anywhere; parameters as for `write_sections`."""
    named = _named(sections)
    return _page(named, [draw(section.findings) for section in named], title, provenance, desk)


def write_sections(
    sections: Sequence[Section],
    folder: Path,
    *,
    title: str,
    provenance: Mapping[str, Any],
    desk: str = "leaderboard",
) -> list[Path]:
    """Write sections: the page, JSON, figures, tables for papers, and the long tables.

    ``DESK.html`` and ``DESK.json``; every long table as ``SECTION-NAME.parquet`` and ``.csv``; every
    table as ``tables/SECTION-NAME.csv``, ``.md`` and ``.tex``; every chart as ``figures/SECTION-NAME.svg`` and
    ``.png``. Tables and figures that an earlier run left in `folder` and that this one does not make are removed. The
    same sections give the same bytes.

    Parameters
    ----------
    sections : sequence of Section, at least one
        With different names.
    folder : Path
        Made if need be.
    title : str
    provenance : mapping of str to Any
        What the results rest on; a ``command`` stands out.
    desk : {"leaderboard", "audit"}, default "leaderboard"
        Whose page it is: the first word of its files.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    MorelliError
        There is no section, or two have one name.
    """
    named = _named(sections)
    # All is drawn before anything is written, so that what cannot be drawn leaves an earlier page whole.
    drawn = [draw(section.findings) for section in named]
    page = _page(named, drawn, title, provenance, desk)
    files = sorted(name for one in drawn for name in one.files)
    listing = _listing(_document(named, title, provenance) | {"files": files})

    folder.mkdir(parents=True, exist_ok=True)
    long = [
        path
        for section in named
        for name, table in section.long.items()
        for path in write_long(table, folder, _long_name(section, name))
    ]
    for one in drawn:
        for name, text in one.texts.items():
            write_text(folder / name, text)
        for name, data in one.images.items():
            write_bytes(folder / name, data)
    document_file, page_file = folder / f"{desk}.json", folder / f"{desk}.html"
    remove_stale(folder, files, document_file.name)
    write_text(document_file, listing)
    write_text(page_file, page)
    return [page_file, document_file, *long, *(folder / name for one in drawn for name in one.files)]


def sections_json(sections: Sequence[Section], *, title: str, provenance: Mapping[str, Any]) -> str:
    """Return the JSON document of sections that are not written; parameters as for `write_sections`."""
    return _listing(_document(sections, title, provenance))


def _document(sections: Sequence[Section], title: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "title": title,
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "question": section.question,
                "findings": findings_to_dict(section.findings),
                "long": [_long_name(section, name) for name in section.long],
            }
            for section in sections
        ],
        "provenance": dict(provenance),
    }


def _listing(document: Mapping[str, Any]) -> str:
    return json.dumps(json_ready(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _named(sections: Sequence[Section]) -> list[Section]:
    names = [section.name for section in sections]
    if not names or len(set(names)) < len(names):
        raise MorelliError(f"A page has one section or more, with different names, not: {', '.join(names) or 'none'}.")
    return [replace(section, findings=with_file_names(section.findings, f"{section.name}-")) for section in sections]


def _long_name(section: Section, name: str) -> str:
    return f"{section.name}-{name}"


def _page(
    sections: Sequence[Section], drawn: Sequence[Drawn], title: str, provenance: Mapping[str, Any], desk: str
) -> str:
    if desk not in DESKS:
        raise ValueError(f"desk is one of {', '.join(DESKS)}, not {desk!r}")
    parts = [
        _Part(
            section.name,
            section.title,
            section.question,
            section.findings,
            tuple((table, findings_grid(table), meter_of(table)) for table in section.findings.tables),
            tuple((_long_name(section, name), table.num_rows) for name, table in section.long.items()),
        )
        for section in sections
    ]
    rest = {name: value for name, value in provenance.items() if name != "command"}
    return render(
        "sections.html",
        desk=desk,
        title=title,
        headline=sections_headline(sections),
        parts=parts,
        figures=inside_page({name: text for one in drawn for name, text in one.figures.items()}),
        command=provenance.get("command"),
        provenance=json.dumps(json_ready(rest), ensure_ascii=False, indent=2),
        has_paper=any(has_paper(section.findings.charts) for section in sections),
    )
