"""What the header of a JPEG says: quantisation tables, sampling, metadata; and the quality that its tables mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["JpegHeader", "estimate_jpeg_quality", "parse_jpeg", "standard_tables"]

# Annex K of ITU-T T.81, row by row: the tables that the Independent JPEG Group's "quality" scales.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)

#: Relative root-mean-square distance beyond which a table is not on the IJG scale. Integer rounding alone stays below
#: 0.02; a flat table, as some encoders use, is at 0.5 and more.
_FAR = 0.25

_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}

_SOI, _EOI, _SOS, _DQT, _COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def _zigzag() -> tuple[int, ...]:
    """Return, for each place in a stored table, its place in a table read row by row."""
    cells = [(row, column) for row in range(8) for column in range(8)]
    # Along each anti-diagonal, odd ones go down (by row) and even ones up (by column).
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return tuple(row * 8 + column for row, column in cells)


_ZIGZAG = _zigzag()


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the segments before a JPEG's first scan say.

    Parameters
    ----------
    tables : tuple of tuple of int
        As `ImageFacts.jpeg_tables`; empty when the header ends before its frame.
    subsampling : str or None
        As `ImageFacts.subsampling`.
    progressive : bool
        The frame is progressive.
    precision : int
        Bits per sample, 8 or 12; 8 when there is no frame.
    metadata_bytes : int
        Payload of all APPn and COM segments but the plain JFIF and Adobe markers, which every encoder writes.
    scan_start : int or None
        Offset of the first start-of-scan marker; None when there is none.
    """

    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: str | None = None
    progressive: bool = False
    precision: int = 8
    metadata_bytes: int = 0
    scan_start: int | None = None


def parse_jpeg(data: bytes) -> JpegHeader:
    """Read the segments of a JPEG up to its first scan.

    It never raises and looks at no byte twice: where the header breaks off or contradicts itself it returns what it
    has, because whether the file is an image is for the decoder to say.

    Parameters
    ----------
    data : bytes
        The file, from its start-of-image marker.

    Returns
    -------
    JpegHeader
        What is there.
    """
    tables: dict[int, tuple[int, ...]] = {}
    frame: tuple[int, bytes] | None = None
    metadata = 0
    scan_start = None
    position = 2 if data[:2] == bytes((0xFF, _SOI)) else len(data)
    while (position := data.find(b"\xff", position)) >= 0:
        start = position
        position += 1
        while data[position : position + 1] == b"\xff":  # fill bytes
            position += 1
        if position >= len(data):
            break
        marker = data[position]
        position += 1
        if marker == 0 or marker in _ALONE or marker == _SOI:
            continue
        if marker == _EOI:
            break
        if marker == _SOS:
            scan_start = start
            break
        length = int.from_bytes(data[position : position + 2], "big")
        payload = data[position + 2 : position + length]
        if length < 2 or len(payload) != length - 2:
            break
        position += length
        if marker == _DQT:
            tables.update(_quantisation(payload))
        elif marker in _FRAMES and frame is None:
            frame = marker, payload
        elif (0xE0 <= marker <= 0xEF or marker == _COM) and not _is_plain(marker, payload):
            metadata += len(payload)
    if frame is None:
        return JpegHeader(metadata_bytes=metadata, scan_start=scan_start)
    precision, components = _components(frame[1])
    used = dict.fromkeys(table for _, _, table in components)
    return JpegHeader(
        tables=tuple(tables[table] for table in used if table in tables),
        subsampling=_subsampling(components),
        progressive=frame[0] in (0xC2, 0xC6, 0xCA, 0xCE),
        precision=precision,
        metadata_bytes=metadata,
        scan_start=scan_start,
    )


