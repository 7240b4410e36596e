"""What the commands of this desk share: options, and what they print at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from morelli.studies.section import Section

__all__ = [
    "AttackEncoderOption",
    "DrawsOption",
    "FolderOption",
    "JsonOption",
    "ReferencesOption",
    "SeedOption",
    "WhereOption",
    "chosen_rows",
    "numbers",
    "tell_sections",
]

FolderOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, tables and figures.")
]
AttackEncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME[+NAME]",
        help='What measures the images, see "morelli encoders list"; attacks by distance read an embedding alone.',
        show_default="clip-vit-b16.openai-int8 where it was fetched, and the forensic families",
    ),
]
ReferencesOption = Annotated[
    str,
    typer.Option(
        "--references", metavar="NUMBERS", help="References of each model and prompt, several separated by commas."
    ),
]
DrawsOption = Annotated[
    int, typer.Option("--draws", min=1, metavar="N", help="How often judged images and references are drawn.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of draws and bootstraps.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE", help="Rows of the table that are meant; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print what leaderboard.json holds instead of a table.")]


def chosen_rows(where: Sequence[str] | None) -> dict[str, str]:
    """Return values by column.

    Raises
    ------
    BadParameter
        One is not COLUMN=VALUE.
    """
    found = {}
    for text in where or ():
        column, sign, value = text.partition("=")
        if not sign or not column.strip():
            raise typer.BadParameter(f"{text!r} is not COLUMN=VALUE", param_hint="--where")
        found[column.strip()] = value.strip()
    return found


def numbers(text: str, option: str, kind: type[int] | type[float] = int, *, least: float | None = None) -> list[Any]:
    """Return the numbers in a text, separated by commas.

    Raises
    ------
    BadParameter
        It holds something else, nothing, or a number that is not finite or less than `least`.
    """
    try:
        found = [kind(word) for word in text.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or not all(isfinite(value) and (least is None or value >= least) for value in found):
        example = "1,2,5,10" if kind is int else "0.8,0.95"
        bound = "" if least is None else f" of at least {least:g}"
        raise typer.BadParameter(f"{text!r} is no list of numbers{bound}, such as {example}", param_hint=option)
    return found


def tell_sections(
    sections: Sequence[Section],
    output: Path,
    as_json: bool,
    *,
    title: str,
    provenance: Mapping[str, Any],
    brief: bool = False,
) -> None:
    """Write sections, and print their first tables, sentences, notes and where the files are.

    With `brief`, print the conclusion of each section alone.

    Raises
    ------
    Exit
        The first of them has no answer to its question; all is written and printed before.
    """
    from morelli._version import __version__
    from morelli.report.sections import write_sections
    from morelli.studies import command_line

    about = {"command": command_line(), "morelli": __version__, **provenance}
    written = write_sections(sections, output, title=title, provenance=about)
    if as_json:
        typer.echo((output / "leaderboard.json").read_text(encoding="utf-8"), nl=False)
    else:
        _print_sections(sections, output, written, brief)
    if sections[0].findings.unanswered:
        raise typer.Exit(1)


def _print_sections(sections: Sequence[Section], output: Path, written: Sequence[Path], brief: bool) -> None:
    from rich.console import Console

    from morelli.report.sections import section_tables

    console = Console()
    for section in sections:
        if brief:
            typer.echo(f"{section.title}: {next(iter(section.findings.sentences), 'nothing could be measured.')}")
            continue
        for table in section_tables(section, console.width)[:1]:
            console.print(table)
        for sentence in section.findings.sentences:
            typer.echo(sentence)
        for note in section.findings.notes:
            typer.echo(f"Note: {note}")
    names = ", ".join(path.name for path in written[:2])
    typer.echo(f"Written to {output}: {names}, and {len(written) - 2} more files")
