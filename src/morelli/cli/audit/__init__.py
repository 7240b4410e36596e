"""``morelli audit``: one file for each command."""

from __future__ import annotations

import typer

from morelli.cli._run import register
from morelli.cli.audit import campaign, compare, drift, monitor

__all__ = ["app"]

app = typer.Typer(
    help="Audit campaigns of images: provenance first, then pixels, then statements about the set.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
register(app, "campaign", campaign.campaign, resumes=True)
register(app, "compare", compare.compare)
register(app, "drift", drift.drift, resumes=True)
register(app, "monitor", monitor.monitor)
