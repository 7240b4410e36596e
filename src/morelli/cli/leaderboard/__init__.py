"""``morelli leaderboard``: one file for each command."""

from __future__ import annotations

import typer

from morelli.cli._run import register
from morelli.cli.leaderboard import attack, cost, defence, exposure, lookup, report, target, votes

__all__ = ["app"]

app = typer.Typer(
    help="How anonymous a leaderboard of image generators is, and what would help.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
register(app, "report", report.report, resumes=True)
register(app, "attack", attack.attack, resumes=True)
register(app, "target", target.target, resumes=True)
register(app, "lookup", lookup.lookup, resumes=True)
register(app, "cost", cost.cost, resumes=True)
register(app, "exposure", exposure.exposure, resumes=True)
register(app, "defend", defence.defend, resumes=True)
register(app, "perturb", defence.perturb, resumes=True)
register(app, "defences", defence.defences)
register(app, "rate", votes.rate)
register(app, "rig", votes.rig)