def standard_tables(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the luma and chroma tables of one IJG quality, as libjpeg makes them with ``force_baseline``.

    Parameters
    ----------
    quality : int
        1..100.

    Returns
    -------
    tuple of two tuples of int
        Each 64 integers, row by row.

    Examples
    --------
    >>> standard_tables(50)[0][:8]
    (16, 11, 10, 16, 24, 40, 51, 61)
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG quality is 1 to 100, not {quality}")
    luma, chroma = _standard()
    return tuple(luma[quality - 1].tolist()), tuple(chroma[quality - 1].tolist())


@lru_cache(maxsize=4096)
def estimate_jpeg_quality(tables: tuple[tuple[int, ...], ...] | None) -> int | None:
    """Say which quality of the Independent JPEG Group's scale a file's tables amount to.

    The luma table decides, by least squares over the 100 qualities; the second table breaks ties. Exact for every
    table that libjpeg writes.

    Parameters
    ----------
    tables : tuple of tuple of int or None
        As `ImageFacts.jpeg_tables`.

    Returns
    -------
    int or None
        1..100; None without tables, and where even the nearest differs by more than a quarter (relative
        root-mean-square), as for encoders with tables of a shape of their own.
    """
    if not tables:
        return None
    luma, chroma = _standard()
    # Qualities below 25 saturate at 255 where tables may not; comparing above that would punish an equal choice.
    first = np.minimum(np.asarray(tables[0], dtype=np.float64), 255.0)
    cost = np.mean((luma - first) ** 2, axis=1)
    best = cost.min()
    if np.sqrt(best) > _FAR * max(float(first.mean()), 1.0):
        return None
    ties = np.flatnonzero(cost == best)
    if ties.size > 1 and len(tables) > 1:
        second = np.minimum(np.asarray(tables[1], dtype=np.float64), 255.0)
        ties = ties[np.argsort(np.mean((chroma[ties] - second) ** 2, axis=1), kind="stable")]
    return int(ties[0]) + 1


@lru_cache(maxsize=1)
def _standard() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the luma and the chroma tables of all qualities, each of shape (100, 64)."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    luma, chroma = (
        np.clip((np.asarray(base, dtype=np.int64).reshape(1, 64) * scale + 50) // 100, 1, 255)
        for base in (_LUMA, _CHROMA)
    )
    return luma, chroma


def _quantisation(payload: bytes) -> dict[int, tuple[int, ...]]:
    """Return the tables of one DQT segment by their number; a broken one ends the list."""
    found: dict[int, tuple[int, ...]] = {}
    position = 0
    while position < len(payload):
        precision, number = payload[position] >> 4, payload[position] & 15
        width = 2 if precision else 1
        stored = payload[position + 1 : position + 1 + 64 * width]
        position += 1 + 64 * width
        if precision > 1 or number > 3 or len(stored) < 64 * width:
            break
        table = [0] * 64
        for place, cell in enumerate(_ZIGZAG):
            table[cell] = int.from_bytes(stored[place * width : (place + 1) * width], "big")
        found[number] = tuple(table)
    return found


def _components(payload: bytes) -> tuple[int, list[tuple[int, int, int]]]:
    """Return a frame's precision, and (horizontal factor, vertical factor, table number) of each component."""
    if len(payload) < 6:
        return 8, []
    entries = [payload[start : start + 3] for start in range(6, 6 + 3 * payload[5], 3)]
    return payload[0], [(entry[1] >> 4, entry[1] & 15, entry[2]) for entry in entries if len(entry) == 3]


def _subsampling(components: list[tuple[int, int, int]]) -> str | None:
    """Name how much coarser the second component is sampled than the first."""
    if len(components) < 3:
        return None
    (h0, v0, _), (h1, v1, _) = components[:2]
    if not (h0 and v0 and h1 and v1):
        return None
    if h0 % h1 == 0 and v0 % v1 == 0 and (h0 // h1, v0 // v1) in _SUBSAMPLING:
        return _SUBSAMPLING[h0 // h1, v0 // v1]
    return f"{h0 / h1:g}x{v0 / v1:g}"


def _is_plain(marker: int, payload: bytes) -> bool:
    """Say whether a segment is the fixed-size JFIF or Adobe marker, which carries colour facts and no metadata."""
    jfif = marker == 0xE0 and len(payload) == 14 and payload.startswith(b"JFIF\0")
    adobe = marker == 0xEE and len(payload) == 12 and payload.startswith(b"Adobe")
    return jfif or adobe
