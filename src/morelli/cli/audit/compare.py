"""``morelli audit compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import safe_text
from morelli.cli._common import check_output

if TYPE_CHECKING:
    from morelli.audit.campaign import AuditComparison

__all__ = ["compare"]


def compare(
    before: Annotated[Path, typer.Argument(metavar="DIR_A", help="Folder of the earlier audit.")],
    after: Annotated[Path, typer.Argument(metavar="DIR_B", help="Folder of the later audit.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Also write a page and JSON here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what changed from one audit of a campaign to another.

    Shares are compared with intervals of their differences; images are told by their bytes: new, gone, changed, moved,
    or judged otherwise. Where the bundles differ, a difference may be theirs, and the answer says so.

    Examples:

        morelli audit compare audit-may/ audit-june/
        morelli audit compare audit-may/ audit-june/ -o what-changed/ --json
    """
    if output is not None:
        check_output(output, folder=True)

    from morelli.audit.campaign import compare_audits
    from morelli.report.audit_comparison import write_audit_comparison

    found = compare_audits(before, after)
    if output is not None:
        page = write_audit_comparison(found, output)[0]
        typer.echo(f"Page written to {page}", err=True)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=True, indent=2))
    else:
        _tell(found)


def _tell(found: AuditComparison) -> None:
    from rich.console import Console

    from morelli.report.audit_comparison import audit_comparison_tables, comparison_sentences

    console = Console(highlight=False)
    for sentence in comparison_sentences(found):
        console.print(safe_text(sentence), soft_wrap=True)
    for table in audit_comparison_tables(found, console.width):
        console.print(table)
    for note in found.notes:
        console.print(safe_text(f"Note: {note}"), soft_wrap=True)
