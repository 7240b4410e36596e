"""Reading what a catalog is built from: a folder per model, or a manifest of paths and labels."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from morelli._text import storable
from morelli.catalog._folder import walk_folder
from morelli.catalog.schema import LABEL_COLUMNS, ROLES
from morelli.errors import CatalogError

__all__ = ["Problem", "Source", "read_source"]

_DELIMITERS = (",", ";", "\t", "|")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_CSV, _JSONL, _PARQUET = {".csv", ".tsv"}, {".jsonl", ".ndjson"}, {".parquet", ".pq"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot even be tried: a machine-readable kind and one sentence."""

    kind: str
    detail: str


@dataclass(slots=True)
class Source:
    """Rows to catalog, before any file is opened.

    Attributes
    ----------
    base : pathlib.Path
        The folder that relative uris start from.
    uris : list of str
        One per row: relative to `base` with forward slashes, absolute when outside of it, or a remote address.
    labels : dict of str to list
        Every label column, and the others that were asked for; one string or None per row.
    problems : dict of int to Problem
        Rows that cannot be tried.
    """

    base: Path
    uris: list[str] = field(default_factory=list)
    labels: dict[str, list[str | None]] = field(default_factory=lambda: {name: [] for name in LABEL_COLUMNS})
    problems: dict[int, Problem] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.uris)

    def path(self, row: int) -> str:
        """Absolute path of a row's file."""
        return os.path.normpath(os.path.join(self.base, self.uris[row]))  # noqa: PTH118

    def add(self, raw: str | None, labels: Mapping[str, str | None]) -> None:
        """Append a row for the path `raw` as the user wrote it."""
        uri, problem = _locate(raw, self.base)
        if problem is not None:
            self.problems.setdefault(len(self.uris), problem)
        self.uris.append(uri)
        for name, values in self.labels.items():
            values.append(labels.get(name))


