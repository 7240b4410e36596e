"""The long tables of studies as Parquet and CSV, and which files of an earlier study in the same folder are to go."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from morelli._files import atomic_path
from morelli.report._study_tables import FORMULA
from morelli.report._text import clean

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["remove_stale", "write_bytes", "write_long"]

_OURS: Final = re.compile(r"tables/[a-z0-9][a-z0-9-]*\.(csv|md|tex)|figures/[a-z0-9][a-z0-9-]*\.(svg|png)")


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` atomically."""
    with atomic_path(target) as path:
        path.write_bytes(data)


def write_long(table: pa.Table, folder: Path, name: str) -> list[Path]:
    """Write a long table as ``NAME.parquet``, and as ``NAME.csv`` with lists as JSON and without formulas."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    parquet, text = folder / f"{name}.parquet", folder / f"{name}.csv"
    with atomic_path(parquet) as path:
        pq.write_table(table, path, compression="zstd")
    with atomic_path(text) as path:
        csv.write_csv(_flat(table), path, csv.WriteOptions(quoting_style="needed"))
    return [parquet, text]


def remove_stale(folder: Path, kept: Collection[str], document: str = "study.json") -> None:
    """Remove the tables and figures that the study before wrote here and that this one does not.

    Only files that its `document` lists are touched, and of these only such as a study makes: what somebody else
    put into the folder stays.

    Parameters
    ----------
    folder : Path
    kept : collection of str
        Files of this study, relative to `folder`, with forward slashes.
    document : str
        Name of its JSON file.
    """
    try:
        listed = json.loads((folder / document).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    for name in listed if isinstance(listed, list) else []:
        if isinstance(name, str) and _OURS.fullmatch(name) and name not in kept:
            (folder / name).unlink(missing_ok=True)


def _flat(table: pa.Table) -> pa.Table:
    """Return a table that CSV can hold: no lists, no dictionaries, NaN as nothing, nothing that a spreadsheet runs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_nested(column.type):
            texts = [None if v is None else clean(json.dumps(v, ensure_ascii=False)) for v in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        elif pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            risky = pc.starts_with(column, pattern=FORMULA[0])
            for beginning in FORMULA[1:]:
                risky = pc.or_(risky, pc.starts_with(column, pattern=beginning))
            apostrophe = pa.scalar("'", column.type)
            column = pc.if_else(risky, pc.binary_join_element_wise(apostrophe, column, ""), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)
