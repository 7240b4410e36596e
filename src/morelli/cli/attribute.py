"""``morelli attribute``."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import WorkersOption

if TYPE_CHECKING:
    from morelli.attributors import Verdict

__all__ = ["attribute"]

COLUMNS = (
    "uri", "image_id", "decision", "label", "probability", "lineage", "lineage_probability",
    "prediction_set", "open_set_p", "bucket", "bundle_id", "error",
)  # fmt: skip


def attribute(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by morelli fit.")],
    images: Annotated[list[str], typer.Argument(help="Images and folders (recursively); - reads paths from standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    as_table: Annotated[bool, typer.Option("--table", help="A table for people. [default in a terminal]")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with thumbnails and evidence.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if an image could not be judged.")] = False,
    workers: WorkersOption = None,
) -> None:
    """Say which candidate made each image, how surely, and why.

    Every file gets a row, also one that cannot be read. Rows come in the order of the files as soon as they are known.
    Without a format: a table in a terminal, else JSON.

    Examples:

        morelli attribute candidates.morelli suspect.png

        morelli attribute candidates.morelli campaign/ --html campaign.html

        find . -name "*.webp" | morelli attribute candidates.morelli - --csv > verdicts.csv
    """
    from morelli.attributors import Bundle
    from morelli.attributors import attribute as judge

    if as_json + as_csv + as_table > 1:
        raise typer.BadParameter("choose one of --json, --csv and --table")
    loaded = Bundle.load(bundle)
    write = _csv_writer() if as_csv else _table_writer() if as_table or _prefers_table(as_json) else _write_json
    unreadable, kept = 0, []
    for verdict in judge(loaded, _expand(images), workers=workers):
        write(verdict)
        unreadable += verdict.decision == "unreadable"
        if html is not None:
            kept.append(verdict.to_dict())
    if html is not None:
        from morelli.report import write_attributions

        write_attributions(kept, html, title=f"Attribution by {loaded.name} {loaded.version}")
        typer.echo(f"Page written to {html}", err=True)
    if unreadable:
        typer.echo(f"{unreadable} could not be judged; their rows say why.", err=True)
    if strict and unreadable:
        raise typer.Exit(1)


def _prefers_table(as_json: bool) -> bool:
    return not as_json and sys.stdout.isatty()


def _expand(images: Iterable[str]) -> Iterator[str]:
    """Yield files: those named, all below folders (sorted, hidden ones left out), and those named on standard input."""
    for image in images:
        if image == "-":
            yield from _expand(line.rstrip("\r\n") for line in sys.stdin if line.strip())
        elif Path(image).is_dir():
            for folder, subfolders, files in os.walk(image):
                subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
                yield from (str(Path(folder, name)) for name in sorted(files) if not name.startswith("."))
        else:
            yield image


def _write_json(verdict: Verdict) -> None:
    sys.stdout.write(verdict.to_json() + "\n")
    sys.stdout.flush()


def _csv_writer() -> Callable[[Verdict], None]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(verdict: Verdict) -> None:
        row = (
            verdict.uri, verdict.image_id, verdict.decision, verdict.label, verdict.probability, verdict.lineage.label,
            verdict.lineage.probability, "|".join(verdict.prediction_set), verdict.open_set_p,
            verdict.quality.get("bucket"), verdict.bundle["id"], verdict.error,
        )  # fmt: skip
        writer.writerow([_plain(value) if isinstance(value, str) else value for value in row])
        sys.stdout.flush()

    return write


def _plain(text: str) -> str:
    """Keep a spreadsheet from running a file name as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _table_writer() -> Callable[[Verdict], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    styles = {"attributed": "green", "ambiguous": "yellow", "unknown": "magenta", "unreadable": "red"}
    console.print(Text(f"{'decision':<11} {'prob.':>6}  {'open-set p':>10}  answer  <- image", style="bold"))

    def write(verdict: Verdict) -> None:
        probability = "" if verdict.probability is None else f"{100 * verdict.probability:.1f}%"
        p = "" if verdict.open_set_p is None else f"{verdict.open_set_p:.3f}"
        line = Text(f"{verdict.decision:<11}", style=styles[verdict.decision])
        line.append(f" {probability:>6}  {p:>10}  ", style="default")
        line.append(_answer(verdict), style="bold default")
        line.append(f"  <- {verdict.uri}", style="dim default")
        console.print(line, soft_wrap=True)

    return write


def _answer(verdict: Verdict) -> str:
    if verdict.decision == "unreadable":
        return verdict.error or ""
    if verdict.decision == "unknown":
        return f"none of the candidates (least unlike: {verdict.candidates[0].model})"
    if verdict.decision == "ambiguous":
        names = list(verdict.prediction_set)
        shown = " or ".join(names[:3]) + (f" or {len(names) - 3} more" if len(names) > 3 else "")
        return shown + (f"; lineage {verdict.lineage.label}" if verdict.lineage.settled else "")
    return verdict.label or ""
