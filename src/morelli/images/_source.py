"""Getting the bytes of an image, within bounds, from a path or from memory."""

from __future__ import annotations

import io
import os
import stat
import time
from pathlib import Path

from morelli._text import storable
from morelli.errors import ImageReadError
from morelli.images.facts import Limits

__all__ = ["DeadlineError", "TimedBytes", "describe", "read_bytes"]

_MIB = 1024 * 1024


class DeadlineError(Exception):
    """The decoder asked for more data after its time was up. Private: `read_image` turns it into ``too-slow``."""


class TimedBytes(io.BytesIO):
    """Bytes as a file whose reads fail once the time is up, which is what stops a decoder, in any thread.

    Parameters
    ----------
    data : bytes
        The content; shared, not copied.
    seconds : float
        Time from now.
    """

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._until = time.monotonic() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO.read` does, or raise `DeadlineError`."""
        if time.monotonic() >= self._until:
            raise DeadlineError
        return super().read(size)


def describe(source: str | os.PathLike[str] | bytes) -> str:
    """Return what to call `source` in messages: its path (always printable as UTF-8), or ``<bytes>``."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    return storable(os.fspath(source))


def read_bytes(source: str | os.PathLike[str] | bytes, name: str, limits: Limits) -> bytes:
    """Return the content of `source`, never more than ``limits.max_bytes`` of it.

    Parameters
    ----------
    source : path-like or bytes
        A regular file, or the content itself.
    name : str
        For messages.
    limits : Limits
        `max_bytes` is used.

    Returns
    -------
    bytes
        At least one byte.

    Raises
    ------
    ImageReadError
        ``missing``, ``not-an-image`` (a folder, pipe or device), ``too-many-bytes`` or ``empty``.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        length = len(data)
    else:
        data, length = _read_file(Path(source), name, limits.max_bytes)
    if length > limits.max_bytes:
        detail = f"the file has {length / _MIB:.1f} MiB or more, above the limit of {limits.max_bytes / _MIB:g} MiB"
        raise ImageReadError(name, "too-many-bytes", detail)
    if not data:
        raise ImageReadError(name, "empty", "the file is empty")
    return data


def _read_file(path: Path, name: str, max_bytes: int) -> tuple[bytes, int]:
    """Return a regular file's content and length; the content is left out when the length is beyond the bound."""
    try:
        # Before opening: to open a named pipe waits for its writer, and to open a device can act on it.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
            raise ImageReadError(name, "not-an-image", f"this is {what}, not an image file")
        if status.st_size > max_bytes:
            return b"", status.st_size
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)  # one more, because the file may have grown since
        return data, len(data)
    except FileNotFoundError as error:
        raise ImageReadError(name, "missing", "there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageReadError(name, "missing", f"the file cannot be read ({reason})") from error
