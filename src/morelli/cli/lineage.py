"""``morelli lineage add | list | find | remove | export``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli._text import printable
from morelli.cli._common import WorkersOption, check_output, progress
from morelli.cli._inputs import expand
from morelli.cli._run import register

if TYPE_CHECKING:
    from morelli.errors import ImageReadError
    from morelli.provenance.lineage import Entry, Match

__all__ = ["app"]

SUMMARY = "Keep a registry of the organisation's own images, and look images up in it."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

RegistryArgument = Annotated[Path, typer.Argument(metavar="REGISTRY", help="File of the registry (SQLite).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Generator, as your catalogs call it.")
]


def add(
    registry: RegistryArgument,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE|DIR|-", help="Images; folders, with all files below them; - for paths from stdin."
        ),
    ] = None,
    model: ModelOption = None,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="Prompt of all these images.")] = "",
    time: Annotated[
        str, typer.Option("--time", metavar="TIME", help="When they were made, such as 2026-05-17T09:30:00Z.")
    ] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Anything else worth knowing.")] = "",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="TABLE",
            help="CSV with the columns path or sha256, and phash, model, prompt, time, note; or a catalog.",
        ),
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Register images and the generator that made them; the file is made where there is none.

    Of each image the sha256 of the file and a perceptual hash are kept, and no pixels. The same entry twice is one. An
    image can be registered for two models: then both are told, and a note says how many there are.

    Tables with a column sha256 are taken as they are, without reading an image; "morelli lineage export" writes such.

    Examples:

        morelli lineage add ours.sqlite renders/ --model acme-v3 --note "spring campaign"
        morelli lineage add ours.sqlite --from production-log.csv --model acme-v3
        morelli lineage add ours.sqlite --from images.parquet
    """
    if not images and source is None:
        raise typer.BadParameter("name images, or a table by --from")
    if images and not model:
        raise typer.BadParameter("say which model made the images", param_hint="--model")

    from morelli.errors import ImageReadError
    from morelli.provenance.lineage import Entry, Registry, check_texts, hash_images, read_manifest

    defaults = {"model": model or "", "prompt": prompt, "time": time, "note": note}
    if images:
        check_texts(**defaults)  # complains before images are read
    opened = Registry(registry, create=True)
    unreadable: list[ImageReadError] = []

    def entries() -> Iterator[Entry]:
        with progress("Reading images") as report:
            if source is not None:
                yield from read_manifest(source, defaults, unreadable.append, progress=report)
            paths = list(expand(images or []))
            for _, hashes in hash_images(paths, workers=workers, progress=report, total=len(paths)):
                if isinstance(hashes, ImageReadError):
                    unreadable.append(hashes)
                else:
                    yield Entry(hashes.sha256, hashes.phash, **defaults)

    new, total = opened.add(entries())
    typer.echo(f"{new} of {total} are new; {registry} holds {len(opened)}.")
    for error in unreadable[:5]:
        typer.echo(f"Note: {printable(str(error))}", err=True)
    if unreadable:
        typer.echo(f"{len(unreadable)} images could not be read and are not registered.", err=True)
    if conflicts := opened.conflicts():
        typer.echo(f"Note: {len(conflicts)} files are registered for more than one model.", err=True)
    if unreadable:
        raise typer.Exit(1)


