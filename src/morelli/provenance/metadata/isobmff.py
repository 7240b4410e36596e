"""Items of AVIF and HEIC files that describe the image (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

from dataclasses import dataclass

from morelli.images._containers import iso_boxes
from morelli.provenance.metadata.blocks import MAX_BLOCK, Blocks, reader

__all__ = ["read_iso"]

_MAX_ITEMS = 2000
_MAX_READ = 16
_XMP = "application/rdf+xml"


@dataclass
class _Item:
    kind: bytes
    content_type: str


class _Cursor:
    """Reads numbers one after the other; ValueError beyond the end."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.position, self.end = data, start, end

    def number(self, size: int) -> int:
        if self.position + size > self.end:
            raise ValueError("ends within a number")
        value = int.from_bytes(self.data[self.position : self.position + size], "big")
        self.position += size
        return value

    def text(self) -> str:
        end = self.data.find(b"\0", self.position, self.end)
        end = self.end if end < 0 else end
        text = self.data[self.position : end].decode("utf-8", "replace")
        self.position = end + 1
        return text


@reader("AVIF")
@reader("HEIF")
def read_iso(data: bytes, blocks: Blocks) -> None:
    """Collect the items of kind Exif and of the type of XMP, and colour profiles."""
    read = 0
    try:
        for start, end in iso_boxes(data, 0, len(data), b"meta"):
            inside = start + 4
            items = _items(data, inside, end)
            for number, extents in _locations(data, inside, end).items():
                item = items.get(number)
                if item is None or not (item.kind == b"Exif" or item.content_type == _XMP):
                    continue
                if (read := read + 1) > _MAX_READ:
                    raise ValueError("has more blocks of metadata than any camera or editor writes")
                body = b"".join(data[a:b] for a, b in extents)
                if item.kind == b"Exif":
                    skip = 4 + int.from_bytes(body[:4], "big")
                    blocks.add(blocks.exif, body[skip:].removeprefix(b"Exif\0\0"), "EXIF")
                else:
                    blocks.add(blocks.xmp, body, "XMP")
            for iprp in iso_boxes(data, inside, end, b"iprp"):
                for ipco in iso_boxes(data, *iprp, b"ipco"):
                    for a, b in iso_boxes(data, *ipco, b"colr"):
                        if data[a : a + 4] in (b"prof", b"rICC"):
                            blocks.add(blocks.icc, data[a + 4 : b], "the colour profile")
    except ValueError as error:
        blocks.problem(f"the table of items {error}")


def _items(data: bytes, start: int, end: int) -> dict[int, _Item]:
    items: dict[int, _Item] = {}
    for a, b in iso_boxes(data, start, end, b"iinf"):
        inside = a + 4 + (2 if _Cursor(data, a, b).number(1) == 0 else 4)
        for entry, stop in iso_boxes(data, inside, b, b"infe"):
            if len(items) >= _MAX_ITEMS:
                raise ValueError("has more entries than any camera or editor writes")
            cursor = _Cursor(data, entry, stop)
            version = cursor.number(4) >> 24
            if version < 2:  # of the drafts, without kinds
                continue
            number = cursor.number(2 if version == 2 else 4)
            cursor.number(2)
            kind = cursor.number(4).to_bytes(4, "big")
            cursor.text()
            items[number] = _Item(kind, cursor.text() if kind == b"mime" else "")
    return items


def _locations(data: bytes, start: int, end: int) -> dict[int, list[tuple[int, int]]]:
    """Return where each item lies, as (start, end) in the file."""
    inner = next(iter(iso_boxes(data, start, end, b"idat")), None)
    found: dict[int, list[tuple[int, int]]] = {}
    for a, b in iso_boxes(data, start, end, b"iloc"):
        cursor = _Cursor(data, a, b)
        version = cursor.number(4) >> 24
        sizes = cursor.number(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version in (1, 2) else 0
        wide = 2 if version < 2 else 4
        count = cursor.number(wide)
        if count > _MAX_ITEMS:
            raise ValueError("has more entries than any camera or editor writes")
        for _ in range(count):
            number = cursor.number(wide)
            method = cursor.number(2) & 15 if version in (1, 2) else 0
            cursor.number(2)
            base = cursor.number(base_size)
            extents = cursor.number(2)
            pieces, total = [], 0
            for _ in range(extents):
                cursor.number(index_size)
                first = base + cursor.number(offset_size)
                length = cursor.number(length_size)
                if method == 1 and inner is not None:
                    first += inner[0]
                elif method:
                    continue
                pieces.append((first, min(first + length, len(data))))
                total += length
            if total <= MAX_BLOCK:
                found[number] = pieces
    return found
