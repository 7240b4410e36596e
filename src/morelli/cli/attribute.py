"""``morelli attribute``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from morelli.cli._common import BundleArgument, MapsOption, WorkersOption, check_output, progress
from morelli.cli._inputs import expand
from morelli.cli._provenance import AliasesOption, LineageOption, TrustAnchorsOption, settings_of
from morelli.cli._verdicts import csv_writer, json_writer, pooled_writer, table_writer

if TYPE_CHECKING:
    from morelli.attributors import Bundle, PooledVerdict, Verdict
    from morelli.report import MapCard

__all__ = ["PAGE_LIMIT", "attribute"]

PAGE_LIMIT: Final = 2000
"""Images on a page: more neither a browser nor this program's memory would bear."""


def attribute(
    bundle: BundleArgument,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|DIR|-",
            help="Images; folders, with all files below them; - for paths from standard input, one a line.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object per line; so also by default in a pipe.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV with a header.")] = False,
    as_table: Annotated[
        bool, typer.Option("--table", help="Write a table for people; so also by default in a terminal.")
    ] = False,
    pool: Annotated[
        bool,
        typer.Option("--pool", help="All images are known to be of one model: also judge them together, at the end."),
    ] = False,
    pool_by_folder: Annotated[
        bool, typer.Option("--pool-by-folder", help="The images in each folder are: judge every folder together.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help=f"Also write a page with thumbnails and evidence, of the first {PAGE_LIMIT} images.",
        ),
    ] = None,
    maps: MapsOption = 0,
    provenance: Annotated[
        bool,
        typer.Option(
            "--provenance", help="Also say what is declared about each image, and whether that and pixels agree."
        ),
    ] = False,
    trust_anchors: TrustAnchorsOption = None,
    aliases: AliasesOption = None,
    lineage: LineageOption = None,
    photographs: Annotated[
        str | None,
        typer.Option("--photographs", metavar="NAME[,NAME]", help="Candidates that stand for photographs by cameras."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 if an image could not be judged.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Say which candidate made each image, how surely, and why.

    Every file gets a row, also one that is missing or cannot be read. Rows are written while the work goes on, in the
    order of the files: those named, and of folders all below them, sorted, without those whose names begin with a dot.

    Probabilities are among the candidates of the bundle. docs/verdict.md explains every field.

    With --pool, a last line or paragraph says who made the images, if one model made them all. Weak answers that agree
    make a strong one, though not as strong as independent ones would: how far images of one model go astray together
    was learned from the references. The same file given twice counts once.

    With --provenance, declarations are put beside the pixels' answer: agreement, silence and conflict are different
    outcomes. An image whose declarations the pixels, or each other, contradict has the decision "conflict".

    Examples:

        morelli attribute candidates.morelli suspect.png
        morelli attribute candidates.morelli campaign/ --provenance --trust-anchors trusted.pem
        morelli attribute candidates.morelli campaign/ --html campaign.html --maps 12
        morelli attribute candidates.morelli account-of-one-user/ --pool --table
        morelli attribute candidates.morelli campaign/ --pool-by-folder --json | tail -n 3
        find . -name "*.webp" | morelli attribute candidates.morelli - --csv > verdicts.csv
    """
    if as_json + as_csv + as_table > 1:
        raise typer.BadParameter("choose one of --json, --csv and --table")
    if pool and pool_by_folder:
        raise typer.BadParameter("choose one of --pool and --pool-by-folder")
    if as_csv and (pool or pool_by_folder):
        raise typer.BadParameter("pooled verdicts are no rows of the table that --csv writes; use --json or --table")
    if maps and html is None:
        raise typer.BadParameter("maps are shown on a page; give --html too", param_hint="--maps")
    if not provenance and any((trust_anchors, aliases, lineage, photographs)):
        raise typer.BadParameter(
            "--trust-anchors, --aliases, --lineage and --photographs are for --provenance; give that too"
        )
    if html is not None:
        check_output(html)

    from morelli.attributors import Bundle, VerdictPool
    from morelli.attributors import attribute as judge
    from morelli.provenance import attribute_with_provenance, pixels_only

    loaded = Bundle.load(bundle)
    together = VerdictPool(loaded, by_folder=pool_by_folder) if pool or pool_by_folder else None
    write, conclude = _writers(as_json, as_csv, as_table)
    total, unreadable = 0, 0
    kept: list[dict[str, Any]] = []
    if provenance:
        settings = settings_of(trust_anchors, aliases, lineage)
        cameras = _candidates(loaded, photographs)
        verdicts = attribute_with_provenance(loaded, expand(images), settings, photographs=cameras, workers=workers)
    else:
        verdicts = judge(loaded, expand(images), workers=workers)
    for verdict in verdicts:
        write(verdict)
        if together is not None:
            together.add(pixels_only(verdict))
        total += 1
        unreadable += verdict.decision == "unreadable"
        if html is not None and len(kept) < PAGE_LIMIT:
            kept.append(verdict.to_dict())
    pooled = [] if together is None else together.verdicts()
    for one in pooled:
        conclude(one)
    if html is not None:
        from morelli.report import write_attributions

        part = f", the first {len(kept)} of {total} images" if len(kept) < total else ""
        title = f"Attribution by {loaded.name} {loaded.version}{part}"
        drawn = _maps(loaded, kept, maps)
        write_attributions(kept, html, title=title, pooled=[one.to_dict() for one in pooled], maps=drawn)
        typer.echo(f"Page written to {html}{part}", err=True)
    if total == 0:
        typer.echo("There was no file to judge.", err=True)
    if unreadable:
        typer.echo(f"{unreadable} of {total} could not be judged; their rows say why.", err=True)
    if strict and unreadable:
        raise typer.Exit(1)


def _candidates(bundle: Bundle, names: str | None) -> list[str]:
    """Return the candidates that are named, separated by commas."""
    from morelli._text import split_words

    chosen = split_words(names) if names else []
    for name in chosen:
        if name not in bundle.classes:
            raise typer.BadParameter(f"{name} is no candidate of {bundle.name}", param_hint="--photographs")
    return list(chosen)


def _maps(bundle: Bundle, verdicts: list[dict[str, Any]], n: int) -> dict[int, MapCard]:
    """Explain the first `n` images that could be judged."""
    if not n:
        return {}
    from morelli.errors import MorelliError
    from morelli.explain import explain
    from morelli.images import read_image
    from morelli.report import MapCard, map_card

    chosen = [i for i, verdict in enumerate(verdicts) if verdict["decision"] != "unreadable"][:n]
    result = {}
    with progress("Explaining answers") as report:
        for done, i in enumerate(chosen, start=1):
            uri = verdicts[i]["uri"]
            try:
                pixels = read_image(uri).pixels
                result[i] = map_card(uri, explain(bundle, pixels), pixels)
            except MorelliError as error:
                result[i] = MapCard(uri, error=str(error))
            report(done, len(chosen))
    return result


def _writers(
    as_json: bool, as_csv: bool, as_table: bool
) -> tuple[Callable[[Verdict], None], Callable[[PooledVerdict], None]]:
    """Return what writes the verdict for an image, and what writes pooled ones after them all."""
    if as_csv:
        return csv_writer(), pooled_writer()
    if as_table or (not as_json and sys.stdout.isatty()):
        return table_writer(), pooled_writer()
    return json_writer(), json_writer()