def list_(
    registry: RegistryArgument,
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Entries to show.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the models of a registry and its first entries.

    Examples:

        morelli lineage list ours.sqlite
        morelli lineage list ours.sqlite --model acme-v3 --limit 1000000 --json
    """
    from morelli.provenance.lineage import Registry

    opened = Registry(registry)
    if as_json:
        for entry, added in opened.entries(model=model, limit=limit):
            _echo({**entry.to_dict(), "added": added})
        return
    for name, count in opened.counts().items():
        typer.echo(f"{printable(name)}: {count}")
    for entry, added in opened.entries(model=model, limit=limit):
        typer.echo(f"{entry.sha256[:16]}  {added}  {printable(entry.model)}  {_short(entry)}".rstrip())


def find(
    registry: RegistryArgument,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE|DIR|-", help="Images; folders; - for paths from standard input.")
    ],
    distance: Annotated[
        int, typer.Option("--distance", min=0, max=15, metavar="N", help="Bits of 64 by which a copy may differ.")
    ] = 4,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
) -> None:
    """Look images up: the same file, or copies by their looks.

    A copy by its looks is no proof: two pictures can look alike to a hash of 64 bits. Flat, symmetric and other very
    plain pictures are found by their files alone.

    Examples:

        morelli lineage find ours.sqlite suspect.jpg
        morelli lineage find ours.sqlite campaign/ --distance 8 --json
    """
    from morelli.errors import ImageReadError
    from morelli.provenance.lineage import Registry, hash_images

    opened = Registry(registry)
    paths = list(expand(images))
    unreadable = 0
    with progress("Reading images") as report:
        for path, hashes in hash_images(paths, workers=workers, progress=report, total=len(paths)):
            if isinstance(hashes, ImageReadError):
                unreadable += 1
                typer.echo(f"morelli: {printable(str(hashes))}", err=True)
                continue
            matches = opened.find(hashes, distance)
            if as_json:
                _echo({"uri": path, "sha256": hashes.sha256, "matches": [_told(match) for match in matches]})
                continue
            typer.echo(f"{printable(path)}: {'none found' if not matches else ''}".rstrip())
            for match in matches:
                how = "the same file" if match.distance is None else f"{match.distance} bits apart"
                typer.echo(
                    f"  {printable(match.entry.model)}, {how}, registered {match.added}  {_short(match.entry)}".rstrip()
                )
    if unreadable:
        raise typer.Exit(1)


def remove(
    registry: RegistryArgument,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGE|DIR|-", help="Images whose files shall be removed.")
    ] = None,
    sha256: Annotated[list[str] | None, typer.Option("--sha256", metavar="HEX", help="A file by its hash.")] = None,
    model: ModelOption = None,
) -> None:
    """Remove entries: of files, of a model, or of files for a model only.

    Examples:

        morelli lineage remove ours.sqlite wrong.png
        morelli lineage remove ours.sqlite wrong.png --model acme-v2
        morelli lineage remove ours.sqlite --model acme-v1
    """
    import hashlib

    from morelli.images import Limits
    from morelli.images._source import read_bytes
    from morelli.provenance.lineage import Registry
    from morelli.provenance.lineage.entries import check_sha256

    opened = Registry(registry)
    digests = [digest.strip().lower() for digest in sha256 or []]
    for digest in digests:
        check_sha256(digest)
    digests += [hashlib.sha256(read_bytes(path, path, Limits())).hexdigest() for path in expand(images or [])]
    if digests:
        gone = sum(opened.remove(sha256=digest, model=model) for digest in digests)
    else:
        gone = opened.remove(model=model)
    typer.echo(f"{gone} entries removed; {registry} holds {len(opened)}.")


def export(
    registry: RegistryArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="CSV to write.", show_default="standard output"),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Write a registry as CSV, which "morelli lineage add --from" reads.

    Examples:

        morelli lineage export ours.sqlite -o ours.csv
        morelli lineage export ours.sqlite --model acme-v3 > acme-v3.csv
    """
    from morelli._files import atomic_path
    from morelli.provenance.lineage import Registry

    opened = Registry(registry)
    if output is None:
        _write(opened.entries(model=model), sys.stdout)
        return
    check_output(output)
    with atomic_path(output) as path, path.open("w", encoding="utf-8", newline="") as stream:
        count = _write(opened.entries(model=model), stream)
    typer.echo(f"{count} entries written to {output}")


def _write(entries: Iterator[tuple[Entry, str]], stream: Any) -> int:
    from morelli.provenance.lineage import COLUMNS

    writer = csv.DictWriter(stream, [*COLUMNS, "added"], lineterminator="\n")
    writer.writeheader()
    count = 0
    for entry, added in entries:
        writer.writerow({**entry.to_dict(), "added": added})
        count += 1
    return count


def _told(match: Match) -> dict[str, Any]:
    return {**match.entry.to_dict(), "added": match.added, "distance": match.distance}


def _short(entry: Entry) -> str:
    return printable("; ".join(text for text in (entry.note, entry.prompt) if text))[:80]


def _echo(values: dict[str, Any]) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False))


register(app, "add", add, resumes=True)
register(app, "list", list_)
register(app, "find", find)
register(app, "remove", remove)
register(app, "export", export)
