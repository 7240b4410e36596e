"""From image files to what is declared about them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping

from morelli.errors import ImageReadError
from morelli.images._containers import sniff
from morelli.images._source import describe, read_bytes
from morelli.provenance.facts import Provenance
from morelli.provenance.layers import ImageFile, Layer, Settings, make_layers

__all__ = ["inspect", "inspect_file"]


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
    name = describe(path)
    try:
        data = read_bytes(path, name, settings.limits)
    except ImageReadError as error:
        return Provenance(name, None, error=str(error))
    file = ImageFile(name, data, hashlib.sha256(data).hexdigest(), sniff(data)[0], settings.limits)
    return Provenance(name, file.sha256, tuple(layer.examine(file) for layer in layers.values()))
