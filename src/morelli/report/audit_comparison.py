"""Two audits side by side, as a page, as JSON and for the terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from morelli._files import write_text
from morelli.report._findings import findings_grid, json_ready, meter_of
from morelli.report._page import render
from morelli.report._study_tables import table_rich
from morelli.report._text import clean, per_hundred, signed
from morelli.studies.findings import Column, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from morelli.audit.campaign import AuditComparison

__all__ = ["audit_comparison_tables", "comparison_sentences", "render_audit_comparison", "write_audit_comparison"]

_PAGE: Final = "comparison.html"
_DOCUMENT: Final = "comparison.json"


def comparison_sentences(found: AuditComparison) -> list[str]:
    """Say what changed, the most important first."""
    old, new, counts = found.before, found.after, found.counts
    sentences = []
    if old.outcome == new.outcome:
        sentences.append(f"Both audits end with “{new.outcome}”.")
    else:
        sentences.append(f"The outcome changed from “{old.outcome}” to “{new.outcome}”.")
    clear = [one for one in found.shares if one.low > 0 or one.high < 0]
    if clear:
        words = "; ".join(
            f"{one.name} {per_hundred(one.before)} to {per_hundred(one.after)} of 100 "
            f"(difference {signed(one.low)} to {signed(one.high)} points)"
            for one in clear[:4]
        )
        sentences.append(f"Shares that changed by more than their intervals: {words}.")
    elif found.shares:
        sentences.append("No share changed by more than its interval allows for.")
    sentences.append(
        f"Files: {counts['same']:,} the same, {counts['new']:,} new, {counts['gone']:,} gone, {counts['changed']:,} "
        f"with other bytes, {counts['moved']:,} moved; of {counts['images in both']:,} images in both, "
        f"{counts['judged otherwise']:,} are judged otherwise."
    )
    sentences.append("The bundle is the same." if found.same_bundle else "The bundle is not the same.")
    return sentences


def audit_comparison_tables(found: AuditComparison, width: int = 100) -> list[RichTable]:
    """Return the tables of a comparison for `rich`, so wide at most."""
    return [table_rich(table, width) for table in _tables(found)[:2] if table.rows]


def render_audit_comparison(found: AuditComparison) -> str:
    """Render a comparison as a whole HTML document that loads nothing from anywhere."""
    return render(
        "audit_comparison.html",
        title="Two audits compared",
        c=found,
        sentences=[clean(sentence) for sentence in comparison_sentences(found)],
        tables=[(table, findings_grid(table), meter_of(table)) for table in _tables(found) if table.rows],
    )


def write_audit_comparison(found: AuditComparison, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``comparison.html`` and ``comparison.json``, each wholly or not at all; return them in this order."""
    folder = Path(folder)
    document = json.dumps(json_ready(found.to_dict()), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    page = render_audit_comparison(found)
    write_text(folder / _DOCUMENT, document)
    write_text(folder / _PAGE, page)
    return [folder / _PAGE, folder / _DOCUMENT]


def _tables(found: AuditComparison) -> list[Table]:
    columns = (
        Column("name", "what"), Column("before", "before, of 100", "share"), Column("after", "after", "share"),
        Column("difference", "difference", "difference"), Column("low", "95% from", "difference"),
        Column("high", "to", "difference"),
    )  # fmt: skip
    tables = [
        Table(name, title, columns, tuple((d.name, d.before, d.after, d.difference, d.low, d.high) for d in rows))
        for name, title, rows in (
            ("shares", "Estimated shares of the sources", found.shares),
            ("decisions", "Decisions, of the different images", found.decisions),
        )
    ]
    changes = tuple((one.name, one.kind, one.before, one.after) for one in found.changes)
    heads = (Column("name", "file"), Column("kind", "what"), Column("before", "before"), Column("after", "after"))
    note = "Of many, some; comparison.json has no more."
    return [*tables, Table("changes", "Images that are not as they were", heads, changes, note)]
