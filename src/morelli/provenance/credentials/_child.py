"""The process that runs C2PA's native code on files from strangers: started by `reading`, imports nothing of Morelli.

Native code cannot be interrupted, and a bug in it ends the process that it runs in. Here that is this one, and whoever
started it says that the file could not be examined.

Reads frames from standard input: first the settings of the library as JSON, then for each file its media type and its
bytes. Answers each file by one frame of JSON: ``{"store": {...}, ...}``, ``{"remote": url}``, ``{"absent": true}`` or
``{"error": name, "message": text}``. Ends when standard input does.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import sys
from typing import Any, BinaryIO

HEAD = struct.Struct(">IQ")
"""Before a file: bytes of its media type, bytes of the file."""

LENGTH = struct.Struct(">Q")
"""Before any other frame: bytes in it."""

MEMORY = 4 * 1024**3
"""Bytes of address space that this process may use."""

_REMOTE = re.compile(r"must fetch remote manifests from url (.*)", re.DOTALL)


def answer(reader_class: Any, error_class: Any, context: Any, media_type: str, data: bytes) -> dict[str, Any]:
    """Read the manifest store of one file."""
    try:
        with reader_class(media_type, io.BytesIO(data), context=context) as reader:
            text = reader.json()
            found = {"store": json.loads(text), "embedded": reader.is_embedded()}
            if "additionalExclusionsPresent" in text:
                found["exclusions"] = _exclusions(json.loads(reader.detailed_json()))
            return found
    except error_class as error:
        name, text = type(error).__name__.removeprefix("_C2pa"), str(error)
        if name == "ManifestNotFound":
            return {"absent": True}
        if remote := _REMOTE.search(text):
            return {"remote": remote[1]}
        return {"error": name, "message": text}
    except (
        ValueError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:  # its JSON is not as we know it
        return {"error": type(error).__name__, "message": str(error)}


def _exclusions(store: dict[str, Any]) -> list[Any]:
    """Return the parts of the file that the active manifest's hashes leave out."""
    assertions = store["manifests"][store["active_manifest"]]["assertion_store"]
    return [
        part for name, it in assertions.items() if name.startswith("c2pa.hash.") for part in it.get("exclusions", [])
    ]


def main() -> None:
    source = sys.stdin.buffer
    sink: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the library prints must not get between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides
    try:
        import resource
    except ImportError:  # not on Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import c2pa

    context = c2pa.Context.from_dict(json.loads(source.read(LENGTH.unpack(source.read(LENGTH.size))[0])))
    while len(head := source.read(HEAD.size)) == HEAD.size:
        of_type, of_data = HEAD.unpack(head)
        media_type = source.read(of_type).decode()
        data = source.read(of_data)
        if len(data) < of_data:
            return
        reply = json.dumps(answer(c2pa.Reader, c2pa.C2paError, context, media_type, data)).encode()
        sink.write(LENGTH.pack(len(reply)) + reply)
        sink.flush()


if __name__ == "__main__":
    main()
