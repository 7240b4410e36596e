"""Files that are data and say so: named arrays and one JSON document as safetensors, held together by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli._text import storable
from morelli.errors import BundleError

__all__ = ["canonical", "content_hash", "read_sealed"]


def content_hash(arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of arrays and document."""
    digest = hashlib.sha256(canonical(document).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def canonical(document: Mapping[str, Any]) -> str:
    """Return the one JSON text of a document; ValueError for NaN and infinity, which JSON does not have."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # Half a surrogate pair (from a file name that is not UTF-8) becomes the escape that JSON has for it.
    return storable(text)


def read_sealed(path: Path, *, key: str, what: str, max_bytes: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the document of a file; the document's own hash is for the caller to check.

    Parameters
    ----------
    path : Path
    key : str
        Under which the document stands in the header.
    what : str
        What the file should be, for messages.
    max_bytes : int
        Files that are longer are not read.

    Raises
    ------
    BundleError
        The file is missing, too large, cut off or another, or its description is damaged or was edited.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise BundleError(f"{path}: there is no such file.")
    if path.stat().st_size > max_bytes:
        raise BundleError(f"{path}: larger than {max_bytes // 1024**3} GiB; that is no {what}.")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(key)
            arrays = {} if text is None else {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:  # the last two: foreign dtypes
        raise BundleError(f"{path}: not a Morelli {what}, or cut off ({error}).") from error
    if text is None:
        raise BundleError(f"{path}: a safetensors file, but not a Morelli {what}.")
    try:
        document = json.loads(text)
        # Any other spelling of the same values is not ours: no byte may change without notice.
        plain = isinstance(document, dict) and canonical(document) == text and _is_padded_plainly(path)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: the {what}'s description is damaged ({error}).") from error
    if not plain:
        raise BundleError(f"{path}: the {what}'s description is damaged or was edited.")
    return arrays, document


def _is_padded_plainly(path: Path) -> bool:
    """Say whether only spaces fill the header up: the library skips any white space, and the hash does not see it."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return stream.read(length).rstrip(b" ").endswith(b"}")
