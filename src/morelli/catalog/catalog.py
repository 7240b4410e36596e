"""The catalog: a table of labelled images, one row each."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from morelli._files import atomic_path
from morelli.catalog.schema import COLUMNS, LABEL_COLUMNS, SCHEMA_VERSION
from morelli.errors import CatalogError

__all__ = ["Catalog"]

_METADATA_KEY = b"morelli.catalog"
_ESSENTIAL = tuple(name for name in COLUMNS.names if name not in LABEL_COLUMNS)


@dataclass(frozen=True, eq=False, repr=False)
class Catalog:
    """Labelled images, one row each. Immutable: every method gives a new catalog.

    Parameters
    ----------
    table : pyarrow.Table
        Has the columns of `morelli.catalog.COLUMNS`; label columns that are missing are added as nulls, columns beyond
        the schema are kept behind it and can serve as labels too.
    base : path-like
        The folder that relative uris start from.

    Raises
    ------
    CatalogError
        A column that only Morelli can fill is missing, or a column has a type that does not fit.
    """

    table: Any
    base: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _conform(self.table))
        object.__setattr__(self, "base", Path(os.path.abspath(self.base)))  # noqa: PTH100 -- must not follow links

    # -- disk ----------------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, base: str | os.PathLike[str] | None = None) -> Catalog:
        """Read a catalog from Parquet.

        Parameters
        ----------
        path : path-like
            A file that `write` made, or that another program made from one. When the program lost the file's metadata
            the base is the folder of the file.
        base : path-like, optional
            Where the images are now, if they were moved apart from the catalog.

        Raises
        ------
        CatalogError
            The file is missing, is not Parquet, or is not a catalog.
        """
        path = Path(path)
        if not path.is_file():
            raise CatalogError(f"There is no catalog at {path}.")
        try:
            table = pq.read_table(path, memory_map=False)
        except (pa.ArrowException, OSError) as error:
            raise CatalogError(f"{path} cannot be read as Parquet: {error}") from error
        recorded = _read_metadata(table, path)
        folder = Path(os.path.abspath(path)).parent  # noqa: PTH100
        try:
            return cls(table.replace_schema_metadata(None), Path(base) if base is not None else folder / recorded)
        except CatalogError as error:
            raise CatalogError(f"{path} is not a catalog. {error}") from error

    @staticmethod
    def is_catalog(path: str | os.PathLike[str]) -> bool:
        """Whether a file is Parquet with the columns of a catalog, rather than a table that one can be built from."""
        try:
            names = pq.read_schema(path).names
        except (pa.ArrowException, OSError):
            return False
        return {"image_id", "uri", "error"} <= set(names)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the catalog as Parquet (zstd), atomically: the file is complete or not there.

        The base folder is recorded relative to the file where the two share more than the root of the file system, so
        that a folder can be moved together with its catalog.
        """
        path = Path(path)
        folder = os.path.abspath(path.parent)  # noqa: PTH100
        note = {"version": SCHEMA_VERSION, "base": _relative(self.base, Path(folder))}
        table = self.table.replace_schema_metadata({_METADATA_KEY: json.dumps(note, sort_keys=True).encode()})
        try:
            with atomic_path(path) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        except OSError as error:
            raise CatalogError(f"The catalog cannot be written to {path}: {error.strerror or error}.") from error

    # -- looking -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        models = pc.count_distinct(self.table["model"], mode="only_valid").as_py()
        return f"Catalog({len(self)} images, {models} models, {self.n_unreadable} unreadable)"

    @property
    def n_unreadable(self) -> int:
        """Number of rows whose file could not be read."""
        return len(self) - int(self.table["error"].null_count)

    def column(self, name: str) -> NDArray[Any]:
        """Return one column as a numpy array, shape (n,).

        Strings come as objects with None for null. Numbers keep their type when no value is null; with nulls they
        become float64 with NaN, except ``phash``, which stays uint64 with 0 (take `readable` first). Booleans with
        nulls become objects.

        Raises
        ------
        CatalogError
            There is no such column.
        """
        values = self._column(name)
        if pa.types.is_uint64(values.type):
            values = pc.fill_null(values, pa.scalar(0, pa.uint64()))
        array: NDArray[Any] = values.to_numpy()
        return array

    def codes(self, name: str) -> tuple[NDArray[np.int64], list[Any]]:
        """Return a column as integer codes into its sorted distinct values; null is -1.

        Returns
        -------
        codes : ndarray of int64, shape (n,)
        values : list
            Sorted, so that the codes do not depend on the order of rows.
        """
        values = self._column(name).combine_chunks()
        distinct = pc.unique(values).drop_null()
        distinct = distinct.take(pc.sort_indices(distinct))
        codes = pc.fill_null(pc.index_in(values, value_set=distinct), -1)
        return codes.to_numpy(zero_copy_only=False).astype(np.int64), distinct.to_pylist()

    def text(self, name: str) -> NDArray[np.object_]:
        """Return a column of any type as text, None where it is null; shape (n,)."""
        codes, values = self.codes(name)
        return np.array([*(str(value) for value in values), None], dtype=object)[codes]

    @cached_property
    def paths(self) -> list[Path]:
        """Absolute path of every row's file, in order.

        The path of a row with a remote uri names no existing file: such rows carry an error; use `readable` to be
        without them.
        """
        base = str(self.base)
        join, normalise = os.path.join, os.path.normpath
        return [Path(normalise(join(base, uri))) for uri in self.table["uri"].to_pylist()]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted (image_id, labels) of all rows: the data's identity wherever the files lie.

        Columns beyond the schema can serve as labels, and count with their names.
        """
        foreign = sorted(name for name in self.table.column_names if name not in COLUMNS.names)
        columns = [self.table[name].to_pylist() for name in ("image_id", *LABEL_COLUMNS, *foreign)]
        digest = hashlib.sha256(json.dumps(foreign).encode() if foreign else b"")
        rows = zip(*columns, strict=True)
        for line in sorted(json.dumps(row, ensure_ascii=False, default=str) for row in rows):
            digest.update(line.encode())
            digest.update(b"\n")
        return digest.hexdigest()

    # -- choosing ------------------------------------------------------------------------------------------------------

    def filter(self, mask: ArrayLike) -> Catalog:
        """Keep the rows where `mask` (bool, shape (n,)) is true."""
        keep = np.asarray(mask)
        if keep.dtype != np.bool_ or keep.shape != (len(self),):
            raise CatalogError(
                f"A mask for this catalog is {len(self)} booleans; this one is {keep.dtype} with shape {keep.shape}."
            )
        return Catalog(self.table.filter(pa.array(keep)), self.base)

    def take(self, indices: ArrayLike) -> Catalog:
        """Keep the rows at `indices` (integers, shape (m,)), in that order; an index may repeat."""
        positions = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(positions) and (positions.min() < 0 or positions.max() >= len(self)):
            raise CatalogError(f"Row indices must lie between 0 and {len(self) - 1}.")
        return Catalog(self.table.take(pa.array(positions)), self.base)

    @property
    def readable(self) -> Catalog:
        """The rows whose file could be read."""
        return self if self.n_unreadable == 0 else Catalog(self.table.filter(self.table["error"].is_null()), self.base)

    def select(self, **wanted: object) -> Catalog:
        """Keep the rows whose columns have the wanted values.

        Parameters
        ----------
        **wanted
            Column name to one value or a list (tuple, set) of values; None stands for null.

        Examples
        --------
        ``catalog.select(model=["flux", "sdxl"], split="test")``
        """
        keep = np.ones(len(self), dtype=bool)
        for name, value in wanted.items():
            values = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
            column = self._column(name)
            try:
                accepted = pa.array(values, type=column.type)
            except (pa.ArrowException, OverflowError) as error:
                raise CatalogError(f"Column {name!r} holds {column.type} values; {values!r} does not fit.") from error
            keep &= pc.is_in(column, value_set=accepted).to_numpy()
        return self.filter(keep)

    def with_column(self, name: str, values: Sequence[object] | NDArray[Any]) -> Catalog:
        """Return the catalog with a column replaced or added (null where a value is None)."""
        if len(values) != len(self):
            raise CatalogError(f"Column {name!r} needs {len(self)} values; it was given {len(values)}.")
        kind = COLUMNS.field(name).type if name in COLUMNS.names else None
        try:
            array = pa.array(values, type=kind)
        except (pa.ArrowException, OverflowError) as error:
            raise CatalogError(f"The values given for column {name!r} do not fit it: {error}") from error
        position = self.table.schema.get_field_index(name)
        if position < 0:
            return Catalog(self.table.append_column(name, array), self.base)
        return Catalog(self.table.set_column(position, name, array), self.base)

    @classmethod
    def concat(cls, catalogs: Iterable[Catalog]) -> Catalog:
        """Put catalogs one below the other.

        Catalogs with different base folders get their common parent as base, and their uris are rewritten.
        """
        parts = list(catalogs)
        if not parts:
            raise CatalogError("There is no catalog to put together.")
        base = parts[0].base
        if any(part.base != base for part in parts):
            base = Path(os.path.commonpath([part.base for part in parts]))
            parts = [part._rebased(base) for part in parts]
        try:
            table = pa.concat_tables([part.table for part in parts], promote_options="default")
        except pa.ArrowException as error:
            raise CatalogError(
                f"The catalogs have columns of the same name that do not fit together: {error}"
            ) from error
        return cls(table, base)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _column(self, name: str) -> Any:
        if name not in self.table.column_names:
            raise CatalogError(f"There is no column {name!r}. The columns are: {', '.join(self.table.column_names)}.")
        return self.table[name]

    def _rebased(self, base: Path) -> Catalog:
        uris = self.table["uri"].to_pylist()
        moved = [
            uri if "://" in uri or not uri else _relative(path, base)
            for uri, path in zip(uris, self.paths, strict=True)
        ]
        return Catalog(self.with_column("uri", moved).table, base)


def _conform(table: Any) -> Any:
    """Order and type the columns as in the schema; keep foreign columns behind them."""
    if table.schema.equals(COLUMNS):
        return table
    names = list(table.column_names)
    if len(set(names)) != len(names):
        raise CatalogError("A column name occurs twice.")
    if missing := [name for name in _ESSENTIAL if name not in names]:
        raise CatalogError(
            f"It lacks the columns {', '.join(missing)}. Build it with `morelli catalog build`; "
            f"the columns it has are: {', '.join(names) or 'none'}."
        )
    arrays = []
    for field in COLUMNS:
        if field.name not in names:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        try:
            arrays.append(table[field.name].cast(field.type))
        except pa.ArrowException as error:
            raise CatalogError(f"Column {field.name!r} should hold {field.type} values: {error}") from error
    if arrays[1].null_count:
        raise CatalogError("Column 'uri' has rows without a value.")
    foreign = [name for name in names if name not in COLUMNS.names]
    return pa.table([*arrays, *(table[name] for name in foreign)], names=[*COLUMNS.names, *foreign])


def _read_metadata(table: Any, path: Path) -> str:
    """Return the recorded base folder (relative to the file's folder, or absolute); "." when nothing is recorded."""
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        return "."
    try:
        note = json.loads(raw)
        version, base = int(note["version"]), str(note["base"])
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogError(f"{path} has metadata that is not of a catalog: {raw[:80]!r}.") from error
    if version > SCHEMA_VERSION:
        raise CatalogError(
            f"{path} was written by a newer Morelli (layout {version}; this one reads up to {SCHEMA_VERSION})."
        )
    return base


def _relative(path: Path, start: Path) -> str:
    """Write `path` relative to `start`, with forward slashes; absolute when they share no folder but the root."""
    try:
        shared = Path(os.path.commonpath([path, start]))
    except ValueError:  # two drives on Windows
        return path.as_posix()
    if shared == Path(shared.anchor) and path != start:
        return path.as_posix()
    return Path(os.path.relpath(path, start)).as_posix()
