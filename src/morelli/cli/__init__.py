"""The command line: thin commands over public functions."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run ``morelli``."""
    from morelli.cli._app import run

    run()
