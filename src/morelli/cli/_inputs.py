"""The files that a command line names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

import typer

from morelli._text import printable

__all__ = ["expand"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def expand(images: Iterable[str]) -> Iterator[str]:
    """Yield the paths of files: those named, all below named folders, and those named on standard input.

    Parameters
    ----------
    images : iterable of str
        Paths, or ``-`` for standard input: one path a line, a folder standing for all files below it.

    Yields
    ------
    str
        Also the path of a file that does not exist, and of a folder that cannot be listed: whoever reads them says so.
        Of a folder's files those whose names begin with a dot are left out, and the others come sorted by name.
    """
    for image in images:
        if image == "-":
            for line in _lines():
                yield from _files(line)
        else:
            yield from _files(image)


def _lines() -> Iterator[str]:
    """Yield the lines of standard input that are not blank, as paths: bytes, for they need not be text."""
    for number, line in enumerate(sys.stdin.buffer):
        path = line.removesuffix(b"\n").removesuffix(b"\r")
        if number == 0:
            path = path.removeprefix(_BYTE_ORDER_MARK)  # as PowerShell writes it
        if path.strip():
            yield os.fsdecode(path)


def _files(path: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    if not os.path.isdir(path):  # noqa: PTH112 -- pathlib raises for names that the system refuses
        yield path
        return
    status = os.stat(path)  # noqa: PTH116
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # a symbolic link to a folder that we are in
        return
    try:
        with os.scandir(path) as scan:
            names = sorted(entry.name for entry in scan if not entry.name.startswith("."))
    except OSError as error:
        typer.echo(f"morelli: {printable(path)}: the folder cannot be listed ({error.strerror}).", err=True)
        yield path
        return
    for name in names:
        yield from _files(os.path.join(path, name), (*above, identity))  # noqa: PTH118
