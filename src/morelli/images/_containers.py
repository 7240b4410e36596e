"""Reading file structure without decoding: what a file is, how large, how deep, and how much metadata it carries."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = [
    "exif_orientation",
    "heif_bit_depth",
    "is_cut",
    "iso_boxes",
    "png_bit_depth",
    "png_chunks",
    "png_metadata_bytes",
    "sniff",
    "webp_chunks",
    "webp_metadata_bytes",
    "webp_size",
]

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})

#: Starts of files that are images, but of kinds that Morelli does not read: to say so beats "not an image".
_OTHER = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw surface"),
    (b"\0\0\1\0", "icon"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
)

#: Chunks of a PNG that say how to show its pixels, or animate them; all other ancillary chunks describe the image.
_PNG_RENDERING = frozenset(
    b"tRNS gAMA cHRM sRGB sBIT bKGD hIST pHYs sPLT cICP mDCV cLLI acTL fcTL fdAT".split()  # codespell:ignore
)
_WEBP_PIXELS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})


def sniff(data: bytes) -> tuple[str | None, str | None]:
    """Say from its first bytes what a file is.

    Parameters
    ----------
    data : bytes
        The file, or at least its first 64 bytes.

    Returns
    -------
    tuple of (str or None, str or None)
        The format, as `ImageFacts.format` names it; or else the name of a known kind that Morelli does not read.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", None
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP", None
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF", None
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF", None
    # "BM" alone is two letters of any text; the length of the second header makes it a bitmap.
    if data[:2] == b"BM" and data[14:18] in {struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124)}:
        return "BMP", None
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4], "big"), 4096)
        brands = {data[8:12]} | {data[start : start + 4] for start in range(16, size, 4)}
        if brands & _AVIF_BRANDS:
            return "AVIF", None
        if brands & _HEIF_BRANDS:
            return "HEIF", None
        return None, "ISO media (video?)"
    return None, next((name for start, name in _OTHER if data.startswith(start)), None)


def is_cut(data: bytes, format_name: str) -> bool:
    """Say whether a file is shorter than its own structure declares (WebP, AVIF, HEIC, BMP; else False).

    The decoders of these formats report a file that was cut off no differently from one that is damaged.
    """
    if format_name == "WEBP":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if format_name == "BMP":
        return len(data) < int.from_bytes(data[2:6], "little")
    if format_name not in ("AVIF", "HEIF"):
        return False
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size < 8:
            return False
        position += size
    return position > len(data)


def png_bit_depth(data: bytes) -> int:
    """Return the bits per sample of a PNG (of a palette index, where it has a palette)."""
    return data[24] if len(data) > 24 and data[12:16] == b"IHDR" else 8


def png_metadata_bytes(data: bytes) -> int:
    """Return the payload bytes of a PNG's chunks of text, EXIF, colour profile, time, credentials and private data."""
    return sum(length for name, _, length in png_chunks(data) if name[0] & 0x20 and name not in _PNG_RENDERING)


def webp_metadata_bytes(data: bytes) -> int:
    """Return the payload bytes of a WebP's chunks that hold no pixels: EXIF, XMP, colour profile, credentials."""
    return sum(length for name, _, length in webp_chunks(data) if name not in _WEBP_PIXELS)


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a WebP's canvas from its first chunk, or None where that chunk is broken.

    Pillow allocates the canvas while it opens the file, so the bounds have to be checked before.
    """
    head = data[:30]
    if head[12:16] == b"VP8X" and len(head) == 30:
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L" and len(head) >= 25 and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 " and len(head) == 30 and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def heif_bit_depth(data: bytes) -> int:
    """Return the largest bits per channel that an AVIF's or HEIC's ``pixi`` properties name; 8 where none is found."""
    depth = 0
    for meta in iso_boxes(data, 0, len(data), b"meta"):
        for iprp in iso_boxes(data, meta[0] + 4, meta[1], b"iprp"):  # meta has a version and flags first
            for ipco in iso_boxes(data, *iprp, b"ipco"):
                for start, end in iso_boxes(data, *ipco, b"pixi"):
                    channels = data[start + 5 : min(end, start + 5 + data[start + 4])] if end - start > 5 else b""
                    depth = max(depth, *channels, 0)
    return depth or 8


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1..8, of a block of EXIF; 1 when it has none, or the block or the value is invalid.

    Only the first directory is walked, and no more entries than the block has room for.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1
    (offset,) = struct.unpack_from(order + "I", block, 4)
    if offset + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(order + "H", block, offset)
    for entry in range(offset + 2, min(offset + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, number, value = struct.unpack_from(order + "HHIH", block, entry)
        if tag == 0x0112:
            return value if kind == 3 and number == 1 and 1 <= value <= 8 else 1
    return 1


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start of the content and its length, of each whole chunk up to the image's or the file's end."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        position += 12 + length
        if position > len(data):
            return
        yield name, position - 4 - length, length
        if name == b"IEND":
            return


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start of the content and its length, of each whole chunk within the RIFF frame."""
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    position = 12
    while position + 8 <= end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > end:
            return
        yield data[position : position + 4], position + 8, length
        position += 8 + length + (length & 1)


def iso_boxes(data: bytes, start: int, end: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Yield the content, as (start, end), of each box called `name` within a stretch of an ISO media file."""
    while start + 8 <= end:
        size, header = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = end - start
        if size < header or start + size > end:
            return
        if data[start + 4 : start + 8] == name:
            yield start + header, start + size
        start += size
