"""Text from strangers (file names, labels, names of bundles) on its way to a terminal, and lists that they type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["FORMULA", "inert", "printable", "safe_text", "split_words", "storable"]

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Beginnings that a spreadsheet takes for a formula."""


def printable(text: str) -> str:
    r"""Return `text` on one line and without characters that a terminal could obey.

    Examples
    --------
    >>> printable("two\nlines \x1b[31m and a café")
    'two\\nlines \\x1b[31m and a café'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def storable(text: str) -> str:
    r"""Return `text` so that it can be written as UTF-8.

    File names on Linux are bytes. Those that are not UTF-8 reach Python with lone surrogates, which no encoder takes;
    they are written as ``\udcXX``, where XX is the byte.

    Examples
    --------
    >>> storable("caf\udce9.png")
    'caf\\udce9.png'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def inert(text: str) -> str:
    """Return `text` as a cell of a table that UTF-8 can hold and no spreadsheet runs as a formula."""
    return f"'{storable(text)}" if text.startswith(FORMULA) else storable(text)


def safe_text(text: str, style: str = "") -> Text:
    """Return `text` for rich tables: neither markup nor control characters in it are obeyed."""
    from rich.text import Text

    return Text(printable(text), style=style)


def split_words(text: str, *, empty: bool = False) -> list[str]:
    """Return what commas separate in a list of names.

    Names of views and encoders hold commas themselves. One inside brackets separates nothing, and neither does one
    before a digit: there a parameter begins.

    Parameters
    ----------
    text : str
    empty : bool, default False
        Whether empty words are kept.

    Examples
    --------
    >>> split_words("knn@forensic[colour,layout], fused"), split_words("jpeg:85,4:4:4,none")
    (['knn@forensic[colour,layout]', 'fused'], ['jpeg:85,4:4:4', 'none'])
    """
    words = [word.strip() for word in re.split(r",(?!\s*\d)(?![^\[\]]*\])", text)]
    return words if empty else [word for word in words if word]
