"""Commands that draw maps of evidence: what they share besides how a map is made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from morelli._text import printable, storable
from morelli.cli._common import check_output, progress
from morelli.cli._inputs import expand
from morelli.errors import MorelliError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from morelli.explain import TraceMap

__all__ = ["CandidateOption", "ImagesToExplain", "JsonOption", "MapsOutput", "Progress", "StrictOption", "draw_maps"]

_PAGE: Final = "morelli-maps.html"
_MAX_RECORD: Final = 10_000_000

Progress = Callable[[int, int], None]

ImagesToExplain = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE|DIR|-",
        help="Images; folders, with all files below them; - for paths from standard input, one a line.",
    ),
]
CandidateOption = Annotated[
    str | None,
    typer.Option(
        "--candidate",
        metavar="NAME",
        help="Whom to ask about.",
        show_default="the most probable one, image by image",
    ),
]
MapsOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR|FILE",
        help="Folder for the results, or a .png file where there is one image.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print each map as one line of JSON instead of a line for people.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with status 1 if an image could not be explained.")]


def draw_maps(
    look: Callable[[NDArray[np.uint8], Progress], TraceMap],
    images: list[str],
    output: Path,
    *,
    facts: Mapping[str, Any],
    title: str,
    as_json: bool,
    strict: bool,
) -> None:
    """Draw a map of every image, write it beside its numbers, and a page of several.

    Parameters
    ----------
    look : callable
        ``look(pixels, progress)`` makes a map; a `MorelliError` means that this image cannot be explained.
    images : list of str
        As they were given.
    output : pathlib.Path
        A folder, or a picture for one image.
    facts : mapping
        Who was asked, for the records.
    title : str
        Of the page.
    as_json, strict : bool
        As the options say.
    """
    single = output.suffix.lower() == ".png"
    check_output(output, folder=not single)

    from morelli._files import write_text
    from morelli.attributors.verdict import json_line
    from morelli.errors import ImageReadError
    from morelli.explain import write_overlay
    from morelli.images import read_image
    from morelli.report import MAPS_LIMIT, MapCard, map_card, write_maps

    paths = list(expand(images))
    if single and len(paths) != 1:
        raise MorelliError(f"{output} is one file, and there are {len(paths)} images; name a folder.")
    targets = [output] if single else list(_targets(output, paths))
    _refuse_foreign(targets, paths, single)
    cards: list[MapCard] = []
    failed = 0
    for path, target in zip(paths, targets, strict=True):
        try:
            pixels = read_image(path).pixels
            with progress(printable(Path(path).name)) as report:
                shown = look(pixels, report)
        except MorelliError as error:
            failed += 1
            text = str(error) if isinstance(error, ImageReadError) else f"{path}: {error}"
            record, sentence, card = (
                _record(facts, path, None, text),
                f"not explained: {text}",
                MapCard(path, error=text),
            )
        else:
            record, sentence = _record(facts, path, shown, None), f"{_sentence(shown)}  <- {path}, written to {target}"
            card = map_card(path, shown, pixels)
            write_overlay(target, shown, pixels)
            write_text(target.with_suffix(".json"), json_line(record) + "\n")
        sys.stdout.write((json_line(record) if as_json else printable(storable(sentence))) + "\n")
        sys.stdout.flush()
        cards = [*cards, card][:MAPS_LIMIT]
    if not paths:
        typer.echo("There was no file to explain.", err=True)
    if not single and len(paths) > 1:
        written = write_maps(cards, output / _PAGE, title=title, total=len(paths))
        typer.echo(f"Page written to {written}", err=True)
    if failed:
        typer.echo(f"{failed} of {len(paths)} could not be explained; their lines say why.", err=True)
    if failed and (strict or failed == len(paths)):
        raise typer.Exit(1)


def _targets(folder: Path, paths: list[str]) -> Iterator[Path]:
    """Yield a place for each picture: named like the image, and with a number where several have one name."""
    taken: set[str] = {Path(_PAGE).stem}
    for path in paths:
        stem = name = Path(path).stem or "image"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        yield folder / f"{name}.png"


def _refuse_foreign(targets: list[Path], paths: list[str], named: bool) -> None:
    """Refuse to write over an image that is to be explained, or what this command did not write, before any is.

    A picture of ours has its record beside it. One that was `named` on the command line may be any.
    """
    sources = {os.path.realpath(path) for path in paths if "\0" not in path}  # no file has such a name
    for target in targets:
        if "\0" in str(target):
            continue
        record = target.with_suffix(".json")
        for path in (target, record):
            if os.path.realpath(path) in sources:
                raise MorelliError(f"{path} is one of the images, which are not overwritten; choose another place.")
        there = [path for path in (record, target) if os.path.lexists(path) and not (named and path == target)]
        if there and not _is_record(record):
            raise MorelliError(f"{there[0]} is there, and not by morelli explain; choose another place, or remove it.")


def _is_record(path: Path) -> bool:
    """Say whether a file is what `_record` makes."""
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _MAX_RECORD else None
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and {"uri", "error", "map"} <= value.keys()


def _record(facts: Mapping[str, Any], path: str, shown: TraceMap | None, error: str | None) -> dict[str, Any]:
    return {"uri": path, **facts, "error": error, "map": None if shown is None else shown.to_dict()}


def _sentence(shown: TraceMap) -> str:
    """Say in one line whom the image speaks for, and where most."""
    (row, column), value = shown.strongest
    left, top, right, bottom = (round(edge) for edge in shown.grid.cell(row, column))
    most = f"most at x {left} to {right}, y {top} to {bottom} ({value:+.2g})"
    where = most if shown.n_windows > 1 else "in one window"
    if shown.method == "occlusion":
        over = f" over {shown.against}" if shown.against else ""
        return f"{shown.candidate}{over}: log-probability {shown.whole:.2f}, {where}"
    return f"{shown.candidate} against {shown.against or 'the mean'}: {shown.whole:+.1f} nats, {where}"
