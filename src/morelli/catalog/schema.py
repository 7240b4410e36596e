"""The columns of a catalog: one row per labelled image.

The image's own facts (everything that can be read from the file) are never taken from a manifest; labels (what
somebody says about the image) are never guessed from the file.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

__all__ = ["COLUMNS", "FACT_COLUMNS", "LABEL_COLUMNS", "ROLES", "SCHEMA_VERSION", "Facts"]

SCHEMA_VERSION = 1
"""Number of the table layout, written into every catalog."""

LABEL_COLUMNS = ("model", "version", "lineage", "prompt_id", "prompt", "domain", "language", "split", "source")
"""What somebody says about an image: strings, null when unknown. ``lineage`` is the base that a model derives from."""

ROLES = ("path", *LABEL_COLUMNS)
"""The parts that a manifest's columns can play."""


class Facts(NamedTuple):
    """What was read from one file; the field order is the order of the catalog's columns.

    All fields but `error` and `error_kind` are None where the file could not be read; `image_id` and `bytes` stay
    known as long as the bytes themselves could be read.
    """

    image_id: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    bytes: int | None = None
    phash: int | None = None
    mode: str | None = None
    bit_depth: int | None = None
    alpha: bool | None = None
    animated: bool | None = None
    orientation: int | None = None
    icc_profile: bool | None = None
    metadata_bytes: int | None = None
    jpeg_quality: int | None = None
    jpeg_tables: str | None = None
    subsampling: str | None = None
    progressive: bool | None = None
    error: str | None = None
    error_kind: str | None = None


FACT_COLUMNS = Facts._fields
"""What is read from the file."""

COLUMNS = pa.schema(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        *((name, pa.string()) for name in LABEL_COLUMNS),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("phash", pa.uint64()),
        ("mode", pa.string()),
        ("bit_depth", pa.int16()),
        ("alpha", pa.bool_()),
        ("animated", pa.bool_()),
        ("orientation", pa.int8()),
        ("icc_profile", pa.bool_()),
        ("metadata_bytes", pa.int64()),
        ("jpeg_quality", pa.int16()),
        ("jpeg_tables", pa.string()),
        ("subsampling", pa.string()),
        ("progressive", pa.bool_()),
        ("error", pa.string()),
        ("error_kind", pa.string()),
    ]
)
"""The pyarrow schema of a catalog.

========================  ==============================================================================================
column                    meaning
========================  ==============================================================================================
``image_id``              SHA-256 of the file's bytes, hexadecimal; null when the bytes could not be read
``uri``                   path relative to the catalog's base folder, absolute when outside of it, or a remote address
labels                    see `LABEL_COLUMNS`
``width``, ``height``     pixels, as stored (EXIF orientation is not applied)
``format``, ``mode``      container ("JPEG", "PNG", ...) and pixel mode as stored
``bytes``                 length of the file; it depends on the picture's content as well as on the encoder
``phash``                 64-bit perceptual hash
``metadata_bytes``        bytes of EXIF, XMP, text chunks and the like
``jpeg_quality``          IJG quality estimate, 1 to 100; null when the file is not a JPEG
``jpeg_tables``           the first 12 hexadecimal digits of the SHA-256 of the quantisation tables
``error``, ``error_kind`` why the file is not usable; both null when it is
========================  ==============================================================================================
"""
