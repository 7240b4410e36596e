"""Chunks of WebP, blocks of GIF, and TIFF, which is EXIF by itself."""

from __future__ import annotations

from morelli.images._containers import webp_chunks
from morelli.provenance.metadata.blocks import MAX_BLOCK, Blocks, decoded, reader

__all__ = ["read_bmp", "read_gif", "read_tiff", "read_webp"]

_XMP_TRAILER = 258
"""Bytes after XMP in GIF that lead readers of sub-blocks to its end (XMP Specification part 3, section 1.1.2)."""


@reader("WEBP")
def read_webp(data: bytes, blocks: Blocks) -> None:
    """Collect the chunks EXIF, XMP and ICCP within the RIFF frame (WebP Container Specification)."""
    end, position = 8 + int.from_bytes(data[4:8], "little"), 12
    if end > len(data):
        blocks.problem("the WebP's chunks are cut off")
        end = len(data)
    for name, start, length in webp_chunks(data):
        position = start + length + (length & 1)
        body = data[start : start + length]
        if name == b"EXIF":
            blocks.add(blocks.exif, body.removeprefix(b"Exif\0\0"), "EXIF")
        elif name == b"XMP ":
            blocks.add(blocks.xmp, body, "XMP")
        elif name == b"ICCP":
            blocks.add(blocks.icc, body, "the colour profile")
    if position + 8 <= end:  # the next one is not whole
        blocks.problem("the WebP's chunks are cut off")


@reader("GIF")
def read_gif(data: bytes, blocks: Blocks) -> None:
    """Collect comment extensions, and XMP of the application extension that holds it (GIF89a, sections 24 and 26)."""
    position = 13 + _colours(data[10:11])
    while position < len(data) and data[position] != 0x3B:
        kind, label = data[position], data[position + 1 : position + 2]
        if kind == 0x2C:  # an image: descriptor, colours, the size of codes, sub-blocks
            position = _after(data, position + 11 + _colours(data[position + 9 : position + 10]))
        elif kind != 0x21:
            break
        elif label == b"\xfe":
            start, position = position + 2, _after(data, position + 2)
            blocks.comment("gif:comment", decoded(_joined(data, start, position)))
        elif label == b"\xff" and data[position + 3 : position + 14] == b"XMP DataXMP":
            start, position = position + 14, _after(data, position + 14)
            blocks.add(blocks.xmp, data[start : max(start, position - _XMP_TRAILER)], "XMP")
        else:
            position = _after(data, position + 2)
    if data[position : position + 1] != b"\x3b":
        blocks.problem("the GIF's blocks are cut off or damaged")


@reader("TIFF")
def read_tiff(data: bytes, blocks: Blocks) -> None:
    """Hand over the file itself: its first directory has the tags that EXIF has."""
    blocks.exif.append(data)


@reader("BMP")
def read_bmp(data: bytes, blocks: Blocks) -> None:
    """Find nothing: bitmaps hold no metadata."""


def _colours(flags: bytes) -> int:
    """Return the length of a table of colours, in bytes."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after(data: bytes, position: int) -> int:
    """Return where sub-blocks end."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1


def _joined(data: bytes, position: int, end: int) -> bytes:
    parts, size = [], 0
    while position < min(end, len(data)) and data[position] and size <= MAX_BLOCK:
        parts.append(data[position + 1 : position + 1 + data[position]])
        size += data[position]
        position += data[position] + 1
    return b"".join(parts)
