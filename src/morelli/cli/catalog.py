"""``morelli catalog build | check | split``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from morelli.cli._common import PromptFromOption, WorkersOption, check_output, progress
from morelli.cli._run import register

__all__ = ["app"]

SUMMARY = "Make, check and split tables of labelled images."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

CatalogArgument = Annotated[Path, typer.Argument(metavar="CATALOG", help="Catalog made by morelli catalog build.")]


def _column(name: str, what: str, **settings: Any) -> Any:
    return typer.Option(f"--{name}-col", metavar="COLUMN", help=f"Column with {what}.", **settings)


def _default(name: str) -> Any:
    return typer.Option(f"--{name}", metavar="TEXT", help=f"{name.capitalize()} of all images that name none.")


def build(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A folder per model, or a CSV, JSONL or Parquet table with a path column."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Catalog to write, e.g. images.parquet.")
    ],
    path_col: Annotated[str | None, _column("path", "the paths", show_default="path")] = None,
    model_col: Annotated[str | None, _column("model", "the model")] = None,
    version_col: Annotated[str | None, _column("version", "the model's version")] = None,
    lineage_col: Annotated[str | None, _column("lineage", "the base that the model derives from")] = None,
    prompt_id_col: Annotated[str | None, _column("prompt-id", "what identifies the prompt")] = None,
    prompt_col: Annotated[str | None, _column("prompt", "the prompt's text")] = None,
    domain_col: Annotated[str | None, _column("domain", "the domain")] = None,
    language_col: Annotated[str | None, _column("language", "the prompt's language")] = None,
    split_col: Annotated[str | None, _column("split", "the split")] = None,
    source_col: Annotated[str | None, _column("source", "where the image comes from")] = None,
    model: Annotated[str | None, _default("model")] = None,
    version: Annotated[str | None, _default("version")] = None,
    lineage: Annotated[str | None, _default("lineage")] = None,
    prompt_from: PromptFromOption = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Read every file anew instead of going on where a run stopped.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Read images and their labels into a catalog.

    A file that cannot be read stays a row with its error. An interrupted build goes on where it stopped. Columns that
    bear the usual names (path, model, prompt_id ...) need not be named.

    Examples:

        morelli catalog build folder-per-model/ -o images.parquet
        morelli catalog build folder-per-model/ --prompt-from stem -o images.parquet
        morelli catalog build images.csv --model-col generator --prompt-id-col hash -o images.parquet
    """
    check_output(output)

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


def check(
    catalog: CatalogArgument,
    label: Annotated[
        str, typer.Option("--label", metavar="COLUMN", help="Column that is to be told from the images.")
    ] = "model",
    radius: Annotated[
        int,
        typer.Option("--radius", min=0, max=16, metavar="BITS", help="How far near-duplicates' hashes may differ."),
    ] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the nuisance floor.")] = 0,
) -> None:
    """Look for what would make a result worthless: errors, duplicates, leaks, telling containers.

    The nuisance floor is what a classifier scores that sees only the container: format, size, quantisation tables,
    length, metadata. An attributor has to beat it.

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


def split(
    catalog: CatalogArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Split to write: .json or .parquet.")],
    test: Annotated[
        float | None, typer.Option("--test", min=0.0, max=1.0, metavar="SHARE", help="Share of the test part.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, metavar="N", help="Number of folds, instead of --test.")
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="COLUMN", help="Column to balance.")] = "model",
    apply: Annotated[
        Path | None,
        typer.Option("--apply", metavar="FILE", help="Also write the catalog with its split column filled in."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Decides among equals.")] = 0,
) -> None:
    """Split by prompt and near-duplicate cluster, so that nothing stands on both sides.

    Examples:

        morelli catalog split images.parquet --test 0.25 -o split.json --apply images-split.parquet
        morelli catalog split images.parquet --folds 5 -o folds.parquet
    """
    if (test is None) == (folds is None):
        raise typer.BadParameter("give either --test or --folds")
    for place in (output, apply):
        if place is not None:
            check_output(place)

    from rich.console import Console

    from morelli.catalog import Catalog, split_catalog
    from morelli.catalog._render import render_split

    loaded = Catalog.read(catalog)
    result = split_catalog(loaded, test=test, folds=folds, label=label, seed=seed)
    result.write(output)
    Console().print(render_split(result))
    typer.echo(f"Written to {output}")
    if apply is not None:
        result.assign(loaded).write(apply)
        typer.echo(f"Catalog with the split written to {apply}")


register(app, "build", build, resumes=True)
register(app, "check", check)
register(app, "split", split)
