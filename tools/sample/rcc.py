"""Reads Qt resource files (.rcc), in which the GCompris data package keeps its photographs."""

from __future__ import annotations

import struct
import zlib

_FOLDER = 2
_ZLIB = 1


def read_rcc(data: bytes) -> dict[str, bytes]:
    """Return the files of a Qt resource file by path.

    Parameters
    ----------
    data : bytes
        The whole .rcc file, of format version 1 to 3.

    Returns
    -------
    dict of str to bytes
        Path inside the resource file (no leading slash) to content. Files packed with
        anything but zlib are left out: none of the photographs is.
    """
    magic, version, tree, contents, names = struct.unpack_from(">4sIIII", data)
    if magic != b"qres":
        raise ValueError("not a Qt resource file")
    node_size = 14 if version == 1 else 22
    files: dict[str, bytes] = {}

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(index: int, folder: str) -> None:
        at = tree + index * node_size
        name_offset, flags = struct.unpack_from(">IH", data, at)
        path = f"{folder}/{name_at(name_offset)}".lstrip("/") if index else ""
        if flags & _FOLDER:
            count, first = struct.unpack_from(">II", data, at + 6)
            for child in range(first, first + count):
                walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (size,) = struct.unpack_from(">I", data, contents + offset)
        start = contents + offset + 4
        content = data[start : start + size]
        if flags == 0:
            files[path] = content
        elif flags == _ZLIB:
            files[path] = zlib.decompress(content[4:])

    walk(0, "")
    return files
