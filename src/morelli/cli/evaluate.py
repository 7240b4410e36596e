"""``morelli evaluate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli.cli._common import (
    BundleArgument,
    CacheOption,
    NoCacheOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
)

if TYPE_CHECKING:
    from morelli.catalog import Catalog
    from morelli.trials import Metrics, Predictions

__all__ = ["evaluate", "write_evaluation"]


def evaluate(
    bundle: BundleArgument,
    catalog: Annotated[
        Path,
        typer.Argument(
            metavar="CATALOG", help="Labelled images: a catalog, a folder per model, or a table with a path column."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for predictions, metrics and the page.")
    ],
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Use only the rows of this split.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the bootstrap and the nuisance floor.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what metrics.json holds instead of a table.")] = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure how good a bundle is on labelled images; write predictions, metrics and a page.

    Images of models that are no candidates of the bundle measure how well unknown models are told. Images and prompts
    that the bundle was fitted to are counted and named in the notes.

    Examples:

        morelli evaluate candidates.morelli held-out.parquet -o report/
        morelli evaluate candidates.morelli all.parquet --split test -o report/ --json
    """
    check_output(output, folder=True)

    from rich.console import Console

    from morelli.attributors import Bundle
    from morelli.report import class_table, metrics_table
    from morelli.trials import evaluate as run
    from morelli.trials import overlap_notes

    loaded, images = Bundle.load(bundle), open_catalog(catalog, split)
    images.column(loaded.label)  # refuses a column that there is not, before the images are measured
    notes = [*loaded.notes, *overlap_notes(loaded, images)]
    with progress("Measuring images") as report:
        predictions = run(loaded, images, cache=open_cache(cache, no_cache), workers=workers, progress=report)
    title = f"{loaded.name} {loaded.version}"
    metrics, notes = write_evaluation(
        predictions, images, output, title=title, label=loaded.label, notes=notes, seed=seed
    )
    if as_json:
        typer.echo(json.dumps(_document(metrics, notes), ensure_ascii=False, indent=2))
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
    notes: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Metrics, list[str]]:
    """Write ``predictions.parquet``, ``metrics.json`` and ``report.html`` into `folder`.

    The nuisance floor is measured on the readable rows of `catalog` whose label is a class of the predictions; where
    there are too few of them for cross-validation, it is left out and a note says so.

    Returns
    -------
    Metrics
    list of str
        `notes`, and what the nuisance floor adds to them.
    """
    import numpy as np

    from morelli._files import write_text
    from morelli.catalog import nuisance_floor
    from morelli.errors import NotEnoughDataError
    from morelli.report import write_report
    from morelli.trials import summarise

    notes = list(notes)
    nuisance: float | None = None
    known = np.isin(catalog.column(label).astype(str), predictions.classes)
    try:
        floor = nuisance_floor(catalog.filter(known), label, seed=seed)
        nuisance = floor.accuracy
        if floor.gives_away:
            notes.append(floor.sentence)
    except NotEnoughDataError as error:
        notes.append(f"The nuisance floor was not measured: {error}")
    metrics = summarise(predictions, nuisance=nuisance, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.parquet")
    write_text(folder / "metrics.json", json.dumps(_document(metrics, notes), ensure_ascii=False, indent=2) + "\n")
    write_report(predictions, metrics, folder / "report.html", title=title, subtitle=" ".join(notes))
    return metrics, notes


def _document(metrics: Metrics, notes: list[str]) -> dict[str, Any]:
    return {**metrics.to_dict(), "notes": notes}