def read_source(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    model_from: Literal["folder"] | None = "folder",
    prompt_from: Literal["folder", "stem"] | None = None,
    extra: Sequence[str] = (),
) -> Source:
    """Read a folder or a manifest into rows of path and labels. No image is opened.

    Parameters
    ----------
    source : path-like
        A folder, laid out as ``SOURCE/<model>/**/<image>``, or a manifest: ``.csv`` and ``.tsv`` (UTF-8 or UTF-16
        with a byte order mark; delimiter comma, semicolon, tab or bar), ``.jsonl`` and ``.ndjson`` (one object per
        line), ``.parquet``. A manifest's relative paths start from its own folder.
    columns : mapping of role to column name, optional
        For manifests. A role is ``path`` or a label column; a role that is not mapped takes the column of its own
        name, if there is one. All other columns are ignored.
    defaults : mapping of label column to value, optional
        Fills the rows where the source says nothing.
    model_from : {"folder", None}
        For folders: whether the first sub-folder is the model.
    prompt_from : {"folder", "stem", None}
        For folders: whether the second sub-folder, or the file's name without suffix, is the prompt_id.
    extra : sequence of str
        For manifests: other columns to read, by their own names.

    Raises
    ------
    CatalogError
        The source is missing, empty or malformed, or a column that was asked for does not exist.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100 -- links stay as the user wrote them
    columns, defaults = dict(columns or {}), dict(defaults or {})
    for role in columns:
        if role not in ROLES:
            raise CatalogError(f"A column cannot be mapped to {role!r}. The roles are: {', '.join(ROLES)}.")
    for role in defaults:
        if role not in LABEL_COLUMNS:
            raise CatalogError(f"A default cannot be given for {role!r}. The labels are: {', '.join(LABEL_COLUMNS)}.")
    if not path.exists():
        raise CatalogError(f"There is no folder or manifest at {path}.")
    if path.is_dir():
        if columns or extra:
            raise CatalogError("Columns can be mapped for a manifest, but the source is a folder.")
        rows = _read_folder(path, model_from, prompt_from, "model" in defaults)
    else:
        if prompt_from is not None:
            raise CatalogError("A prompt can be taken from folder or file names only where the source is a folder.")
        others = [name for name in extra if name not in ROLES]
        rows = _read_manifest(path, columns | {name: columns.get(name, name) for name in extra}, others)
    for name, value in defaults.items():
        rows.labels[name] = [value if known is None else known for known in rows.labels[name]]
    return rows


def _read_folder(root: Path, model_from: str | None, prompt_from: str | None, has_default_model: bool) -> Source:
    rows = Source(root)
    nested = False
    try:
        for parts, closed in walk_folder(root):
            folders = parts if closed else parts[:-1]
            nested = nested or bool(folders)
            labels: dict[str, str | None] = {}
            if model_from == "folder" and folders:
                labels["model"] = storable(folders[0])
            if prompt_from == "stem" and not closed:
                labels["prompt_id"] = storable(Path(parts[-1]).stem)
            elif prompt_from == "folder" and len(folders) > 1:
                labels["prompt_id"] = storable(folders[1])
            if closed:
                reason = closed.strerror or str(closed)
                rows.problems[len(rows)] = Problem("missing", f"The folder cannot be listed: {reason}.")
            rows.add("/".join(parts), labels)
    except OSError as error:
        raise CatalogError(f"The folder {error.filename} cannot be listed: {error.strerror}.") from error
    if not rows:
        raise CatalogError(f"{root} holds no image files.")
    if model_from == "folder" and not nested and not has_default_model:
        raise CatalogError(
            f"{root} has images but no sub-folder per model. Put every model's images into a folder of its name, or "
            "name the one model that made all of them, or say that the folders do not name models."
        )
    return rows


def _read_manifest(path: Path, columns: dict[str, str], others: Sequence[str]) -> Source:
    suffix = path.suffix.lower()
    try:
        if path.stat().st_size == 0:
            raise CatalogError(f"{path} is empty.")
        if suffix in _CSV:
            rows = _read_csv(path, columns, others)
        elif suffix in _JSONL:
            rows = _read_jsonl(path, columns, others)
        elif suffix in _PARQUET:
            rows = _read_parquet(path, columns, others)
        else:
            raise CatalogError(
                f"{path.name} is no manifest that can be read: use .csv, .tsv, .jsonl, .ndjson or .parquet."
            )
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not rows:
        raise CatalogError(f"{path} has no rows.")
    return rows


def _open_text(path: Path) -> IO[str]:
    """Open as UTF-8, or as UTF-16 when the file begins with its byte order mark (Excel's "Unicode text")."""
    with path.open("rb") as stream:
        mark = stream.read(2)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return path.open(encoding=encoding, newline="")


def _rows(path: Path, others: Sequence[str]) -> Source:
    return Source(path.parent, labels={name: [] for name in (*LABEL_COLUMNS, *others)})


def _read_csv(path: Path, columns: dict[str, str], others: Sequence[str]) -> Source:
    rows = _rows(path, others)
    try:
        delimiter = _delimiter(path, columns.get("path", "path"))
        with _open_text(path) as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            positions = _positions(path, header, columns, others)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise CatalogError(
                        f"{path.name}, line {reader.line_num}: {len(cells)} cells where the header names {len(header)} "
                        "columns. A text that holds the delimiter must stand in double quotes."
                    )
                _add(rows, {role: cells[position] for role, position in positions.items()})
    except csv.Error as error:
        raise CatalogError(f"{path.name} is not well-formed CSV: {error}.") from error
    except UnicodeError as error:
        raise CatalogError(f"{path.name} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    return rows


def _delimiter(path: Path, path_column: str) -> str:
    """Choose the delimiter that makes the header name the path column, else the one that gives most columns.

    csv.Sniffer looks at the content, and takes the commas of prompts for delimiters.
    """

    def header(delimiter: str) -> list[str]:
        with _open_text(path) as stream:
            return [name.strip() for name in next(csv.reader(stream, delimiter=delimiter), [])]

    headers = {delimiter: header(delimiter) for delimiter in _DELIMITERS}
    return max(_DELIMITERS, key=lambda delimiter: (path_column in headers[delimiter], len(headers[delimiter])))


def _read_jsonl(path: Path, columns: dict[str, str], others: Sequence[str]) -> Source:
    rows = _rows(path, others)
    wanted = {role: columns.get(role, role) for role in (*ROLES, *others)}
    seen: dict[str, None] = {}
    try:
        with _open_text(path) as stream:
            for number, record in _json_objects(path, stream):
                seen.update(dict.fromkeys(record))
                cells = {}
                for role, name in wanted.items():
                    if name in record:
                        cells[role] = _json_text(record[name], f"{path.name}, line {number}, {name!r}")
                _add(rows, cells)
    except UnicodeError as error:
        raise CatalogError(f"{path.name} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    if rows:
        _positions(path, list(seen), columns, others)
    return rows


def _json_objects(path: Path, stream: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise CatalogError(f"{path.name}, line {number}: not valid JSON ({error}).") from error
        if not isinstance(record, dict):
            raise CatalogError(f"{path.name}, line {number}: every line must be a JSON object.")
        yield number, record


def _json_text(value: object, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else storable(value)
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise CatalogError(f"{where}: a {type(value).__name__} cannot be a path or a label; use text or a number.")


def _read_parquet(path: Path, columns: dict[str, str], others: Sequence[str]) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _rows(path, others)
    try:
        file = pq.ParquetFile(path)
        if b"morelli.catalog" in (file.schema_arrow.metadata or {}):
            raise CatalogError(f"{path} is a catalog already: use it as it is.")
        positions = _positions(path, file.schema_arrow.names, columns, others)
        names = {role: file.schema_arrow.names[position] for role, position in positions.items()}
        for batch in file.iter_batches(columns=sorted(set(names.values()))):
            values = {}
            for role, name in names.items():
                try:
                    values[role] = batch.column(name).cast(pa.string()).to_pylist()
                except pa.ArrowException as error:
                    kind = batch.schema.field(name).type
                    raise CatalogError(f"{path.name}: column {name!r} holds {kind}, not paths or labels.") from error
            for cells in zip(*values.values(), strict=True):
                _add(rows, dict(zip(values, cells, strict=True)))
    except pa.ArrowException as error:
        raise CatalogError(f"{path} cannot be read as Parquet: {error}") from error
    return rows


def _positions(path: Path, header: Sequence[str], columns: Mapping[str, str], others: Sequence[str]) -> dict[str, int]:
    """Map each role that the header serves to its position; complain about what is missing or ambiguous."""
    existing = ", ".join(name for name in header if name) or "none"
    if not any(header):
        raise CatalogError(f"{path.name} has no header line.")
    positions = {}
    for role in (*ROLES, *others):
        name = columns.get(role, role)
        if (count := header.count(name)) > 1:
            raise CatalogError(f"{path.name} names the column {name!r} {count} times; which one is meant?")
        if count:
            positions[role] = header.index(name)
        elif role in columns:
            use = "" if name == role else f" to take as {role}"
            raise CatalogError(f"{path.name} has no column {name!r}{use}. Its columns are: {existing}.")
    if "path" not in positions:
        raise CatalogError(
            f"{path.name} has no column 'path'. Say which column holds the paths; its columns are: {existing}."
        )
    return positions


def _add(rows: Source, cells: dict[str, str | None]) -> None:
    labels = {role: value for role, text in cells.items() if role != "path" and text and (value := text.strip())}
    rows.add(cells.get("path"), labels)


def _locate(raw: str | None, base: Path) -> tuple[str, Problem | None]:
    """Turn a path as written into a uri, and say why when it can never be opened."""
    text = raw or ""
    if not text.strip():
        return "", Problem("missing", "The row has no path.")
    if _REMOTE.match(text):
        return text, Problem("unsupported", "Only local files can be read. Download the image and give its path.")
    if "\0" in text or text != storable(text):
        return storable(text.replace("\0", "\\x00")), Problem(
            "unsupported", "The file's name is not valid text (UTF-8). Rename the file."
        )
    if not os.path.isabs(text):  # noqa: PTH117
        return os.path.normpath(text).replace(os.sep, "/"), None
    inside = os.path.relpath(text, base)
    outside = inside.startswith("..") and Path(inside).parts[0] == ".."
    return (os.path.normpath(text) if outside else inside).replace(os.sep, "/"), None
