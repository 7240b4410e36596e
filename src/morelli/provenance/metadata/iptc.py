"""IPTC's records (IIM) in the image resources of Photoshop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from morelli.provenance.metadata.blocks import Blocks, clean, decoded

__all__ = ["DATASETS", "read_iim", "read_photoshop"]

DATASETS: Final = {
    (2, 65): "OriginatingProgram",
    (2, 70): "ProgramVersion",
    (2, 80): "By-line",
    (2, 110): "Credit",
    (2, 115): "Source",
    (2, 116): "CopyrightNotice",
    (2, 40): "SpecialInstructions",
    (2, 120): "Caption-Abstract",
}
"""What is read, by record and dataset (IPTC-NAA Information Interchange Model 4.2)."""

_IPTC = 0x0404
_MAX_DATASETS = 500
_MAX_TEXT = 32 * 1024


def read_photoshop(resources: bytes, blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield IPTC's texts, as (name, text), of the image resources that hold them (Photoshop File Formats)."""
    position = 0
    while position + 12 <= len(resources):
        if resources[position : position + 4] not in (b"8BIM", b"PHUT", b"AgHg", b"DCSR"):
            blocks.problem("the Photoshop resources are damaged")
            return
        number = int.from_bytes(resources[position + 4 : position + 6], "big")
        name = resources[position + 6] + 1
        start = position + 6 + name + (name & 1)
        length = int.from_bytes(resources[start : start + 4], "big")
        start, position = start + 4, start + 4 + length + (length & 1)
        if start + length > len(resources):
            blocks.problem("the Photoshop resources are cut off")
            return
        if number == _IPTC:
            yield from read_iim(resources[start : start + length], blocks)


def read_iim(records: bytes, blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield the texts of `DATASETS`, as (name, text)."""
    position = 0
    for _ in range(_MAX_DATASETS):
        if position + 5 > len(records) or records[position] != 0x1C:
            break
        key = (records[position + 1], records[position + 2])
        length, position = int.from_bytes(records[position + 3 : position + 5], "big"), position + 5
        if length & 0x8000:  # an extended dataset: the length of the length, then the length
            size = length & 0x7FFF
            if size > 4:
                blocks.problem("the IPTC records are damaged")
                return
            length, position = int.from_bytes(records[position : position + size], "big"), position + size
        if position + length > len(records):
            blocks.problem("the IPTC records are cut off")
            return
        if key in DATASETS and (text := clean(decoded(records[position : position + length]), _MAX_TEXT)):
            yield DATASETS[key], text
        position += length
    if records[position:].strip(b"\0"):  # padding apart, everything has to be a dataset
        blocks.problem("the IPTC records are damaged")
