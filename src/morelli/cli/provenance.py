"""``morelli provenance``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli._text import printable, storable
from morelli.cli._inputs import expand
from morelli.cli._provenance import AliasesOption, LineageOption, TrustAnchorsOption, settings_of

if TYPE_CHECKING:
    from morelli.provenance import LayerReport, Provenance, Settings

__all__ = ["provenance"]

_STYLES = {"verified": "green", "failed": "red", "unverified": "default"}
_WIDTH = 100


def provenance(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE|DIR|-",
            help="Images; folders, with all files below them; - for paths from standard input, one a line.",
            show_default=False,
        ),
    ] = None,
    trust_anchors: TrustAnchorsOption = None,
    aliases: AliasesOption = None,
    lineage: LineageOption = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Examine this layer only; give it again for another."),
    ] = None,
    list_them: Annotated[bool, typer.Option("--layers", help="List the layers, and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object per line; so also by default in a pipe.")
    ] = False,
    as_table: Annotated[
        bool, typer.Option("--table", help="Write a list for people; so also by default in a terminal.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with status 1 if a file could not be read or what it holds is malformed."),
    ] = False,
) -> None:
    """Say what is declared about each image: by whom, how strongly, and whether that could be checked.

    Layers are examined in a fixed order: content credentials (C2PA), metadata, watermarks, your own registry. Nothing
    is fetched from the network. Every fact is what somebody says, never what is true.

    A layer that says nothing is "none found". That is no evidence: everything declared can be stripped. A layer that
    could not be examined is "not examined", with the reason.

    Examples:

        morelli provenance suspect.png
        morelli provenance campaign/ --trust-anchors c2pa-trust-list.pem --json > facts.jsonl
        morelli provenance campaign/ --layer credentials --layer metadata --strict
        morelli provenance --layers
    """
    if as_json and as_table:
        raise typer.BadParameter("choose one of --json and --table")
    if not images and not list_them:
        raise typer.BadParameter("name images to examine, or give --layers", param_hint="IMAGE")

    from morelli.provenance import inspect

    settings = settings_of(trust_anchors, aliases, lineage)
    in_json = as_json or (not as_table and not sys.stdout.isatty())
    if list_them:
        _list_layers(settings, as_json)
        return
    write = _json_writer() if in_json else _table_writer()
    total = unread = malformed = 0
    for found in inspect(expand(images or []), settings, layers=tuple(layer) if layer else None):
        write(found)
        total += 1
        unread += found.error is not None
        malformed += any(report.status == "failed" for report in found.layers)
    if total == 0:
        typer.echo("There was no file to examine.", err=True)
    if unread:
        typer.echo(f"{unread} of {total} could not be read; their rows say why.", err=True)
    if malformed:
        typer.echo(f"{malformed} of {total} hold something malformed; their rows say what.", err=True)
    if strict and (unread or malformed):
        raise typer.Exit(1)


def _list_layers(settings: Settings, as_json: bool) -> None:
    from morelli.provenance import layers_here

    rows = layers_here(settings)
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("layer", "what it is", "here", box=None, padding=(0, 2), header_style="bold")
    for row in rows:
        table.add_row(row["layer"], row["summary"], row["reason"] or "can be examined")
    Console().print(table)


def _json_writer() -> Callable[[Provenance], None]:
    from morelli.attributors.verdict import json_line

    def write(found: Provenance) -> None:
        sys.stdout.write(json_line(found.to_dict()) + "\n")
        sys.stdout.flush()

    return write


def _table_writer() -> Callable[[Provenance], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)

    def say(text: str, style: str = "default") -> None:
        console.print(Text(printable(text), style=style), soft_wrap=True)

    def write(found: Provenance) -> None:
        say(found.uri, "bold")
        if found.error is not None:
            say(f"  could not be read: {found.error.removeprefix(f'{storable(found.uri)}: ')}", "red")
        for report in found.layers:
            _tell_layer(report, say)

    return write


def _tell_layer(report: LayerReport, say: Callable[..., None]) -> None:
    reason = f": {report.reason}" if report.reason and report.status != "found" else ""
    say(f"  {report.layer:<12} {report.status}{reason}", "red" if report.status == "failed" else "default")
    if report.reason and report.status == "found":
        say(f"    {report.reason}")
    for question, text in _answers(report.detail):
        say(f"    {question:<32} {text}")
    for fact in report.facts:
        model = f" = {fact.model}" if fact.model and fact.model != fact.value else ""
        value = fact.value if len(fact.value) <= _WIDTH else f"{fact.value[:_WIDTH]}..."
        ingredient = " (of an ingredient)" if fact.detail.get("of_ingredient") else ""
        say(
            f"    {fact.claim:<10} {value}{model}  [{fact.source}{ingredient}; {fact.strength}, {fact.verification}]",
            _STYLES[fact.verification],
        )


def _answers(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the answers about a signed layer, in words."""
    words = {True: "yes", False: "NO", None: "not known"}
    reasons = detail.get("reasons")
    reasons = reasons if isinstance(reasons, dict) else {}
    return [
        (name.replace("_", " "), f"{words[detail[name]]}. {why}") for name, why in reasons.items() if name in detail
    ]
