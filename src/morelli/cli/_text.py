"""Text of help pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["examples_of", "help_of"]

_INDENT = "    "


def help_of(command: Callable[..., Any]) -> str:
    r"""Return a command's docstring as its help page, with the examples kept line by line.

    The help page is filled to the width of the terminal; a paragraph that begins with ``\b`` is left as it is. Examples
    are commands to be copied, so that their lines must not be broken.
    """
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(f"\b\n{text}" if text.startswith(_INDENT) else text for text in paragraphs)


def examples_of(help_text: str) -> list[str]:
    """Return the examples of a help page made by `help_of`, one command each."""
    blocks = re.findall(r"\x08\n((?: {4}.*\n?)+)", help_text)
    return [line.strip() for block in blocks for line in block.splitlines()]
