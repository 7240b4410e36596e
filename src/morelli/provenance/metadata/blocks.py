"""What containers hold beside pixels, taken out of them: blocks of EXIF, XMP, IPTC, colour profiles and texts.

Readers walk the structure that decoders walk, up to its end. What only looks like metadata, in pixels or after the end
of the image, is never seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAX_BLOCK", "READERS", "Blocks", "clean", "decoded", "inflate", "reader"]

MAX_BLOCK: Final = 8 * 1024 * 1024
"""Bytes of one block that are looked at, compressed or not. Graphs of generators have some hundred kilobytes."""

_MAX_TOTAL = 4 * MAX_BLOCK
_MAX_PROBLEMS = 20


@dataclass
class Blocks:
    """What one file holds. Readers fill it; within bounds, whatever the file is.

    Attributes
    ----------
    exif : list of bytes
        Blocks that begin with the header of a TIFF.
    xmp : list of bytes
        Packets of XML.
    photoshop : list of bytes
        Image resources, which IPTC's records are one of.
    iim : list of bytes
        IPTC's records by themselves.
    icc : list of bytes
    texts : list of (str, str, str)
        Kind of chunk, keyword and text.
    comments : list of (str, str)
        Kind and text.
    segments : list of str
        Further application data, by the names that they begin with.
    problems : list of str
        What is malformed.
    """

    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    photoshop: list[bytes] = field(default_factory=list)
    iim: list[bytes] = field(default_factory=list)
    icc: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, str, str]] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _left: int = _MAX_TOTAL

    def add(self, where: list[bytes], data: bytes, what: str) -> None:
        """Keep a block unless it is beyond the bounds, which is a problem then."""
        if self._fits(len(data), what) and data:
            where.append(data)

    def text(self, kind: str, keyword: str, text: str) -> None:
        """Keep a text and its keyword."""
        if self._fits(len(text), f"{kind} {keyword[:40]!r}"):
            self.texts.append((kind, keyword, text))

    def comment(self, kind: str, text: str) -> None:
        """Keep a comment."""
        if self._fits(len(text), kind):
            self.comments.append((kind, text))

    def problem(self, sentence: str) -> None:
        """Note what is malformed."""
        if len(self.problems) < _MAX_PROBLEMS and sentence not in self.problems:
            self.problems.append(clean(sentence, 300))

    def kinds(self) -> list[str]:
        """Return the names of the kinds of block that are here."""
        held = {
            "exif": self.exif,
            "xmp": self.xmp,
            "iptc": self.photoshop or self.iim,
            "icc": self.icc,
            "text": self.texts,
            "comment": self.comments,
        }
        return [name for name, blocks in held.items() if blocks]

    def _fits(self, size: int, what: str) -> bool:
        if size > MAX_BLOCK or size > self._left:
            self.problem(f"{what} is larger than what is read of metadata")
            return False
        self._left -= size
        return True


Reader = Callable[[bytes, Blocks], None]
READERS: Final[dict[str, Reader]] = {}
"""What takes the blocks out of a file, by its format as :attr:`morelli.provenance.ImageFile.format` names it."""


def reader(format_name: str) -> Callable[[Reader], Reader]:
    """Register what reads a format."""

    def register(function: Reader) -> Reader:
        READERS[format_name] = function
        return function

    return register


def clean(text: str, limit: int) -> str:
    """Return text that can be written as UTF-8: no lone surrogates, no NUL at the ends, cut to `limit` characters."""
    short = text[: limit + 1].strip("\0 \t\r\n").encode("utf-8", "replace").decode("utf-8")
    return short if len(short) <= limit else short[: max(limit - 4, 0)] + " ..."


def decoded(data: bytes) -> str:
    """Return bytes as text: UTF-8 where they are that, else Latin-1, of which everything is some."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def inflate(data: bytes) -> bytes:
    """Decompress by zlib, never to more than `MAX_BLOCK` bytes.

    Raises
    ------
    ValueError
        It is damaged, or would be larger.
    """
    worker = zlib.decompressobj()
    try:
        result = worker.decompress(data, MAX_BLOCK)
        if worker.unconsumed_tail and worker.decompress(worker.unconsumed_tail, 1):
            raise ValueError("is larger, once decompressed, than what is read of metadata")
    except zlib.error as error:
        raise ValueError(f"cannot be decompressed ({error})") from error
    if not worker.eof:
        raise ValueError("is cut off")
    return result
