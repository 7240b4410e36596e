"""Columns from a table beside the catalog: what somebody knows of prompts, models or images."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from morelli.catalog.catalog import Catalog
from morelli.catalog.schema import FACT_COLUMNS
from morelli.errors import CatalogError

__all__ = ["join_columns"]

_MAX_BYTES = 1 << 28
_KEYS = ("image_id", "uri", "prompt_id", "prompt", "model")


def join_columns(catalog: Catalog, path: str | os.PathLike[str]) -> Catalog:
    """Add the columns of a CSV file to a catalog.

    The file's first column names what its rows are about; it is one of ``image_id``, ``uri``, ``prompt_id``,
    ``prompt`` and ``model``. All other columns are added, as text; where the catalog has such a column, the file's
    values replace its own. Rows of the catalog that the file says nothing about get null in new columns.

    Parameters
    ----------
    catalog : Catalog
    path : path-like
        UTF-8, with a header.

    Raises
    ------
    CatalogError
        The file is missing, too large or no such table, names a key twice, or none of its keys is in the catalog.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CatalogError(f"{path} has more than {_MAX_BYTES >> 20} MiB, which no table of labels has.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path} is no CSV file in UTF-8 ({error}).") from error
    if len(header) < 2 or header[0] not in _KEYS or len(set(header)) < len(header):
        raise CatalogError(
            f"{path}: the first column is one of {', '.join(_KEYS)}, and others follow under different names; "
            f"it has: {', '.join(header) or 'nothing'}."
        )
    facts = [name for name in header[1:] if name in (*FACT_COLUMNS, "uri")]
    if facts:
        raise CatalogError(f"{path}: {', '.join(facts)} is read from the images, and not from a table.")
    found: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise CatalogError(f"{path}, row {number}: it has {len(row)} values, and the header {len(header)}.")
        if row[0] in found:
            raise CatalogError(f'{path}, row {number}: "{row[0]}" is there twice.')
        found[row[0]] = row
    keys = catalog.text(header[0])
    hit = np.array([key in found for key in keys], dtype=np.bool_)
    if not hit.any():
        raise CatalogError(f"{path}: none of its values of {header[0]} is in the catalog.")
    for position, name in enumerate(header[1:], start=1):
        old = catalog.text(name) if name in catalog.table.column_names else np.full(len(catalog), None, dtype=object)
        new = [found[key][position] or None if there else own for key, there, own in zip(keys, hit, old, strict=True)]
        catalog = catalog.with_column(name, new)
    return catalog
