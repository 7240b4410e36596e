"""From image files to what is declared about them and what is measured on them: every file is read and decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from morelli._processes import WorkerDied, map_in_processes, processors
from morelli.encoders import Encoder, Extraction
from morelli.errors import ImageReadError, MorelliError, NotEnoughDataError
from morelli.images import Limits, estimate_quality, perceptual_hash
from morelli.images._containers import sniff
from morelli.images._source import describe, read_bytes
from morelli.provenance import ImageFile, Layer, Provenance, Settings, make_layers

__all__ = ["Look", "look_at"]

_FEW: Final = 48
"""Fewer images than this are not worth the start of processes, about a second and a half."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What came of one file.

    Attributes
    ----------
    image_id : str or None
        sha256; None where the bytes could not be read.
    bytes : int
        Length of the file, 0 where it could not be read.
    provenance : Provenance
    extraction : Extraction
    phash : int or None
        Perceptual hash; None where the file could not be decoded.
    """

    image_id: str | None
    bytes: int
    provenance: Provenance
    extraction: Extraction
    phash: int | None = None


def look_at(
    paths: Iterator[str], encoder: Encoder, settings: Settings, layers: tuple[str, ...] | None, workers: int | None
) -> Iterator[Look]:
    """Yield a look at each file, in their order, with only a few of them in memory at any time.

    Parameters
    ----------
    paths : iterator of str
        Read a few dozen ahead, from this thread.
    encoder : Encoder
    settings : Settings
        Of the layers; its limits hold for decoding too.
    layers : tuple of str or None
        Which layers are examined; None for all.
    workers : int or None
        Processes; 1 works in this one. By default as many as processors, and 1 for a few dozen files.

    Raises
    ------
    MorelliError
        A layer is unknown or its settings do not serve, or a worker process died.
    """
    here = _Looker(encoder, make_layers(settings, layers), settings.limits)  # complains before work begins
    if workers is None:
        first = list(islice(paths, _FEW))
        paths = chain(first, paths)
        workers = processors() if len(first) == _FEW else 1
    if workers == 1:
        yield from map(here, paths)
        return
    try:
        arguments = (encoder, settings.limits, _plain(settings), layers)
        yield from map_in_processes(_look, paths, workers, initializer=_initialise, initargs=arguments)
    except WorkerDied as error:
        raise MorelliError(
            f"A process that looked at images has died, perhaps for want of memory. {error} "
            "Use fewer workers; one works in this process."
        ) from error


@dataclass(frozen=True, slots=True)
class _Looker:
    encoder: Encoder
    layers: dict[str, Layer]
    limits: Limits

    def __call__(self, path: str) -> Look:
        name = describe(path)
        try:
            data = read_bytes(path, name, self.limits)
        except ImageReadError as error:
            return Look(None, 0, Provenance(name, None, error=str(error)), Extraction(path, error=error))
        file = ImageFile(name, data, hashlib.sha256(data).hexdigest(), sniff(data)[0], self.limits)
        provenance = Provenance(name, file.sha256, tuple(layer.examine(file) for layer in self.layers.values()))
        extraction, phash = self._measure(path, file)
        return Look(file.sha256, len(data), provenance, extraction, phash)

    def _measure(self, path: str, file: ImageFile) -> tuple[Extraction, int | None]:
        image = file.pixels
        if isinstance(image, ImageReadError):
            return Extraction(path, error=image), None
        phash = int(perceptual_hash(image.pixels))
        try:
            encoded = self.encoder.encode(image.pixels)
            return Extraction(path, image.facts, encoded, estimate_quality(image)), phash
        except NotEnoughDataError as error:
            too_small = ImageReadError(file.uri, "too-small", str(error))
            return Extraction(path, image.facts, error=too_small), phash
        except MorelliError as error:
            return Extraction(path, image.facts, error=error), phash


_looker: _Looker


def _plain(settings: Settings) -> dict[str, object]:
    """Return settings as what every kind of process can be sent."""
    paths = {name: getattr(settings, name) for name in ("trust_anchors", "aliases", "lineage")}
    return {**paths, "options": dict(settings.options)}


def _initialise(encoder: Encoder, limits: Limits, plain: dict[str, object], layers: tuple[str, ...] | None) -> None:
    """Set a worker process up."""
    global _looker
    settings = Settings(limits=limits, **plain)  # type: ignore[arg-type]
    _looker = _Looker(encoder, make_layers(settings, layers), limits)


def _look(path: str) -> Look:
    return _looker(path)
