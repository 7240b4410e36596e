"""Attached files: a folder beside the ledger, every file under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import sqlalchemy as sa

from morelli.audit.ledger._reading import paged
from morelli.audit.ledger._tables import CONTENTS, ENTRIES
from morelli.errors import LedgerError

__all__ = ["check_files", "file_of", "hash_file", "place", "staged"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK: Final = 1 << 20
_PAGE: Final = 500


def file_of(folder: Path, digest: str) -> Path:
    """Return where the file with this SHA-256 lies: in one of 256 folders, by its first two digits.

    Raises
    ------
    LedgerError
        It is no SHA-256: somebody has changed the ledger, and may want a file elsewhere to be read or removed.
    """
    if not _DIGEST.fullmatch(digest):
        raise LedgerError("An attachment is not named by a SHA-256; `morelli ledger verify` says more.")
    return folder / digest[:2] / digest


def hash_file(stream: IO[bytes], copy: IO[bytes] | None = None) -> tuple[str, int]:
    """Return the SHA-256 and the length of a file, which may be larger than memory; write it to `copy` meanwhile."""
    digest, length = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        length += len(chunk)
        if copy is not None:
            copy.write(chunk)
    return digest.hexdigest(), length


@contextmanager
def staged(source: Path, folder: Path) -> Iterator[tuple[Path, str, int]]:
    """Give a copy of a file inside `folder`, already on the disk, with its SHA-256 and length.

    The caller moves the copy to its place by `place`; what is left when the block ends is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with source.open("rb") as stream, os.fdopen(handle, "wb") as copy:
            digest, length = hash_file(stream, copy)
            copy.flush()
            os.fsync(copy.fileno())
        yield temporary, digest, length
    finally:
        temporary.unlink(missing_ok=True)


def place(temporary: Path, folder: Path, digest: str) -> None:
    """Move a staged file to its place, where it is not there yet, so that it survives a power cut."""
    target = file_of(folder, digest)
    if target.is_file():
        return
    target.parent.mkdir(exist_ok=True)
    temporary.chmod(0o444)  # nobody has a reason to write to it
    temporary.replace(target)
    for changed in (target.parent, folder):
        _flush_folder(changed)


def _flush_folder(folder: Path) -> None:
    """Put a folder's list of names on the disk; Windows has no such thing."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_files(engine: sa.Engine, name: str, folder: Path) -> Iterator[tuple[int, str | None]]:
    """Yield the number of each attachment, with a sentence where its file is not there or not the same, else None."""
    query = (
        sa.select(ENTRIES.c.seq, CONTENTS.c.file)
        .select_from(ENTRIES.join(CONTENTS, CONTENTS.c.commitment == ENTRIES.c.content))
        .where(ENTRIES.c.kind == "attachment", CONTENTS.c.file.is_not(None))
    )
    for row in paged(engine, name, query, lambda _, rows: rows, size=_PAGE):
        yield row.seq, _damage(folder, row.file)


def _damage(folder: Path, digest: str) -> str | None:
    try:
        with file_of(folder, digest).open("rb") as stream:
            actual, _ = hash_file(stream)
    except LedgerError as error:
        return str(error)
    except OSError as error:
        return f"The attached file {digest[:12]} cannot be read ({error.strerror or error})."
    return None if actual == digest else f"The attached file {digest[:12]} was changed."
