"""From image files to what is declared about them and what is measured on them: every file is read and decoded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final

from morelli._processes import WorkerDied, map_in_processes, processors
from morelli.encoders import Encoder, Extraction
from morelli.errors import ImageReadError, MorelliError, NotEnoughDataError
from morelli.images import Limits, estimate_quality
from morelli.provenance import ImageFile, Layer, Provenance, Settings, make_layers
from morelli.provenance.inspecting import examine, open_file, unread

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
    paths: Iterator[str], encoder: Encoder, settings: Settings, layers: Mapping[str, Layer], workers: int | None
) -> Iterator[Look]:
    """Yield a look at each file, in their order, with only a few of them in memory at any time.

    Parameters
    ----------
    paths : iterator of str
        Read a few dozen ahead, from this thread.
    encoder : Encoder
    settings : Settings
        Of the layers; its limits hold for decoding too.
    layers : mapping of str to Layer
        What is examined, as :func:`morelli.provenance.make_layers` made it of `settings`; processes make their own.
    workers : int or None
        Processes; 1 works in this one. By default as many as processors, and 1 for a few dozen files.

    Raises
    ------
    MorelliError
        A worker process died.
    """
    if workers is None:
        first = list(islice(paths, _FEW))
        paths = chain(first, paths)
        workers = processors() if len(first) == _FEW else 1
    if workers == 1:
        yield from map(_Looker(encoder, layers, settings.limits), paths)
        return
    try:
        # Not every kind of read-only mapping can be sent to every kind of process.
        arguments = (encoder, replace(settings, options=dict(settings.options)), tuple(layers))
        yield from map_in_processes(_look, paths, workers, initializer=_initialise, initargs=arguments)
    except WorkerDied as error:
        raise MorelliError(
            f"A process that looked at images has died, perhaps for want of memory. {error} "
            "Use fewer workers; one works in this process."
        ) from error


@dataclass(frozen=True, slots=True)
class _Looker:
    encoder: Encoder
    layers: Mapping[str, Layer]
    limits: Limits

    def __call__(self, path: str) -> Look:
        try:
            file = open_file(path, self.limits)
        except ImageReadError as error:
            return Look(None, 0, unread(path, error), Extraction(path, error=error))
        provenance = examine(file, self.layers)
        return Look(file.sha256, len(file.data), provenance, self._measure(path, file), file.phash)

    def _measure(self, path: str, file: ImageFile) -> Extraction:
        image = file.pixels
        if isinstance(image, ImageReadError):
            return Extraction(path, error=image)
        try:
            return Extraction(path, image.facts, self.encoder.encode(image.pixels), estimate_quality(image))
        except NotEnoughDataError as error:
            return Extraction(path, image.facts, error=ImageReadError(file.uri, "too-small", str(error)))
        except MorelliError as error:
            return Extraction(path, image.facts, error=error)


_looker: _Looker


def _initialise(encoder: Encoder, settings: Settings, layers: tuple[str, ...]) -> None:
    """Set a worker process up."""
    global _looker
    _looker = _Looker(encoder, make_layers(settings, layers), settings.limits)


def _look(path: str) -> Look:
    return _looker(path)
