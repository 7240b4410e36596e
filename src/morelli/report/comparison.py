"""A comparison of attributors as a table (terminal, CSV, JSON) and as one HTML page."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from morelli._files import write_text
from morelli._text import safe_text
from morelli.report import _comparison_figures as figures
from morelli.report._page import render
from morelli.report._text import NOTHING, decimal, number, per_hundred, signed, span

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from morelli.trials import Comparison, Score

__all__ = ["comparison_csv", "comparison_headline", "comparison_table", "render_comparison", "write_comparison"]


def comparison_headline(comparison: Comparison) -> str:
    """Say in one sentence who is best with most references, by how much, beside chance and the container."""
    rows = comparison.at(comparison.references[-1])
    best = rows[0]
    if best.accuracy is None:
        return "Nothing could be measured: no image of a candidate was judged."
    parts = [
        f"{best.attributor} names the right model for {per_hundred(best.accuracy)} of 100 images "
        f"(95% interval {span(best.low, best.high)})"
    ]
    if len(rows) > 1 and rows[1].behind is not None:
        second = rows[1]
        sure = "" if second.behind_low is None or second.behind_low > 0 else ", which may be chance"
        parts.append(f"{second.attributor} is {per_hundred(second.behind)} points behind{sure}")
    parts.append(f"chance {per_hundred(comparison.chance)}")
    parts.append(
        "the container floor was not measured"
        if comparison.nuisance is None
        else f"the container alone {per_hundred(comparison.nuisance)}"
    )
    return "; ".join(parts) + "."


def comparison_table(comparison: Comparison) -> Table:
    """Return the scores as a table for `rich`; shares are out of 100."""
    from rich import box
    from rich.table import Table

    several = len(comparison.references) > 1 or comparison.references[0] is not None
    hidden = comparison.hide > 0
    silent = any(score.n_unanswered for score in comparison.scores)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("attributor", overflow="fold")
    if several:
        table.add_column("refs", justify="right")
    for name in ("right", "95%", "behind the best", "top 3", "lineage", "log loss", "ECE", "in set", "set", "half"):
        table.add_column(name, justify="right")
    if silent:
        table.add_column("no answer", justify="right")
    if hidden:
        table.add_column("AUROC", justify="right")
    for name in ("fit s", "judge µs"):
        table.add_column(name, justify="right")
    for count in comparison.references:
        for row in comparison.at(count):
            # Only the name is a stranger's word; printed as such, the thin spaces of numbers would be spelled out.
            cells: list[str | Text] = [safe_text(row.attributor)]
            if several:
                cells.append("all" if count is None else str(count))
            cells += [
                per_hundred(row.accuracy),
                span(row.low, row.high),
                _behind(row),
                per_hundred(row.top3),
                per_hundred(row.lineage),
                decimal(row.log_loss),
                per_hundred(row.ece),
                per_hundred(row.coverage),
                decimal(row.set_size, 1),
                per_hundred(row.right_at_half),
                *([f"{number(row.n_unanswered)} of {number(row.n)}"] if silent else []),
                *([decimal(row.unknown_auroc)] if hidden else []),
                decimal(row.fit_seconds),
                number(round(row.judge_microseconds)),
            ]
            table.add_row(*cells)
        table.add_section()
    return table


def comparison_csv(comparison: Comparison) -> str:
    """Return the scores as CSV, one row for each attributor and number of references, shares in [0, 1]."""
    from morelli.trials import Score

    names = [field.name for field in fields(Score) if field.name != "risk_curve"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, "chance", "nuisance", "seed"])
    for row in comparison.scores:
        values = [getattr(row, name) for name in names]
        shown = ["" if value is None else value for value in values]
        nuisance = "" if comparison.nuisance is None else comparison.nuisance
        writer.writerow([*shown, comparison.chance, nuisance, comparison.seed])
    return stream.getvalue()


def render_comparison(comparison: Comparison, *, title: str) -> str:
    """Render a comparison as a whole HTML document that loads nothing from anywhere.

    Parameters
    ----------
    comparison : Comparison
    title : str
        Plain text; escaped.
    """
    from markupsafe import Markup

    most = comparison.references[-1]
    curve = len([count for count in comparison.references if count is not None]) > 1
    return render(
        "comparison.html",
        title=title,
        c=comparison,
        headline=comparison_headline(comparison),
        most=most,
        silent=any(score.n_unanswered for score in comparison.scores),
        groups=[(count, comparison.at(count)) for count in reversed(comparison.references)],
        figures={
            "accuracy": Markup(figures.accuracy_figure(comparison, most)),
            "references": Markup(figures.references_figure(comparison)) if curve else "",
            "refusal": Markup(figures.refusal_figure(comparison, most)),
        },
    )


def write_comparison(comparison: Comparison, folder: Path, *, title: str) -> list[Path]:
    """Write ``comparison.json``, ``comparison.csv`` and ``comparison.html`` into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(comparison.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    texts = {
        "comparison.json": document,
        "comparison.csv": comparison_csv(comparison),
        "comparison.html": render_comparison(comparison, title=title),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _behind(row: Score) -> str:
    if row.behind is None:
        return NOTHING
    if row.behind == 0.0 and row.behind_low == 0.0 == row.behind_high:
        return "best"
    low, high = signed(row.behind_low), signed(row.behind_high)
    return f"{signed(row.behind)} ({low} to {high})"
