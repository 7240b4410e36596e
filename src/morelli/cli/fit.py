"""``morelli fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import CacheOption, NoCacheOption, WorkersOption, open_cache, open_catalog, progress

__all__ = ["fit"]


def fit(
    catalog: Annotated[Path, typer.Argument(help="Catalog of references, or a folder per model, or a table of paths.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write, e.g. candidates.morelli.")],
    name: Annotated[str | None, typer.Option(help="Name of the bundle. [default: of the output file]")] = None,
    bundle_version: Annotated[str, typer.Option("--bundle-version", help="Version of the bundle.")] = "1",
    label: Annotated[str, typer.Option(help="Column to learn: model, version, language ...")] = "model",
    split: Annotated[str | None, typer.Option(help="Use only rows of this split.")] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the prediction sets.")] = 0.9,
    open_set_level: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Call an image unknown below this open-set p-value.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Deals prompts to folds.")] = 0,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Fit an attributor to reference images and write it as a bundle.

    An interrupted fit goes on where it stopped: what was measured is in the cache.

    Examples:

        morelli fit references.parquet -o candidates.morelli

        morelli fit folder-per-model/ -o candidates.morelli --name "Vendors 2026"
    """
    from rich.console import Console

    from morelli.attributors import fit_bundle
    from morelli.cli.show import bundle_table

    references = open_catalog(catalog, split)
    with progress("Measuring references") as report:
        bundle = fit_bundle(
            references,
            name=name or output.stem,
            version=bundle_version,
            label=label,
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=report,
            level=level,
            open_set_level=open_set_level,
            seed=seed,
        )
    bundle.save(output)
    Console().print(bundle_table(bundle.describe()))
    typer.echo(f"Written to {output}")
