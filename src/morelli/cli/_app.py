"""The application: what all commands share, and how errors are shown."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from morelli._version import __version__
from morelli.cli import attribute, catalog, demo, evaluate, fit, lists, show
from morelli.errors import MorelliError

__all__ = ["app", "run"]

app = typer.Typer(
    name="morelli",
    help="Which model generated this image? Attribution among the candidates that you choose.",
    epilog="Start with: morelli demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.add_typer(catalog.app, name="catalog")
app.command("fit")(fit.fit)
app.command("attribute")(attribute.attribute)
app.command("evaluate")(evaluate.evaluate)
app.command("show")(show.show)
app.command("demo")(demo.demo)
app.command("families")(lists.families)
app.command("views")(lists.views)


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
    """Run the application; errors raised on purpose become one sentence and exit status 1."""
    try:
        app()
    except MorelliError as error:
        typer.echo(f"morelli: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        typer.echo("morelli: interrupted; what was measured is kept.", err=True)
        sys.exit(130)
