"""What every command does about errors, interrupts and readers that have seen enough."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from morelli._text import printable
from morelli.cli._text import help_of
from morelli.errors import MorelliError

__all__ = ["INTERRUPTED", "register"]

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of the signal, as shells have it."""


def register(app: typer.Typer, name: str, command: Callable[..., None], *, resumes: bool = False) -> None:
    """Add a command to an application.

    Parameters
    ----------
    app : typer.Typer
    name : str
    command : callable
        Its docstring is the help page, its first paragraph the line in the list of commands.
    resumes : bool, default False
        Whether the same command, given again after an interrupt, goes on where it stopped.
    """
    text = help_of(command)
    app.command(name, help=text, short_help=text.partition("\n\n")[0])(_guarded(command, resumes))


def _guarded(command: Callable[..., None], resumes: bool) -> Callable[..., None]:
    """Turn what may go wrong outside this program into one line on standard error and an exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()  # here, where a closed pipe is noticed, and not when the interpreter ends
        except MorelliError as error:
            _fail(str(error))
        except BrokenPipeError:
            # Whoever read our output has seen enough. Python would complain once more when it closes standard output.
            _discard_output()
            raise typer.Exit(0) from None
        except OSError as error:
            _fail(_sentence(error))
        except KeyboardInterrupt:
            kept = resumes and not kwargs.get("no_cache")
            more = " The same command goes on where this one stopped." if kept else ""
            typer.echo(f"morelli: Interrupted.{more}", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return run


def _fail(sentence: str) -> None:
    typer.echo(f"morelli: {printable(sentence)}", err=True)
    raise typer.Exit(1)


def _sentence(error: OSError) -> str:
    """Say what the system refused, and where."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{reason}." if error.filename is None else f"{error.filename}: {reason}."


def _discard_output() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    finally:
        os.close(null)
