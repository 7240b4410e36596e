"""``morelli show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli._text import safe_text
from morelli.cli._common import BundleArgument

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["bundle_table", "show"]


def show(
    bundle: BundleArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a bundle is: candidates, references, training figures, calibration, notes.

    Examples:

        morelli show candidates.morelli
        morelli show candidates.morelli --json | jq .weights
    """
    from rich.console import Console

    from morelli.attributors import Bundle

    description = Bundle.load(bundle).describe()
    if as_json:
        typer.echo(json.dumps(description, ensure_ascii=False, indent=2))
    else:
        Console().print(bundle_table(description))


def bundle_table(description: dict[str, Any]) -> RenderableType:
    """Render :meth:`morelli.attributors.Bundle.describe` for a terminal."""
    from rich.console import Group
    from rich.table import Table

    training, classes = description["training"], description["classes"]
    head = Table(show_header=False, box=None, padding=(0, 2))
    head.add_row("bundle", safe_text(f"{description['name']} {description['version']}  ({description['id']})"))
    head.add_row("encoder", safe_text(description["encoder"]["name"]))
    head.add_row("candidates", f"{len(classes)}, from {description['references']['images']} images")
    head.add_row("prompts", f"{training['n_groups']} groups in {training['n_folds']} folds")
    head.add_row("held-out accuracy", f"{100 * training['accuracy']:.1f}%, log loss {training['log_loss']:.2f}")
    head.add_row("prediction sets", safe_text(_sets(description["conformal"])))
    head.add_row("images together", _pooling(description["pooling"]))
    head.add_row("unknown", f"below an open-set p-value of {description['open_set_level']:g}")
    views = description["views"]
    for number, one in enumerate(views if len(views) > 1 else []):
        figures = f"{one['view']}: {100 * one['accuracy']:.1f}%, log loss {one['log_loss']:.2f}"
        head.add_row("" if number else "views", safe_text(figures))
    weights = ", ".join(f"{name} {weight:.3f}" for name, weight in description["weights"].items())
    head.add_row("fusion weights", safe_text(weights))
    table = Table("candidate", "lineage", "images", title_justify="left", box=None, padding=(0, 2), header_style="bold")
    table.columns[2].justify = "right"
    versions = any(row.get("versions") for row in classes)
    if versions:
        table.add_column("versions")
    for row in classes:
        words = ", ".join(f"{name} ({count})" for name, count in row.get("versions", {}).items())
        more = [safe_text(words)] if versions else []
        table.add_row(safe_text(row["label"]), safe_text(row["lineage"] or "-"), str(row["images"]), *more)
    notes = [safe_text(f"Note: {note}", style="yellow") for note in description["notes"]]
    return Group(head, "", table, *notes)


def _sets(conformal: dict[str, Any]) -> str:
    share = f"{100 * conformal['level']:g}%"
    scope = f"{share} for each candidate" if conformal["class_conditional"] else share
    return f"{conformal['method']}, made to hold the truth in {scope}"


def _pooling(pooling: dict[str, float] | None) -> str:
    if pooling is None:
        return "cannot be judged: no candidate has references of two prompts"
    return f"ten of one model are worth {10 / (1 + 9 * pooling['dependence']):.1f} independent ones"
