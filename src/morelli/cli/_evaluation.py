"""What commands that evaluate share: their options, and what they print at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from morelli.trials import Metrics

__all__ = ["EvaluationJsonOption", "EvaluationOutput", "EvaluationSeedOption", "tell_evaluation"]

EvaluationOutput = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for predictions, metrics and the page.")
]
EvaluationSeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", help="Of the bootstrap and the nuisance floor.")
]
EvaluationJsonOption = Annotated[bool, typer.Option("--json", help="Print what metrics.json holds instead of a table.")]


def tell_evaluation(metrics: Metrics, notes: Sequence[str], output: Path, title: str, as_json: bool) -> None:
    """Print what `morelli.report.write_evaluation` wrote to a folder."""
    from rich.console import Console

    from morelli.report import class_table, metrics_table

    if as_json:
        typer.echo((output / "metrics.json").read_text(encoding="utf-8"), nl=False)
        return
    console = Console()
    console.print(metrics_table(metrics, title))
    console.print(class_table(metrics))
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Written to {output}: report.html, metrics.json, predictions.parquet")
