"""Where the weights of networks are kept on this machine, and what is in their files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from morelli._files import cache_folder, write_text
from morelli.errors import MorelliError

__all__ = ["LOCK", "read_json", "read_lock", "sha256_of", "weights_folder", "write_lock_file"]

LOCK = "lock.json"
"""Written last into the folder of a network: the source, the commit, and the sum of every file."""

_MAX_JSON = 1 << 20


def weights_folder() -> Path:
    """Return where weights are kept: $MORELLI_WEIGHTS, or ``weights`` beside the feature cache."""
    if own := os.environ.get("MORELLI_WEIGHTS"):
        return Path(own).expanduser()
    return cache_folder() / "weights"


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, computed once in a process as long as the file stays the same.

    Raises
    ------
    MorelliError
        It cannot be read.
    """
    path = Path(path)
    try:
        state = path.stat()
        return _sha256(str(path.resolve()), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error


@lru_cache(maxsize=1024)
def _sha256(path: str, size: int, mtime: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read a configuration.

    Raises
    ------
    MorelliError
        It is missing, larger than a megabyte, or no JSON object.
    """
    try:
        if path.stat().st_size > _MAX_JSON:
            raise MorelliError(f"{path} is too large for a configuration.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise MorelliError(f"{path} is no JSON.") from error
    if not isinstance(value, dict):
        raise MorelliError(f"{path} is no configuration.")
    return value


def read_lock(folder: Path) -> dict[str, Any]:
    """Return what was written down when the folder was filled; nothing where there is no such file.

    Raises
    ------
    MorelliError
        The file is damaged.
    """
    path = folder / LOCK
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(state, dict) or not isinstance(state["files"], dict):
            raise TypeError
        for entry in state["files"].values():
            str(entry["sha256"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MorelliError(f"{path} is damaged; delete it and fetch the weights again.") from error
    return state


def write_lock_file(folder: Path, name: str, source: str, commit: str | None, sums: Mapping[str, str]) -> None:
    """Write down what a folder was filled with: `sums` are SHA-256 by file."""
    files = {file: {"sha256": digest, "bytes": (folder / file).stat().st_size} for file, digest in sums.items()}
    state = {"name": name, "source": source, "commit": commit, "files": files}
    write_text(folder / LOCK, json.dumps(state, indent=1, sort_keys=True) + "\n")
