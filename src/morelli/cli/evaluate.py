"""``morelli evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import CacheOption, NoCacheOption, WorkersOption, open_cache, open_catalog, progress

if TYPE_CHECKING:
    from morelli.catalog import Catalog
    from morelli.trials import Metrics, Predictions

__all__ = ["evaluate", "write_evaluation"]


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Bundle made by morelli fit.")],
    catalog: Annotated[Path, typer.Argument(help="Labelled images: a catalog, a folder per model, or a table of paths.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for predictions, metrics and the page.")],
    split: Annotated[str | None, typer.Option(help="Use only rows of this split.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON instead of a table.")] = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure how good a bundle is on labelled images; write predictions, metrics and a page.

    Images of models that are no candidates of the bundle measure how well unknown models are told.

    Examples:

        morelli evaluate candidates.morelli held-out.parquet -o report/

        morelli evaluate candidates.morelli all.parquet --split test -o report/ --json
    """
    from rich.console import Console

    from morelli.attributors import Bundle
    from morelli.report import class_table, metrics_table
    from morelli.trials import evaluate as run
    from morelli.trials import overlap_notes

    loaded, images = Bundle.load(bundle), open_catalog(catalog, split)
    notes = [*loaded.notes, *overlap_notes(loaded, images)]
    with progress("Measuring images") as report:
        predictions = run(loaded, images, cache=open_cache(cache, no_cache), workers=workers, progress=report)
    title = f"{loaded.name} {loaded.version}"
    metrics = write_evaluation(predictions, images, output, title=title, label=loaded.label, notes=notes, seed=seed)
    if as_json:
        typer.echo(json.dumps(metrics.to_dict(), ensure_ascii=False, indent=2))
        return
    console = Console()
    console.print(metrics_table(metrics, title))
    console.print(class_table(metrics))
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Written to {output}: report.html, metrics.json, predictions.parquet")


def write_evaluation(
    predictions: Predictions,
    catalog: Catalog,
    folder: Path,
    *,
    title: str,
    label: str = "model",
    notes: list[str] | None = None,
    seed: int = 0,
) -> Metrics:
    """Write ``predictions.parquet``, ``metrics.json`` and ``report.html`` into `folder`, and return the metrics.

    The nuisance floor is measured on the readable rows of `catalog` whose label is a class of the predictions; where there
    are too few of them for cross-validation, it is left out and the metrics say so.
    """
    import numpy as np

    from morelli._files import write_text
    from morelli.catalog import nuisance_floor
    from morelli.errors import NotEnoughDataError
    from morelli.report import write_report
    from morelli.trials import summarise

    try:
        floor = nuisance_floor(catalog.filter(np.isin(catalog.column(label).astype(str), predictions.classes)), label)
        nuisance: float | None = floor.accuracy
    except NotEnoughDataError as error:
        nuisance = None
        typer.echo(f"The nuisance floor was not measured: {error}", err=True)
    metrics = summarise(predictions, nuisance=nuisance, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.parquet")
    write_text(folder / "metrics.json", json.dumps(metrics.to_dict(), ensure_ascii=False, indent=2) + "\n")
    write_report(predictions, metrics, folder / "report.html", title=title, subtitle=" ".join(notes or []))
    return metrics
