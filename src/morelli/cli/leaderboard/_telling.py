"""Options that the commands of this desk share."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any

import typer

__all__ = [
    "AttackEncoderOption",
    "DrawsOption",
    "JsonOption",
    "ReferencesOption",
    "WhereOption",
    "chosen_rows",
    "numbers",
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
