"""Manifest stores out of files, read by C2PA's own library in a process of its own, within bounds and offline."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from morelli.provenance.credentials import _child

__all__ = ["INSTALL", "MEDIA_TYPES", "SECONDS", "StoreReader", "library", "library_settings"]

INSTALL: Final = "pip install 'morelli[provenance]'"

SECONDS: Final = 20.0
"""How long the library may take for one file. A file of 100 MB takes it less than one."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
"""Formats that content credentials can stand in, as :func:`morelli.images._containers.sniff` and as C2PA name them."""

_LARGEST_REPLY = 64 * 1024 * 1024


def library() -> str | None:
    """Return the version of c2pa-python; None where it is not installed."""
    try:
        return version("c2pa-python") if find_spec("c2pa") is not None else None
    except PackageNotFoundError:
        return "unknown"


def library_settings(anchors: str | None) -> dict[str, Any]:
    """Return the library's settings: nothing is fetched, and only the given certificates (PEM) are trusted.

    The library fetches remote manifests unless told not to, and trusts anchors of its own unless given others; where
    nobody gave any, whether the signer is trusted is not asked.
    """
    return {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_trust": anchors is not None,
            "verify_timestamp_trust": True,
        },
        # Identity assertions (CAWG) are looked up on the web when they are decoded.
        "core": {"allowed_network_hosts": [], "decode_identity_assertions": False},
        **({} if anchors is None else {"trust": {"trust_anchors": anchors}}),
    }


class StoreReader:
    """Reads the manifest stores of files, one after the other.

    Parameters
    ----------
    anchors : str or None
        Certificates whose signers are trusted, PEM.
    seconds : float
        For one file.
    command : sequence of str, optional
        What is run in place of the child process of this package: for tests.
    """

    def __init__(
        self, anchors: str | None = None, *, seconds: float = SECONDS, command: tuple[str, ...] | None = None
    ) -> None:
        self._settings = json.dumps(library_settings(anchors)).encode()
        self._seconds = seconds
        self._command = command or (sys.executable, "-P", str(Path(_child.__file__)))
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def read(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Return what `_child.answer` says of a file; of one that kills or delays the library, an error too."""
        with self._lock:
            process = self._running()
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(self._seconds, stop)
            timer.start()
            try:
                reply = self._exchange(process, media_type.encode(), data)
            except (OSError, ValueError) as error:
                self._end()
                if late.is_set():
                    return {"error": "Timeout", "message": f"not done after {self._seconds:g} seconds"}
                return {"error": "Crash", "message": f"the library ended (status {process.returncode}; {error})"}
            except BaseException:  # Ctrl-C in the middle: the next file would get the rest of this answer
                self._end()
                raise
            finally:
                timer.cancel()
            if late.is_set():  # it came with the bell
                self._end()
            return reply

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert self._process.stdin is not None
            with suppress(OSError):  # it ended at once, which the exchange that follows will notice
                self._process.stdin.write(_child.LENGTH.pack(len(self._settings)) + self._settings)
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], media_type: bytes, data: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_child.HEAD.pack(len(media_type), len(data)) + media_type)
        process.stdin.write(data)
        process.stdin.flush()
        head = process.stdout.read(_child.LENGTH.size)
        if len(head) < _child.LENGTH.size:
            raise ValueError("no answer")
        (length,) = _child.LENGTH.unpack(head)
        if length > _LARGEST_REPLY:
            raise ValueError(f"an answer of {length} bytes")
        body = process.stdout.read(length)
        if len(body) < length:
            raise ValueError("half an answer")
        reply: dict[str, Any] = json.loads(body)
        return reply

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what was still to be written has no reader any more
                if pipe is not None:
                    pipe.close()
