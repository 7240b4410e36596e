"""The same numbers for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morelli._text import safe_text
from morelli.report._text import NOTHING, decimal, lineage_order, number, per_hundred, signed, span
from morelli.trials import Metrics

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["class_table", "metrics_table"]


def metrics_table(metrics: Metrics, title: str = "") -> Table:
    """Return the headline numbers as a table for `rich`; shares are out of 100.

    Parameters
    ----------
    metrics : Metrics
    title : str
        Plain text; markup in it is not interpreted.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=safe_text(title, style="bold") if title else None, title_justify="left")
    table.add_column("of 100")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    m = metrics
    prompts = "prompt clusters" if m.prompt_known else "clusters; prompts unknown"
    interval = f"95% interval {span(m.accuracy_low, m.accuracy_high)}"
    table.add_row(safe_text("right model", style="bold"), safe_text(per_hundred(m.accuracy), style="bold"), interval)
    if m.n_unanswered:
        note = f"{number(m.n_unanswered)} of {number(m.n)} without an answer count as not right"
        table.add_row("right of the answered", per_hundred(m.accuracy_answered), note)
    table.add_row("chance", per_hundred(m.chance), f"{number(m.n_classes)} candidates")
    table.add_row(
        "container alone", per_hundred(m.nuisance), "the nuisance floor" if m.nuisance is not None else "not measured"
    )
    table.add_row("lift over it", signed(m.lift), "points")
    table.add_row("right within three", per_hundred(m.top3), "")
    table.add_row(
        "right lineage",
        per_hundred(m.lineage_accuracy),
        f"{number(m.n_lineages)} lineages, guessing {per_hundred(m.lineage_chance)}",
    )
    table.add_section()
    for row in m.decisions:
        if row.n:
            judged = row.n_known + row.n_unknown
            note = f"{per_hundred(row.accuracy)} of 100 right, {number(judged)} labelled" if judged else ""
            table.add_row(row.decision, per_hundred(row.share), note)
    table.add_row("right on the surer half", per_hundred(None if m.risk_at_half is None else 1.0 - m.risk_at_half), "")
    table.add_row("calibration error", per_hundred(m.ece), f"Brier {decimal(m.brier)}, log loss {decimal(m.log_loss)}")
    promise = "" if m.target_coverage is None else f"promised {per_hundred(m.target_coverage)}, "
    table.add_row(
        "sets holding the truth", per_hundred(m.coverage), f"{promise}mean size {decimal(m.mean_set_size, 1)}"
    )
    if m.open_set is not None:
        note = f"AUROC × 100; {number(m.open_set.n_unknown)} images of {number(m.open_set.unknown_models)} other models"
        table.add_row("unknown told apart", per_hundred(m.open_set.auroc), note)
    table.add_section()
    counts = [
        f"{number(m.n_unreadable)} unreadable",
        f"{number(m.n_unknown)} of other models",
        f"{number(m.n_unlabelled)} unlabelled",
    ]
    table.add_row("images measured", number(m.n), f"{number(m.n_clusters)} {prompts}; " + ", ".join(counts))
    table.add_row("seed", str(m.seed), f"{number(m.n_boot)} resamples")
    return table


def class_table(metrics: Metrics) -> Table:
    """Return precision and recall of each candidate, relatives together, as a table for `rich`."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("model", "lineage"):
        table.add_column(name, overflow="fold")
    for name in ("n", "precision", "recall"):
        table.add_column(name, justify="right")
    table.add_column("most often called", overflow="fold")
    for i in lineage_order([c.model for c in metrics.per_class], [c.lineage for c in metrics.per_class]):
        row = metrics.per_class[i]
        # Labels come from strangers: as Text, square brackets in them are no markup.
        called = safe_text(f"{row.confused_with} ({per_hundred(row.confused_share)})" if row.confused_with else "")
        table.add_row(
            safe_text(row.model),
            safe_text(row.lineage or NOTHING),
            number(row.support),
            per_hundred(row.precision),
            per_hundred(row.recall),
            called,
        )
    return table
