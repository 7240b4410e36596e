"""Text from strangers (file names, labels, names of bundles) on its way to a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["printable", "safe_text"]


def printable(text: str) -> str:
    r"""Return `text` on one line and without characters that a terminal could obey.

    Examples
    --------
    >>> printable("two\nlines \x1b[31m and a café")
    'two\\nlines \\x1b[31m and a café'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def safe_text(text: str, style: str = "") -> Text:
    """Return `text` for rich tables: neither markup nor control characters in it are obeyed."""
    from rich.text import Text

    return Text(printable(text), style=style)
