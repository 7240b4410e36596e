"""``morelli compare`` and ``morelli attributors``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    FoldsOption,
    ImagesArgument,
    LabelOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
    tell_study,
)

__all__ = ["attributors", "compare"]


def compare(
    catalog: ImagesArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the table, the page and finished parts.")
    ],
    names: Annotated[
        str,
        typer.Option(
            "--attributors",
            "-a",
            metavar="NAMES",
            help="Separated by commas, each NAME or NAME@ENCODER; see morelli attributors.",
        ),
    ] = "fused,centroid,logistic,knn",
    references: Annotated[
        str | None,
        typer.Option(
            "--references",
            metavar="NUMBERS",
            help="References of each model, several separated by commas.",
            show_default="all there are",
        ),
    ] = None,
    folds: FoldsOption = 5,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, metavar="N", help="Draws of references and of hidden models.")
    ] = 1,
    hide: Annotated[
        int, typer.Option("--hide", min=0, metavar="N", help="Models without references, judged as unknown.")
    ] = 0,
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of folds, draws, estimators and bootstraps.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what comparison.json holds instead of a table.")
    ] = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Compare attributors on the same images with the same references; write a table and a page.

    Every fold is judged by attributors fitted to the others. Finished parts are kept in the output folder, and are not
    done again by the same command.

    Examples:

        morelli compare images.parquet -o comparison/
        morelli compare images.parquet -a fused,marra,dzanic --references 5,10,20 -o comparison/
        morelli compare images.parquet -a fused,knn@forensic --hide 2 --repeats 3 -o comparison/ --json
    """
    check_output(output, folder=True)
    counts = None if references is None else _counts(references)

    from morelli.report.comparison import comparison_headline, comparison_table, write_comparison
    from morelli.trials.compare import compare as run

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    with progress("Measuring images") as measuring, progress("Fitting and judging") as judging:
        comparison = run(
            images,
            split_words(names),
            folds=folds,
            references_per_class=counts,
            repeats=repeats,
            hide=hide,
            label=label,
            seed=seed,
            cache=open_cache(cache, no_cache),
            workers=workers,
            measuring=measuring,
            progress=judging,
            resume_dir=output / "parts",
        )
    write_comparison(comparison, output, title=f"Attributors on {catalog.name}")
    tell_study(
        output,
        as_json,
        lambda: comparison_table(comparison),
        comparison_headline(comparison),
        comparison.notes,
        ("comparison.html", "comparison.json", "comparison.csv"),
    )


def attributors() -> None:
    """List the attributors: what can be compared, what each reads, and where it comes from.

    NAME reads the encoder listed; NAME@ENCODER reads another, or several, joined by "+". Those with a star ask a model
    about every image, and are compared by morelli study mllm.

    Examples:

        morelli attributors
    """
    from rich.console import Console
    from rich.table import Table

    from morelli.attributors import list_attributors

    table = Table("attributor", "reads", "what it is", "source", box=None, padding=(0, 2), header_style="bold")
    infos = list_attributors()
    for info in infos:
        name = f"{info.name} *" if info.asks else info.name
        table.add_row(name, info.encoder, info.summary, info.source.partition(",")[0])
    console = Console()
    console.print(table)
    if any(info.asks for info in infos):
        console.print("* asks a model about every image; compared by morelli study mllm, not by morelli compare")


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no list of whole numbers, such as 5,10,20", param_hint="--references"
        ) from None
