"""``morelli bundle enrol``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import printable
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
    rows_of,
)

if TYPE_CHECKING:
    from morelli.attributors import Bundle
    from morelli.attributors.enrolment import Enrolled

__all__ = ["enrol"]


def enrol(
    bundle: BundleArgument,
    catalog: Annotated[
        Path, typer.Argument(metavar="CATALOG", help="References of the new model: a catalog, a folder, or a table.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the new bundle is written.")],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Enrol only this model of the catalog.")
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="More references for models that are candidates.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Other references for models that are candidates, as for a new version.")
    ] = False,
    references: Annotated[
        Path | None,
        typer.Option("--references", metavar="CATALOG", help="All that the bundle was fitted to: slower, and better."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the new bundle.", show_default="as it was")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--bundle-version", metavar="TEXT", help="Version of it.", show_default="as it was")
    ] = None,
    split: SplitOption = None,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Give a bundle a model more, or another version of one, without fitting the rest anew.

    The model gets a place among the candidates in the measurements that the bundle has learned to read, and a bias at
    which its own references are named right as often as others' are. Once its images are measured that takes less than
    a second, but it claims more images of others than after a fit. With --references the discriminants are fitted anew
    too (without a background): it claims fewer, and that takes a quarter of the time of a fit. The bundle notes how
    each model came in. The manifest of a group of unknown images that an audit found will do as CATALOG, once its
    column "model" has a name.

    Examples:

        morelli bundle enrol candidates.morelli new-model/ -o more.morelli
        morelli bundle enrol a.morelli sdxl-2.parquet --replace --bundle-version 2 -o b.morelli
        morelli bundle enrol a.morelli new.parquet --references refs.parquet -o b.morelli
        morelli bundle enrol a.morelli audit/clusters/unknown-1.csv -o b.morelli
    """
    check_output(output)
    if output.exists() and bundle.exists() and output.samefile(bundle):
        raise typer.BadParameter("the bundle is left as it is; name another file", param_hint="--output")
    if add and replace:
        raise typer.BadParameter("references are added or replaced, not both", param_hint="--add, --replace")

    from morelli.attributors import Bundle, enrolment

    old = Bundle.load(bundle)
    images = open_catalog(catalog, split, model=model or catalog.resolve().name)
    if model is not None:
        images = rows_of(images, old.label, model, catalog)
    known = None if references is None else open_catalog(references)
    with progress("Measuring") as bar:
        made, facts = enrolment.enrol(
            old, images, mode="add" if add else "replace" if replace else "new", references=known,
            cache=open_cache(cache, no_cache), workers=workers, progress=bar, name=name, version=version,
        )  # fmt: skip
    made.save(output)
    _tell(old, made, facts, output, as_json)


def _tell(old: Bundle, made: Bundle, facts: dict[str, Enrolled], output: Path, as_json: bool) -> None:
    notes = made.notes[len(old.notes) :]
    if as_json:
        document = {
            "bundle": str(output),
            "id": made.id,
            "candidates": len(made.classes),
            "enrolled": {
                name: {field: getattr(fact, field) for field in fact.__dataclass_fields__}
                for name, fact in facts.items()
            },
            "notes": list(notes),
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for note in notes:
        typer.echo(printable(note))
    typer.echo(f"{len(made.classes)} candidates now; written to {output}")
