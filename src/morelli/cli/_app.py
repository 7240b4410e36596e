"""The application: all commands together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from morelli._version import __version__
from morelli.cli import (
    ask,
    attribute,
    audit,
    bundle,
    catalog,
    compare,
    demo,
    encoders,
    evaluate,
    explain,
    fit,
    leaderboard,
    ledger,
    lineage,
    lists,
    networks,
    pixels,
    presence,
    prompts,
    provenance,
    review,
    robustness,
    show,
    study,
    view,
)
from morelli.cli._run import INTERRUPTED, register

__all__ = ["app", "run"]

app = typer.Typer(
    name="morelli",
    epilog="Start with: morelli demo",
    no_args_is_help=True,
    # Plain help pages: the boxes of rich cut long texts off in a narrow terminal, and break examples.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
register(app, "demo", demo.demo)
app.add_typer(catalog.app, name="catalog")
register(app, "fit", fit.fit, resumes=True)
register(app, "attribute", attribute.attribute)
register(app, "provenance", provenance.provenance)
register(app, "explain", explain.explain)
register(app, "evaluate", evaluate.evaluate, resumes=True)
register(app, "compare", compare.compare, resumes=True)
register(app, "robustness", robustness.robustness, resumes=True)
register(app, "attributors", compare.attributors)
app.add_typer(study.app, name="study")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(audit.app, name="audit")
app.add_typer(bundle.app, name="bundle")
app.add_typer(ledger.app, name="ledger")
register(app, "review", review.review)
app.add_typer(ask.app, name="ask")
app.add_typer(lineage.app, name="lineage")
register(app, "show", show.show)
app.add_typer(encoders.app, name="encoders")
app.add_typer(networks.app, name="networks")
app.add_typer(pixels.app, name="pixels")
register(app, "families", lists.families)
register(app, "views", lists.views)
register(app, "prompts", prompts.prompts)
register(app, "view", view.view)
register(app, "presence", presence.presence, resumes=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"morelli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Which model generated this image? Attribution among the candidates that you choose."""


def run() -> None:
    """Run the application on the arguments of this process."""
    for stream in (sys.stdout, sys.stderr):
        # Everything that is written is UTF-8, as JSON has to be, also where the system's own encoding is another.
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except KeyboardInterrupt:  # before or after the command itself, which sees to its own
        sys.exit(INTERRUPTED)
