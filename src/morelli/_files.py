"""Where the program keeps what it can make again, and writing files so that an interrupt never leaves half of one."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "cache_folder", "write_text"]


def cache_folder() -> Path:
    """Return where caches are kept: the folder $MORELLI_CACHE, or where the platform keeps them."""
    if own := os.environ.get("MORELLI_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "morelli" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "morelli"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morelli"


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `target`, moved onto it when the block ends without an error.

    Parameters
    ----------
    target : path-like
        The file to make or replace. Its folder is created.

    Yields
    ------
    pathlib.Path
        Write here. On an exception the temporary file is removed and `target` stays as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 atomically."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def _umask() -> int:
    """Return the process's umask; the only portable way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
