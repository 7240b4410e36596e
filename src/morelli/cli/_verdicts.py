"""Verdicts as lines of JSON, CSV and a table for people, and pooled verdicts after them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from morelli._text import inert, printable, storable

if TYPE_CHECKING:
    from morelli.attributors import PooledVerdict, Verdict

__all__ = ["COLUMNS", "DECISION_STYLES", "csv_writer", "json_writer", "pooled_writer", "table_writer"]

COLUMNS: Final = (
    "uri", "image_id", "decision", "label", "probability", "lineage", "lineage_probability",
    "prediction_set", "open_set_p", "bucket", "bundle_id", "error", "provenance", "provenance_reason",
)  # fmt: skip

DECISION_STYLES: Final = {
    "attributed": "green",
    "ambiguous": "yellow",
    "unknown": "magenta",
    "unreadable": "red",
    "conflict": "bold red",
}
_NAMES_SHOWN: Final = 3


def json_writer() -> Callable[[Verdict | PooledVerdict], None]:
    """Return what writes a verdict of either kind as one line of JSON."""

    def write(verdict: Verdict | PooledVerdict) -> None:
        sys.stdout.write(verdict.to_json() + "\n")
        sys.stdout.flush()

    return write


def csv_writer() -> Callable[[Verdict], None]:
    """Write the header; return what writes a verdict as one record."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(verdict: Verdict) -> None:
        row = (
            verdict.uri, verdict.image_id, verdict.decision, verdict.label, verdict.probability, verdict.lineage.label,
            verdict.lineage.probability, "|".join(verdict.prediction_set), verdict.open_set_p,
            verdict.quality.get("bucket"), verdict.bundle["id"], verdict.error,
            verdict.provenance.get("outcome"), verdict.provenance.get("reason"),
        )  # fmt: skip
        writer.writerow([inert(value) if isinstance(value, str) else value for value in row])
        sys.stdout.flush()

    return write


def table_writer() -> Callable[[Verdict], None]:
    """Write the heading; return what writes a verdict as one line for people."""
    from rich.console import Console
    from rich.text import Text

    from morelli.provenance import pixels_only

    console = Console(highlight=False)
    console.print(Text(f"{'decision':<11} {'prob.':>6}  {'open-set p':>10}  answer  <- image", style="bold"))

    def write(verdict: Verdict) -> None:
        if verdict.decision == "unreadable":
            answer = (verdict.error or "").removeprefix(f"{storable(verdict.uri)}: ")
        else:
            answer = _answer(pixels_only(verdict))  # a conflict is with what the pixels say: that is shown
        probability = "" if verdict.probability is None else f"{100 * verdict.probability:.1f}%"
        p = "" if verdict.open_set_p is None else f"{verdict.open_set_p:.3f}"
        line = Text(f"{verdict.decision:<11}", style=DECISION_STYLES.get(verdict.decision, ""))
        line.append(f" {probability:>6}  {p:>10}  ", style="default")
        line.append(printable(answer), style="bold default")
        line.append(f"  <- {printable(verdict.uri)}", style="dim default")
        console.print(line, soft_wrap=True)
        if outcome := verdict.provenance.get("outcome"):
            style = "red" if outcome == "conflict" else "default"
            told = Text(f"{'':<11} declared: {outcome}", style=style)
            told.append(f". {printable(str(verdict.provenance.get('reason', '')))}", style="dim default")
            console.print(told, soft_wrap=True)

    return write


def pooled_writer() -> Callable[[PooledVerdict], None]:
    """Return what writes a pooled verdict as a paragraph for people."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)

    def write(pooled: PooledVerdict) -> None:
        of = "All images" if pooled.folder is None else pooled.folder
        line = Text(f"\n{printable(of)} together: ")
        line.append(pooled.decision, style=DECISION_STYLES[pooled.decision])
        if pooled.decision != "unreadable":
            line.append(f"  {printable(_answer(pooled))}", style="bold default")
        if pooled.probability is not None:
            whose = f"{printable(pooled.label or '')} " if pooled.decision == "ambiguous" else ""
            line.append(f"  ({whose}{100 * pooled.probability:.1f}%)", style="default")
        console.print(line, soft_wrap=True)
        console.print(Text(printable(pooled.counts)), soft_wrap=True)

    return write


def _answer(verdict: Verdict | PooledVerdict) -> str:
    if verdict.decision == "unknown":
        return f"none of the candidates (least unlike: {verdict.candidates[0].model})"
    if verdict.decision == "ambiguous":
        names = list(verdict.prediction_set)
        shown = " or ".join(names[:_NAMES_SHOWN])
        shown += f" or {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return shown + (f"; lineage {verdict.lineage.label}" if verdict.lineage.settled else "")
    return verdict.label or ""
