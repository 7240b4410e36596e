"""Options of all commands that look at what is declared about images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from morelli.provenance import Settings

__all__ = ["AliasesOption", "LineageOption", "TrustAnchorsOption", "settings_of"]

TrustAnchorsOption = Annotated[
    Path | None,
    typer.Option(
        "--trust-anchors", "--trust", metavar="PEM", help="Certificates whose signers of credentials are trusted."
    ),
]
AliasesOption = Annotated[
    Path | None,
    typer.Option(
        "--aliases",
        metavar="TOML",
        help="Which names in files stand for which models of your catalogs.",
        show_default="the table that comes with Morelli",
    ),
]
LineageOption = Annotated[
    Path | None, typer.Option("--lineage", metavar="FILE", help="Your organisation's registry of its own images.")
]


def settings_of(trust_anchors: Path | None, aliases: Path | None, lineage: Path | None) -> Settings:
    """Return the settings of layers that options ask for."""
    from morelli.provenance import Settings

    return Settings(trust_anchors=trust_anchors, aliases=aliases, lineage=lineage)
