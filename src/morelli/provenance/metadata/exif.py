"""Tags of EXIF and TIFF: the first directory, and the one for cameras that it points to."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from morelli.provenance.metadata.blocks import MAX_BLOCK, Blocks, clean, decoded

__all__ = ["MAX_TEXT", "Exif", "read_exif"]

MAX_TEXT: Final = 1024 * 1024
"""Characters of one text."""

_MAX_ENTRIES = 1000
_CAMERA = 0x8769
_USER_COMMENT = 0x9286
_TEXTS: Final = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x013C: "HostComputer",
    0x8298: "Copyright",
    0x9003: "DateTimeOriginal",
    0xA433: "LensMake",
    0xA434: "LensModel",
    0xA431: "BodySerialNumber",
    0xA436: "ImageTitle",
    0xA437: "Photographer",
    0xA438: "ImageEditor",
    0xA43B: "ImageEditingSoftware",
}
_WIDE_TEXTS: Final = {
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9D: "XPAuthor",
    0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject",
}
_NUMBERS: Final = {0x829A: "ExposureTime", 0x829D: "FNumber", 0x8827: "ISO", 0x920A: "FocalLength"}
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass
class Exif:
    """The tags of one block that say where an image is from.

    Attributes
    ----------
    texts : dict of str to str
        By the name of the tag.
    numbers : dict of str to float
        Settings of the camera.
    """

    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    """Byte order and widths; those of BigTIFF are twice as wide."""

    order: str
    count: str
    offset: str

    @property
    def entry(self) -> int:
        return 4 + 2 * struct.calcsize(self.order + self.offset)


def read_exif(block: bytes, blocks: Blocks) -> Exif:
    """Read the tags, and put blocks that tags hold (XMP, IPTC, colour profile, of TIFF) to the others.

    Exif 3.0 (CIPA DC-008-2023), section 4.6, and TIFF 6.0. At most 1000 entries of a directory are read, and no
    directory but the first and the one for cameras: pages and thumbnails describe themselves.
    """
    exif = Exif()
    found = _layout(block)
    if found is None:
        blocks.problem("the EXIF has no header")
        return exif
    layout, offset = found
    camera = None
    for tag, kind, value in _entries(block, offset, layout, blocks):
        if tag == _CAMERA:
            camera = int.from_bytes(value[:8], "little" if layout.order == "<" else "big")
        else:
            _keep(exif, tag, kind, value, layout, blocks)
    if camera:
        for tag, kind, value in _entries(block, camera, layout, blocks):
            _keep(exif, tag, kind, value, layout, blocks)
    return exif


def _layout(block: bytes) -> tuple[_Layout, int] | None:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return None
    (version,) = struct.unpack_from(order + "H", block, 2)
    if version == 43 and len(block) >= 16:
        return _Layout(order, "Q", "Q"), struct.unpack_from(order + "Q", block, 8)[0]
    return _Layout(order, "H", "I"), struct.unpack_from(order + "I", block, 4)[0]


def _entries(block: bytes, offset: int, layout: _Layout, blocks: Blocks) -> Iterator[tuple[int, int, bytes]]:
    """Yield tag, type and value of each entry whose value lies in the block."""
    head = struct.calcsize(layout.order + layout.count)
    if offset + head > len(block):
        blocks.problem("a directory of the EXIF lies outside of it")
        return
    (count,) = struct.unpack_from(layout.order + layout.count, block, offset)
    width = struct.calcsize(layout.order + layout.offset)
    seen = set()  # of repeated tags the first counts
    for number in range(min(count, _MAX_ENTRIES)):
        start = offset + head + number * layout.entry
        if start + layout.entry > len(block):
            blocks.problem("a directory of the EXIF is cut off")
            return
        tag, kind, items = struct.unpack_from(f"{layout.order}HH{layout.offset}", block, start)
        size = _SIZES.get(kind, 0) * items
        where = start + 4 + width
        if size > width:
            (where,) = struct.unpack_from(layout.order + layout.offset, block, where)
        if tag in _KEPT and size and tag not in seen:
            seen.add(tag)
            if size > MAX_BLOCK or where + size > len(block):
                blocks.problem(f"the value of EXIF tag 0x{tag:04X} lies outside of it")
            else:
                yield tag, kind, block[where : where + size]


def _keep(exif: Exif, tag: int, kind: int, value: bytes, layout: _Layout, blocks: Blocks) -> None:
    if tag in _TEXTS:
        text = decoded(value[:MAX_TEXT].split(b"\0")[0])
        _put(exif, _TEXTS[tag], text)
    elif tag in _WIDE_TEXTS:
        _put(exif, _WIDE_TEXTS[tag], value[:MAX_TEXT].decode("utf-16-le", "replace").split("\0")[0])
    elif tag == _USER_COMMENT:
        _put(exif, "UserComment", _user_comment(value[: 2 * MAX_TEXT], layout.order))
    elif tag in _NUMBERS and (number := _number(value, kind, layout.order)) is not None:
        exif.numbers.setdefault(_NUMBERS[tag], number)
    elif tag == 0x02BC:
        blocks.add(blocks.xmp, value, "XMP")
    elif tag == 0x83BB:
        blocks.add(blocks.iim, value, "IPTC")
    elif tag == 0x8649:
        blocks.add(blocks.photoshop, value, "the Photoshop resources")
    elif tag == 0x8773:
        blocks.add(blocks.icc, value, "the colour profile")


_KEPT: Final = {*_TEXTS, *_WIDE_TEXTS, *_NUMBERS, _CAMERA, _USER_COMMENT, 0x02BC, 0x83BB, 0x8649, 0x8773}


def _put(exif: Exif, name: str, text: str) -> None:
    if kept := clean(text, MAX_TEXT):
        exif.texts.setdefault(name, kept)


def _number(value: bytes, kind: int, order: str) -> float | None:
    code = {3: "H", 4: "I", 5: "II", 10: "ii", 11: "f", 12: "d"}.get(kind)
    if code is None or len(value) < struct.calcsize(order + code):
        return None
    over, under = (*struct.unpack_from(order + code, value), 1)[:2]
    number = over / under if under else math.inf
    return number if math.isfinite(number) else None


def _user_comment(value: bytes, order: str) -> str:
    """Read a text that begins with the name of its character code, in eight bytes.

    Of UNICODE the standard does not say the byte order, and programs write either: the file's own is what it should
    be, and big-endian is what many generators write. The order that gives more Latin characters is the one.
    """
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return text.decode("utf-16", "replace")
        sample = text[:2000]
        high = {"<": sample[1::2].count(0), ">": sample[0::2].count(0)}
        best = order if high["<"] == high[">"] else max(high, key=lambda name: high[name])
        return text.decode("utf-16-le" if best == "<" else "utf-16-be", "replace")
    if code == b"JIS\0\0\0\0\0":
        return text.decode("iso2022_jp", "replace")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return decoded(text.rstrip(b"\0"))
    return decoded(value.rstrip(b"\0"))  # programs forget the code
