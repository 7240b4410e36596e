"""Votes and counts of recognitions from files of strangers: CSV or Parquet, bounded, with errors that name rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes.ballots import LEFT, RIGHT, TIE, Votes

__all__ = ["MOST_BYTES", "MOST_MODELS", "MOST_VOTES", "read_columns", "read_votes"]

MOST_BYTES: Final = 4_000_000_000
MOST_VOTES: Final = 20_000_000
MOST_MODELS: Final = 2_000

_OUTCOMES: Final = {"model_a": LEFT, "model_b": RIGHT, "tie": TIE, "tie (bothbad)": TIE}
"""Words for outcomes; the last is what Chatbot Arena writes for two bad answers."""

_SHOWN: Final = 3


def read_votes(path: str | Path, *, most_votes: int = MOST_VOTES) -> Votes:
    """Read a table of votes.

    Parameters
    ----------
    path : path-like
        CSV (UTF-8, with a header) or Parquet with the columns ``model_a``, ``model_b`` and ``winner`` (``model_a``,
        ``model_b``, ``tie``, or the winner's name), and where they are known ``voter`` and ``time`` (seconds as
        numbers, or moments as ISO 8601). Other columns are not read.
    most_votes : int
        A longer table is refused.

    Returns
    -------
    Votes
        Models and voters are sorted by name. A column ``voter`` or ``time`` without any value is as if absent.

    Raises
    ------
    NotEnoughDataError
        There are no rows.
    MorelliError
        The file cannot be read or is too large, a column is missing, or rows are wrong: a value is missing, a model
        fights itself, or a winner is none of the two. The sentence names the first rows, counted from 1.
    """
    path = Path(path)
    table = read_columns(path, ("model_a", "model_b", "winner"), ("voter", "time"), most_votes)
    if not len(table):
        raise NotEnoughDataError(f"{path}: there are no votes in this table.")
    n = len(table)
    first, second, winner = (_text(table, name, path) for name in ("model_a", "model_b", "winner"))
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(names) > MOST_MODELS:
        raise MorelliError(f"{path}: {len(names)} different models, more than {MOST_MODELS}; is that the right column?")
    reserved = sorted(set(names.tolist()) & _OUTCOMES.keys())
    if reserved:
        raise MorelliError(f'{path}: a model is called "{reserved[0]}", which is a word for an outcome; rename it.')
    left, right = codes[:n], codes[n:]
    _refuse(left == right, first, path, "has the same model on both sides")
    outcome = np.full(n, -1, dtype=np.int8)
    words, word = np.unique(winner, return_inverse=True)
    meaning = np.array([_OUTCOMES.get(text, -1) for text in words.tolist()], dtype=np.int8)
    place = np.searchsorted(names, words)
    code = np.where(np.append(names, "")[place] == words, place, -1)
    outcome = meaning[word]
    outcome[code[word] == left] = LEFT
    outcome[code[word] == right] = RIGHT
    _refuse(outcome < 0, winner, path, 'has a winner that is not "model_a", "model_b", "tie" or one of the two names')
    voter, voters = None, ()
    if "voter" in table.column_names and table["voter"].null_count < n:
        who, voter = np.unique(_text(table, "voter", path), return_inverse=True)
        voters = tuple(who.tolist())
    return Votes(tuple(names.tolist()), left, right, outcome, voter, voters, _seconds(table, path))


def read_columns(path: Path, needed: tuple[str, ...], wanted: tuple[str, ...], most_rows: int) -> pa.Table:
    """Read some columns of a CSV or Parquet file; CSV columns are text.

    Raises
    ------
    MorelliError
        The file is missing, too large, not readable, lacks a needed column, or has more rows than `most_rows`.
    """
    if not path.is_file():
        raise MorelliError(f"{path}: there is no such file.")
    if path.stat().st_size > MOST_BYTES:
        raise MorelliError(f"{path}: the file is larger than {MOST_BYTES // 1_000_000_000} GB.")
    try:
        if path.suffix.lower() == ".parquet":
            file = pq.ParquetFile(path)
            _check_columns(file.schema_arrow.names, needed, wanted, path)
            _check_rows(file.metadata.num_rows, most_rows, path)
            return file.read([name for name in (*needed, *wanted) if name in file.schema_arrow.names])
        if path.stat().st_size == 0:
            raise NotEnoughDataError(f"{path}: the file is empty; it needs a header with {', '.join(needed)}.")
        return _read_csv(path, needed, wanted, most_rows)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise MorelliError(f"{path}: this cannot be read as a table ({reason}).") from None


def _read_csv(path: Path, needed: tuple[str, ...], wanted: tuple[str, ...], most_rows: int) -> pa.Table:
    kinds = {name: pa.string() for name in (*needed, *wanted)}
    # Empty fields are missing values, and NaN is a word like others: a model may be called "NA".
    convert = csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, null_values=[""])
    parts, rows = [], 0
    with csv.open_csv(path, convert_options=convert) as reader:
        _check_columns(reader.schema.names, needed, wanted, path)
        kept = [name for name in (*needed, *wanted) if name in reader.schema.names]
        for batch in reader:
            rows += batch.num_rows
            _check_rows(rows, most_rows, path)
            parts.append(batch.select(kept))
        return pa.Table.from_batches(parts, schema=pa.schema([(name, pa.string()) for name in kept]))


def _check_columns(names: list[str], needed: tuple[str, ...], wanted: tuple[str, ...], path: Path) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise MorelliError(
            f"{path}: the column {', '.join(missing)} is missing; there are: {', '.join(names) or 'none'}."
        )
    twice = sorted({name for name in (*needed, *wanted) if names.count(name) > 1})
    if twice:
        raise MorelliError(f"{path}: the column {', '.join(twice)} is there more than once.")


def _check_rows(rows: int, most_rows: int, path: Path) -> None:
    if rows > most_rows:
        raise MorelliError(f"{path}: more than {most_rows:,} rows; rate a part of them.")


def _text(table: pa.Table, name: str, path: Path) -> NDArray[Any]:
    """Return a column as text without missing values."""
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type):
        raise MorelliError(f"{path}: the column {name} holds lists, not names.")
    column = column.cast(pa.large_string())
    missing = pc.or_(pc.is_null(column), pc.equal(pc.fill_null(column, ""), "")).to_numpy(zero_copy_only=False)
    _refuse(np.asarray(missing, dtype=np.bool_), None, path, f"has no {name}")
    # Few different names in many rows: the names are turned into Python's text once each.
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    values = np.asarray(coded.dictionary.to_pylist() or [""], dtype=str)
    return np.asarray(values[coded.indices.to_numpy(zero_copy_only=False)])


def _refuse(wrong: NDArray[np.bool_], values: NDArray[Any] | None, path: Path, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return
    said = [f"{row + 1}" + ("" if values is None else f' ("{values[row]}")') for row in rows[:_SHOWN].tolist()]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    noun = "row" if len(rows) == 1 else "rows"
    raise MorelliError(f"{path}: {noun} {', '.join(said)}{more} {what if len(rows) == 1 else _plural(what)}.")


def _plural(what: str) -> str:
    return what.replace("has ", "have ", 1)


def _seconds(table: pa.Table, path: Path) -> NDArray[np.float64] | None:
    """Return the times in seconds, or None where there are none."""
    if "time" not in table.column_names or table["time"].null_count == len(table):
        return None
    column = table["time"]
    missing = np.asarray(column.is_null().to_numpy(), dtype=np.bool_)
    _refuse(missing, None, path, "has no time, while others have one")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parsed(column, path)
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(), dtype=np.float64) / 1e6
    try:
        values = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        raise MorelliError(f"{path}: the column time holds neither numbers nor moments.") from None
    _refuse(~np.isfinite(values), None, path, "has a time that is no finite number")
    return values


def _parsed(column: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    for kind in (pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return column.cast(kind)
        except pa.ArrowException:
            continue
    raise MorelliError(
        f"{path}: the column time holds something that is neither a number of seconds nor a moment such as "
        '"2026-05-01T12:00:00", or a mixture.'
    )
