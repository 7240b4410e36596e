"""``morelli catalog build | check | split``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import WorkersOption, progress

__all__ = ["app"]

app = typer.Typer(help="Make, check and split tables of labelled images.", no_args_is_help=True)


class PromptFrom(StrEnum):
    """Where a folder's prompts are read from."""

    folder = "folder"
    stem = "stem"


@app.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="A folder per model, or a CSV, JSONL or Parquet table with a path column.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Catalog to write, e.g. images.parquet.")],
    path_col: Annotated[str | None, typer.Option(help="Column with the paths. [default: path]")] = None,
    model_col: Annotated[str | None, typer.Option(help="Column with the model.")] = None,
    version_col: Annotated[str | None, typer.Option(help="Column with the model's version.")] = None,
    lineage_col: Annotated[str | None, typer.Option(help="Column with the base that the model derives from.")] = None,
    prompt_id_col: Annotated[str | None, typer.Option(help="Column that identifies the prompt.")] = None,
    prompt_col: Annotated[str | None, typer.Option(help="Column with the prompt's text.")] = None,
    domain_col: Annotated[str | None, typer.Option(help="Column with the domain.")] = None,
    language_col: Annotated[str | None, typer.Option(help="Column with the prompt's language.")] = None,
    split_col: Annotated[str | None, typer.Option(help="Column with the split.")] = None,
    source_col: Annotated[str | None, typer.Option(help="Column with where the image comes from.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of all images that name none.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of all images that name none.")] = None,
    lineage: Annotated[str | None, typer.Option(help="Lineage of all images that name none.")] = None,
    prompt_from: Annotated[
        PromptFrom | None, typer.Option(help="For folders: the prompt is the sub-folder's or the file's name.")
    ] = None,
    restart: Annotated[bool, typer.Option(help="Read every file anew instead of going on where a run stopped.")] = False,
    workers: WorkersOption = None,
) -> None:
    """Read images and their labels into a catalog.

    A file that cannot be read stays a row with its error. An interrupted build goes on where it stopped.

    Examples:

        morelli catalog build folder-per-model/ -o images.parquet

        morelli catalog build images.csv --model-col generator --prompt-id-col prompt_hash -o images.parquet
    """
    from rich.console import Console

    from morelli.catalog import build_catalog
    from morelli.catalog._render import render_catalog

    named = {
        "path": path_col, "model": model_col, "version": version_col, "lineage": lineage_col,
        "prompt_id": prompt_id_col, "prompt": prompt_col, "domain": domain_col, "language": language_col,
        "split": split_col, "source": source_col,
    }  # fmt: skip
    defaults = {"model": model, "version": version, "lineage": lineage}
    with progress("Reading images") as report:
        catalog = build_catalog(
            source,
            output,
            columns={role: column for role, column in named.items() if column is not None},
            defaults={role: value for role, value in defaults.items() if value is not None},
            prompt_from=None if prompt_from is None else prompt_from.value,
            workers=workers,
            progress=report,
            resume=not restart,
        )
    Console().print(render_catalog(catalog))
    typer.echo(f"Written to {output}")


@app.command("check")
def check(
    catalog: Annotated[Path, typer.Argument(help="Catalog made by morelli catalog build.")],
    label: Annotated[str, typer.Option(help="Column that is to be told from the images.")] = "model",
    radius: Annotated[int, typer.Option(min=0, max=16, help="Bits in which near-duplicates' hashes may differ.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the nuisance floor.")] = 0,
) -> None:
    """Look for what would make a result worthless: errors, duplicates, leaks, and containers that give the label away.

    Examples:

        morelli catalog check images.parquet

        morelli catalog check images.parquet --json | jq .warnings
    """
    from rich.console import Console

    from morelli.catalog import Catalog, check_catalog
    from morelli.catalog._render import render_report

    report = check_catalog(Catalog.read(catalog), label, radius=radius, seed=seed)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        Console().print(render_report(report))


@app.command("split")
def split(
    catalog: Annotated[Path, typer.Argument(help="Catalog made by morelli catalog build.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Split to write: .json or .parquet.")],
    test: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Share of the test part.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Number of folds, instead of --test.")] = None,
    label: Annotated[str, typer.Option(help="Column to balance.")] = "model",
    apply: Annotated[
        Path | None, typer.Option("--apply", help="Also write the catalog with its split column filled in.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides among equals.")] = 0,
) -> None:
    """Split by prompt and near-duplicate cluster, so that nothing stands on both sides.

    Examples:

        morelli catalog split images.parquet --test 0.25 -o split.json --apply images-split.parquet

        morelli catalog split images.parquet --folds 5 -o folds.parquet
    """
    from rich.console import Console

    from morelli.catalog import Catalog, split_catalog
    from morelli.catalog._render import render_split

    if (test is None) == (folds is None):
        raise typer.BadParameter("give either --test or --folds")
    loaded = Catalog.read(catalog)
    result = split_catalog(loaded, test=test, folds=folds, label=label, seed=seed)
    result.write(output)
    Console().print(render_split(result))
    typer.echo(f"Written to {output}")
    if apply is not None:
        result.assign(loaded).write(apply)
        typer.echo(f"Catalog with the split written to {apply}")
