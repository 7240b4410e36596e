"""Chunks of PNG files."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from morelli.images._containers import png_chunks
from morelli.provenance.metadata.blocks import Blocks, decoded, inflate, reader

__all__ = ["read_png"]

_PROFILE = re.compile(r"\s*(\w+)\s+(\d{1,9})\s+([0-9a-fA-F\s]*)")
_XMP = "XML:com.adobe.xmp"


@reader("PNG")
def read_png(data: bytes, blocks: Blocks) -> None:
    """Collect texts, EXIF, XMP and the colour profile of chunks up to IEND (PNG, Third Edition, section 11.3).

    Chunks whose checksum is wrong are left out and told as a problem, as libpng does.
    """
    name = b""
    for name, start, length in png_chunks(data):
        if name in _CHUNKS:
            body = data[start : start + length]
            sum_ = int.from_bytes(data[start + length : start + length + 4], "big")
            if zlib.crc32(body, zlib.crc32(name)) == sum_:
                _read(name, body, blocks)
            else:
                blocks.problem(f"the checksum of a {name.decode()} chunk is wrong")
    if name != b"IEND":
        blocks.problem("the PNG's chunks are cut off")


def _read(name: bytes, body: bytes, blocks: Blocks) -> None:
    try:
        _CHUNKS[name](body, blocks)
    except ValueError as error:
        blocks.problem(f"a {name.decode()} chunk {error}")


def _text(body: bytes, blocks: Blocks) -> None:
    keyword, _, text = body.partition(b"\0")
    _keep("tEXt", keyword, decoded(text), blocks)


def _compressed_text(body: bytes, blocks: Blocks) -> None:
    keyword, _, rest = body.partition(b"\0")
    _keep("zTXt", keyword, decoded(inflate(rest[1:])), blocks)


def _international_text(body: bytes, blocks: Blocks) -> None:
    keyword, _, rest = body.partition(b"\0")
    if len(rest) < 2:
        raise ValueError("is cut off")
    _language, _, after = rest[2:].partition(b"\0")
    _translated, _, text = after.partition(b"\0")
    _keep("iTXt", keyword, decoded(inflate(text) if rest[0] == 1 else text), blocks)


def _keep(kind: str, keyword: bytes, text: str, blocks: Blocks) -> None:
    name = keyword[:79].decode("latin-1")
    if name == _XMP:
        blocks.add(blocks.xmp, text.encode("utf-8", "replace"), "XMP")
    elif name.startswith("Raw profile type "):
        _raw_profile(name.removeprefix("Raw profile type ").lower(), text, blocks)
    else:
        blocks.text(kind, name, text)


def _raw_profile(name: str, text: str, blocks: Blocks) -> None:
    """Read a profile as ImageMagick writes it into a text: a name, a length, and hexadecimal digits."""
    found = _PROFILE.fullmatch(text)
    try:
        body = bytes.fromhex(found[3]) if found else b""
    except ValueError:
        body = b""
    if found is None or len(body) != int(found[2]):
        raise ValueError(f"holds no {name[:20]!r} profile, though it says so")
    if body.startswith(b"Exif\0\0"):
        blocks.add(blocks.exif, body[6:], "EXIF")
    elif name in ("exif", "app1") and body[:2] in (b"II", b"MM"):
        blocks.add(blocks.exif, body, "EXIF")
    elif name == "xmp" or body.lstrip().startswith((b"<?xpacket", b"<x:xmpmeta")):
        blocks.add(blocks.xmp, body, "XMP")
    elif name in ("iptc", "8bim"):
        blocks.add(blocks.photoshop, body.removeprefix(b"Photoshop 3.0\0"), "the Photoshop resources")
    elif name in ("icc", "icm"):
        blocks.add(blocks.icc, body, "the colour profile")


def _exif(body: bytes, blocks: Blocks) -> None:
    blocks.add(blocks.exif, body.removeprefix(b"Exif\0\0"), "EXIF")


def _icc(body: bytes, blocks: Blocks) -> None:
    _name, _, rest = body.partition(b"\0")
    blocks.add(blocks.icc, inflate(rest[1:]), "the colour profile")


_CHUNKS: dict[bytes, Callable[[bytes, Blocks], None]] = {
    b"tEXt": _text,
    b"zTXt": _compressed_text,
    b"iTXt": _international_text,
    b"eXIf": _exif,
    b"iCCP": _icc,
}
