"""Walking a folder that holds one sub-folder per model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["SKIPPED_SUFFIXES", "walk_folder"]

_TABLES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq", ".journal", ".db", ".sqlite")
_TEXTS = (".txt", ".md", ".rst", ".html", ".htm", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".pdf")
_WEIGHTS = (".npy", ".npz", ".pt", ".pth", ".ckpt", ".safetensors", ".onnx")
_OTHERS = (".zip", ".tar", ".gz", ".tgz", ".py", ".sh")
SKIPPED_SUFFIXES = frozenset({*_TABLES, *_TEXTS, *_WEIGHTS, *_OTHERS})
"""Suffixes that stand for captions, tables, weights and other company of images: never tried, never a row.

A file with any other suffix, or none, is tried as an image, and is a row with its error when it is none. Names that
begin with a dot are never tried.
"""


def walk_folder(
    root: Path, passed_over: Callable[[tuple[str, ...]], None] = lambda parts: None
) -> Iterator[tuple[tuple[str, ...], OSError | None]]:
    """Give the parts (relative to `root`) of every file that could be an image, sorted by folder and name.

    A folder below `root` that cannot be listed is given too, with the error; beside files stands None. Symbolic links
    to folders are followed, except into a folder that is being walked already. `passed_over` is told of every file
    whose suffix is one of `SKIPPED_SUFFIXES`.

    Raises
    ------
    OSError
        `root` itself cannot be listed.
    """
    yield from _walk(str(root), (), (), passed_over)


def _walk(
    folder: str,
    parts: tuple[str, ...],
    above: tuple[tuple[int, int], ...],
    passed_over: Callable[[tuple[str, ...]], None],
) -> Iterator[tuple[tuple[str, ...], OSError | None]]:
    try:
        status = os.stat(folder)  # noqa: PTH116 -- strings throughout: 100 000 files
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as scan:
            entries = sorted((entry.name, _is_folder(entry), entry.path) for entry in scan if entry.name[0] != ".")
    except OSError as error:
        if not parts:
            raise
        yield parts, error
        return
    for name, is_folder, path in entries:
        if is_folder:
            if name != "__MACOSX":
                yield from _walk(path, (*parts, name), (*above, identity), passed_over)
        elif os.path.splitext(name)[1].lower() not in SKIPPED_SUFFIXES:  # noqa: PTH122
            yield (*parts, name), None
        else:
            passed_over((*parts, name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Take a link that leads nowhere (in a circle, through a closed folder) for a file: reading it says why."""
    try:
        return entry.is_dir()
    except OSError:
        return False
