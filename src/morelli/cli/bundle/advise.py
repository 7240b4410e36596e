"""``morelli bundle advise``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import (
    BundleArgument,
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

__all__ = ["advise"]


def advise(
    bundle: BundleArgument,
    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", metavar="CATALOG", help="References, to measure what the last of them bought."),
    ] = None,
    verdicts: Annotated[
        str | None,
        typer.Option("--verdicts", metavar="FILE", help="Verdicts in use, one a line; - for stdin."),
    ] = None,
    target: Annotated[
        float, typer.Option("--target", min=0.01, max=0.99, metavar="SHARE", help="Images that shall be named right.")
    ] = 0.8,
    split: SplitOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for a page, tables and JSON.")
    ] = None,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    seed: SeedOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say which candidates need more references, how many, and what the last ones bought.

    A bundle knows how its references were named while it did not know their prompts, and so which candidates reach the
    target, which do not, and how many images it would take to know. With --catalog its references are judged
    anew by what knew half as many: errors fall as a power of their number, and from that is foreseen what twice as
    many would bring, and how many the target takes. With --verdicts it is counted what candidates meet in use.

    Examples:

        morelli bundle advise candidates.morelli
        morelli bundle advise candidates.morelli --catalog references.parquet --target 0.9 -o advice/
        morelli bundle advise candidates.morelli --verdicts june.jsonl --json
    """
    if output is not None:
        check_output(output, folder=True)

    from morelli.attributors import Bundle
    from morelli.audit.versions import advice_section, count_verdicts, measure_curve
    from morelli.audit.versions import advise as advise_on

    known = Bundle.load(bundle)
    usage, curve = None, None
    if verdicts == "-":
        usage = count_verdicts(sys.stdin.buffer)
    elif verdicts is not None:
        with Path(verdicts).open("rb") as stream:
            usage = count_verdicts(stream)
    if catalog is not None:
        images = open_catalog(catalog, split)
        with progress("Judging") as bar:
            curve = measure_curve(
                known, images, cache=open_cache(cache, no_cache), workers=workers, progress=bar, seed=seed
            )
    section = advice_section(advise_on(known, target=target, curve=curve, usage=usage, seed=seed))
    about = {"bundle": known.id, "target": target, "seed": seed}
    tell_sections([section], output, as_json, title=f"References of {known.name}", provenance=about, desk="audit")
