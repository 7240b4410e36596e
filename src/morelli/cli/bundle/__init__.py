"""``morelli bundle``: one file for each command."""

from __future__ import annotations

import typer

from morelli.cli._run import register
from morelli.cli.bundle import advise, diff, enrol

__all__ = ["app"]

app = typer.Typer(
    help="Compare bundles, enrol models without fitting anew, and say which need more references.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
register(app, "diff", diff.diff, resumes=True)
register(app, "enrol", enrol.enrol, resumes=True)
register(app, "advise", advise.advise, resumes=True)
