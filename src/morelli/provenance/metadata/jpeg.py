"""Segments of JPEG files."""

from __future__ import annotations

from collections.abc import Iterator

from morelli.provenance.metadata.blocks import MAX_BLOCK, Blocks, clean, decoded, reader

__all__ = ["read_jpeg"]

_EXIF = b"Exif\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_ICC = b"ICC_PROFILE\0"
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_SOS, _EOI = 0xDA, 0xD9


@reader("JPEG")
def read_jpeg(data: bytes, blocks: Blocks) -> None:
    """Collect what application and comment segments before the first scan hold (ITU T.81, Annex B).

    XMP beyond 64 KB comes in parts (XMP Specification part 3, section 1.1.3.1), which are put together where all of
    them are there; so do colour profiles and Photoshop's resources.
    """
    photoshop, icc = bytearray(), bytearray()
    parts: dict[bytes, dict[int, bytes]] = {}
    totals: dict[bytes, int] = {}
    for marker, body in _segments(data, blocks):
        if marker == 0xFE:
            blocks.comment("jpeg:COM", decoded(body))
        elif marker == 0xE1 and body.startswith(_EXIF):
            blocks.add(blocks.exif, body[6:], "EXIF")
        elif marker == 0xE1 and body.startswith(_XMP):
            blocks.add(blocks.xmp, body[len(_XMP) :], "XMP")
        elif marker == 0xE1 and body.startswith(_MORE_XMP) and len(body) > len(_MORE_XMP) + 40:
            guid, rest = body[len(_MORE_XMP) :][:32], body[len(_MORE_XMP) + 32 :]
            totals[guid] = int.from_bytes(rest[:4], "big")
            parts.setdefault(guid, {})[int.from_bytes(rest[4:8], "big")] = rest[8:]
        elif marker == 0xED and body.startswith(_PHOTOSHOP):
            photoshop += body[len(_PHOTOSHOP) :]
        elif marker == 0xE2 and body.startswith(_ICC):
            icc += body[len(_ICC) + 2 :]
        elif 0xE0 <= marker <= 0xEF and len(blocks.segments) < 50:
            name = clean(body[:24].split(b"\0")[0].decode("ascii", "replace"), 24)
            blocks.segments.append(f"APP{marker - 0xE0} {name}".strip())
    blocks.add(blocks.photoshop, bytes(photoshop), "the Photoshop resources")
    blocks.add(blocks.icc, bytes(icc), "the colour profile")
    for guid, pieces in parts.items():
        whole = b"".join(pieces[offset] for offset in sorted(pieces))
        if len(whole) == totals[guid] <= MAX_BLOCK:
            blocks.add(blocks.xmp, whole, "extended XMP")
        else:
            blocks.problem("parts of the extended XMP are missing")


def _segments(data: bytes, blocks: Blocks) -> Iterator[tuple[int, bytes]]:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            blocks.problem("the JPEG's segments are damaged")
            return
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
            continue
        if marker in (_SOS, _EOI):
            return
        if marker in _STANDALONE:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2 or position + 2 + length > len(data):
            blocks.problem("the JPEG's segments are cut off")
            return
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length
    blocks.problem("the JPEG's segments are cut off")
