"""From image files to what is declared about them."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping

from morelli.errors import ImageReadError
from morelli.images import Limits
from morelli.images._containers import sniff
from morelli.images._source import describe, read_bytes
from morelli.provenance.facts import Provenance
from morelli.provenance.layers import ImageFile, Layer, Settings, list_layers, make_layers

__all__ = ["examine", "inspect", "inspect_file", "layers_here", "open_file", "unread"]


def inspect(
    paths: Iterable[str | os.PathLike[str]], settings: Settings | None = None, *, layers: tuple[str, ...] | None = None
) -> Iterator[Provenance]:
    """Read what is declared about images, one after the other, in the order given and in bounded memory.

    Parameters
    ----------
    paths : iterable of path-like
        May be endless.
    settings : Settings, optional
    layers : tuple of str, optional
        Which layers are examined; by default all.

    Yields
    ------
    Provenance
        One for each path; of a file that cannot be read, one with its error.
    """
    settings = settings or Settings()
    made = make_layers(settings, layers)
    for path in paths:
        yield inspect_file(path, made, settings)


def inspect_file(path: str | os.PathLike[str], layers: Mapping[str, Layer], settings: Settings) -> Provenance:
    """Read what is declared about one image by layers that were made."""
    try:
        file = open_file(path, settings.limits)
    except ImageReadError as error:
        return unread(path, error)
    return examine(file, layers)


def open_file(path: str | os.PathLike[str], limits: Limits) -> ImageFile:
    """Read an image file as layers get it.

    Raises
    ------
    ImageReadError
        Its bytes cannot be had, or are too many.
    """
    name = describe(path)
    data = read_bytes(path, name, limits)
    return ImageFile(name, data, hashlib.sha256(data).hexdigest(), sniff(data)[0], limits)


def examine(file: ImageFile, layers: Mapping[str, Layer]) -> Provenance:
    """Return what layers say of a file that was read."""
    return Provenance(file.uri, file.sha256, tuple(layer.examine(file) for layer in layers.values()))


def unread(path: str | os.PathLike[str], error: ImageReadError) -> Provenance:
    """Return what is known of a file that could not be read."""
    return Provenance(describe(path), None, error=str(error))


def layers_here(settings: Settings) -> list[dict[str, str | None]]:
    """Return all layers, and which of them cannot be examined here.

    Returns
    -------
    list of dict
        ``layer``, ``summary`` and ``reason``: what the layer says to a small PNG if it is not examined, else None.
    """
    data = base64.b64decode(_DOT)
    file = ImageFile("a test", data, hashlib.sha256(data).hexdigest(), "PNG", settings.limits)
    rows: list[dict[str, str | None]] = []
    for name, summary in list_layers().items():
        report = make_layers(settings, (name,))[name].examine(file)
        rows.append({
            "layer": name,
            "summary": summary,
            "reason": report.reason if report.status == "not examined" else None,
        })  # fmt: skip
    return rows


_DOT = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""A PNG of one black pixel."""
