"""``morelli bundle diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import (
    CacheOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
)
from morelli.cli._sections import SeedOption, tell_sections

__all__ = ["diff"]


def diff(
    first: Annotated[Path, typer.Argument(metavar="BUNDLE_A", help="The earlier bundle.")],
    second: Annotated[Path, typer.Argument(metavar="BUNDLE_B", help="The later bundle.")],
    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", metavar="CATALOG", help="Labelled images that both are judged on."),
    ] = None,
    split: SplitOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for a page, tables and JSON.")
    ] = None,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    seed: SeedOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what sets two bundles apart: candidates, references, recipe, weights, calibration and thresholds.

    With --catalog both judge the same images, and their accuracies are compared image by image and candidate by
    candidate: what the new references bought. Images and prompts that either bundle has seen are left out, and counted.

    Examples:

        morelli bundle diff may.morelli june.morelli
        morelli bundle diff may.morelli june.morelli --catalog checks.parquet -o diff/ --json
    """
    if output is not None:
        check_output(output, folder=True)

    from morelli.attributors import Bundle
    from morelli.audit.versions import compare_on, diff_bundles, diff_section

    before, after = Bundle.load(first), Bundle.load(second)
    common = None
    if catalog is not None:
        images = open_catalog(catalog, split)
        with progress("Judging") as bar:
            common = compare_on(
                before, after, images, cache=open_cache(cache, no_cache), workers=workers, progress=bar, seed=seed
            )
    section = diff_section(diff_bundles(before, after, common))
    about = {"first": before.id, "second": after.id, "seed": seed}
    tell_sections([section], output, as_json, title=f"{first.name} and {second.name}", provenance=about, desk="audit")
