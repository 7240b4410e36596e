"""From image files to what is declared about them and what is measured on them: every file is read and decoded once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace

from morelli._processes import map_images
from morelli.encoders import Encoder, Extraction
from morelli.encoders.extract import measure_image
from morelli.errors import ImageReadError
from morelli.images import Limits
from morelli.provenance.facts import Provenance
from morelli.provenance.inspecting import examine, open_file, unread
from morelli.provenance.layers import Layer, Settings, make_layers
from morelli.provenance.shipping import Shipped, install_registered, registered

__all__ = ["Look", "look_at"]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What came of one file. All of it is about the same bytes, whatever becomes of the file meanwhile.

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
    paths: Iterator[str], encoder: Encoder, settings: Settings, layers: Mapping[str, Layer], workers: int | None = None
) -> Generator[Look, None, None]:
    """Look at files one after the other, in their order, with only a few of them in memory at any time.

    Parameters
    ----------
    paths : iterator of str
        Read a few dozen ahead, from this thread.
    encoder : Encoder
    settings : Settings
        Of the layers; its limits hold for decoding too.
    layers : mapping of str to Layer
        What is examined, as :func:`morelli.provenance.make_layers` made it of `settings`; processes make their own.
    workers : int, optional
        As for :func:`morelli.encoders.iter_extract`.

    Yields
    ------
    Look
        One for each path. Closing the iterator early stops the workers.

    Raises
    ------
    MorelliError
        There are no workers, or one has died.
    """
    # Not every kind of read-only mapping can be sent to every kind of process.
    sent = replace(settings, options=dict(settings.options))
    return map_images(
        _Looker(encoder, layers, settings.limits),
        paths,
        workers,
        make=_make_looker,
        arguments=(encoder, sent, tuple(layers), registered()),
    )


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
        provenance, image = examine(file, self.layers), file.pixels
        if isinstance(image, ImageReadError):
            extraction = Extraction(path, error=image)
        else:
            extraction = measure_image(path, image, self.encoder)
        return Look(file.sha256, len(file.data), provenance, extraction, file.phash)


def _make_looker(encoder: Encoder, settings: Settings, layers: tuple[str, ...], known: Shipped) -> _Looker:
    """Return the looker of another process."""
    install_registered(known)
    return _Looker(encoder, make_layers(settings, layers), settings.limits)
