"""What commands that write several sections print at the end, and where they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from morelli.studies.section import Section

__all__ = ["FolderOption", "SeedOption", "tell_sections"]

FolderOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, tables and figures.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of draws and bootstraps.")]


def tell_sections(
    sections: Sequence[Section],
    output: Path | None,
    as_json: bool,
    *,
    title: str,
    provenance: Mapping[str, Any],
    brief: bool = False,
    desk: str = "leaderboard",
) -> None:
    """Write sections if there is a folder for them, and print their first tables, sentences, notes and files.

    With `brief`, print the conclusion of each section alone. The page and the document are named for the `desk`.

    Raises
    ------
    Exit
        The first of them has no answer to its question; all is written and printed before.
    """
    from morelli._version import __version__
    from morelli.report.sections import sections_json, write_sections
    from morelli.studies import command_line

    about = {"command": command_line(), "morelli": __version__, **provenance}
    written = [] if output is None else write_sections(sections, output, title=title, provenance=about, desk=desk)
    if not as_json:
        _print_sections(sections, output, written, brief)
    elif output is None:
        typer.echo(sections_json(sections, title=title, provenance=about), nl=False)
    else:
        typer.echo((output / f"{desk}.json").read_text(encoding="utf-8"), nl=False)
    if sections[0].findings.unanswered:
        raise typer.Exit(1)


def _print_sections(sections: Sequence[Section], output: Path | None, written: Sequence[Path], brief: bool) -> None:
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
    if output is None:
        return
    names = ", ".join(path.name for path in written[:2])
    typer.echo(f"Written to {output}: {names}, and {len(written) - 2} more files")
