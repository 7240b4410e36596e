"""The note of finished files beside an unfinished catalog."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from morelli.catalog.schema import FACT_COLUMNS, Facts
from morelli.errors import CatalogError

__all__ = ["FileKey", "Journal"]

_BATCH = 64
_SECONDS = 2.0


class FileKey(NamedTuple):
    """What a file was when it was read; size and time are -1 when it is not there."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str) -> FileKey:
        """Look the file up now."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            return cls(path, -1, -1)
        return cls(path, status.st_size, status.st_mtime_ns)


class Journal:
    """JSON lines, one per finished file, behind one line that says what they depend on.

    Lines are appended and made durable (fsync) in batches: every 64 files or 2 seconds. A line that is torn, or not a
    line of this journal, is passed over when the journal is read: that file is simply read again.

    Parameters
    ----------
    path : pathlib.Path
        The journal.
    recipe : dict
        Everything besides the files that the facts depend on. A journal of another recipe is started afresh.
    """

    def __init__(self, path: Path, recipe: dict[str, object]) -> None:
        self.path = path
        self.finished: dict[FileKey, Facts] = {}
        self._head = {"journal": 1, "columns": list(FACT_COLUMNS), "recipe": recipe}
        self._stream: IO[str] | None = None
        self._waiting: list[str] = []
        self._written = time.monotonic()

    @contextmanager
    def open(self, *, resume: bool) -> Iterator[Journal]:
        """Load what is finished and open for appending; what waits is written even when the block ends in an error."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.finished = self._load() if resume else {}
            if self.finished:
                self._stream = self.path.open("a", encoding="utf-8")
                self._stream.write("\n")  # ends a torn last line
            else:
                self._stream = self.path.open("w", encoding="utf-8")
                self._stream.write(json.dumps(self._head) + "\n")
        except OSError as error:
            raise CatalogError(f"The build cannot write its journal {self.path}: {error.strerror or error}.") from error
        try:
            yield self
        finally:
            self._flush()
            self._stream.close()
            self._stream = None

    def append(self, key: FileKey, facts: Facts) -> None:
        """Note a finished file."""
        self._waiting.append(json.dumps([*key, *facts]))
        if len(self._waiting) >= _BATCH or time.monotonic() - self._written > _SECONDS:
            self._flush()

    def remove(self) -> None:
        """Delete the journal: the catalog is complete."""
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        assert self._stream is not None
        try:
            self._stream.write("".join(f"{line}\n" for line in self._waiting))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise CatalogError(f"The build cannot write its journal {self.path}: {error.strerror or error}.") from error
        self._waiting.clear()
        self._written = time.monotonic()

    def _load(self) -> dict[FileKey, Facts]:
        if not self.path.is_file():
            return {}
        finished: dict[FileKey, Facts] = {}
        width = len(FileKey._fields)
        with self.path.open(encoding="utf-8", errors="replace") as stream:
            if _parse(stream.readline()) != self._head:
                return {}
            for line in stream:
                cells = _parse(line)
                if isinstance(cells, list) and len(cells) == width + len(FACT_COLUMNS):
                    finished[FileKey(*cells[:width])] = Facts(*cells[width:])
        return finished


def _parse(line: str) -> object:
    """Return the line's JSON value, or None when it is torn."""
    try:
        return json.loads(line)
    except ValueError:
        return None
