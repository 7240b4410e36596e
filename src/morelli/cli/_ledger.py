"""What commands about a ledger share."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.errors import LedgerError, MorelliError

if TYPE_CHECKING:
    from morelli.audit.ledger import Incident, Ledger

__all__ = [
    "ActorOption",
    "FilesOption",
    "IncidentArgument",
    "JsonLinesOption",
    "JsonOption",
    "LedgerArgument",
    "find_incident",
    "open_ledger",
    "who",
]

LedgerArgument = Annotated[
    str, typer.Argument(metavar="LEDGER", help="SQLite file, or postgresql://user@host/database.")
]
IncidentArgument = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Number of an incident, or the first digits of an image's SHA-256.")
]
FilesOption = Annotated[
    Path | None,
    typer.Option(
        "--files",
        metavar="DIR",
        envvar="MORELLI_LEDGER_FILES",
        show_envvar=False,
        help="Folder of attached files.",
        show_default="$MORELLI_LEDGER_FILES, or beside a SQLite file",
    ),
]
ActorOption = Annotated[
    str | None,
    typer.Option("--actor", metavar="NAME", help="Who does this.", show_default="the name of the system's user"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Write one JSON object per line.")]


def open_ledger(where: str, files: Path | None = None, *, create: bool = False) -> Ledger:
    """Open a ledger. Raises as `Ledger.open` does."""
    from morelli.audit.ledger import Ledger

    return Ledger.open(where, create=create, files=files)


def who(actor: str | None) -> str:
    """Return who acts: as they say, or as the system knows them.

    Raises
    ------
    MorelliError
        Neither is known.
    """
    if actor is not None:
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise MorelliError("The system does not say who you are; name yourself with --actor.") from None


def find_incident(ledger: Ledger, name: str) -> Incident:
    """Return the incident that a number or an image means."""
    if name.isascii() and name.isdigit() and len(name) < 19:
        try:
            return ledger.incident(int(name))
        except LedgerError:
            if len(name) < 6:
                raise
    found = ledger.find(name)
    if len(found) > 1:
        numbers = ", ".join(str(one.seq) for one in found)
        raise LedgerError(f"Several bundles judged this image; name one of the incidents {numbers}.")
    return found[0]
