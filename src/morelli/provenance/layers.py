"""The registry of layers: what can be asked what it declares about an image file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from morelli._plugins import load_plugins
from morelli.errors import ImageReadError, MorelliError
from morelli.images import Limits, LoadedImage, perceptual_hash, read_image
from morelli.provenance.facts import LayerReport

__all__ = ["ImageFile", "Layer", "Settings", "list_layers", "make_layers", "register_layer"]


@dataclass(frozen=True, eq=False)
class ImageFile:
    """One image file, as layers get it. Bytes were read once, within bounds.

    Attributes
    ----------
    uri : str
    data : bytes
    sha256 : str
    format : str or None
        As :attr:`morelli.images.ImageFacts.format`; None for what Morelli does not read.
    limits : Limits
    """

    uri: str
    data: bytes
    sha256: str
    format: str | None
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def phash(self) -> int | None:
        """The perceptual hash; None for what cannot be decoded."""
        image = self.pixels
        return None if isinstance(image, ImageReadError) else int(perceptual_hash(image.pixels))

    @cached_property
    def pixels(self) -> LoadedImage | ImageReadError:
        """The decoded image, or why there is none; decoded on first use."""
        try:
            return read_image(self.data, name=self.uri, limits=self.limits)
        except ImageReadError as error:
            return error


@dataclass(frozen=True, slots=True)
class Settings:
    """What layers are set up with.

    Attributes
    ----------
    trust_anchors : pathlib.Path or None
        PEM file of the certificates whose signers count as trusted.
    aliases : pathlib.Path or None
        TOML table of names that stand for models in catalogs; the shipped one by default.
    lineage : pathlib.Path or None
        The organisation's registry of its own images.
    limits : Limits
    options : mapping
        For layers of extensions.
    """

    trust_anchors: Path | None = None
    aliases: Path | None = None
    lineage: Path | None = None
    limits: Limits = field(default_factory=Limits)
    options: Mapping[str, Any] = field(default_factory=dict)


class Layer(Protocol):
    """Examines one image file after the other."""

    def examine(self, file: ImageFile) -> LayerReport:
        """Return what the layer says; never raises for anything that a file can be."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    make: Callable[[Settings], Layer]
    order: int
    summary: str


_LAYERS: dict[str, _Entry] = {}


def register_layer(name: str, make: Callable[[Settings], Layer], *, order: int, summary: str) -> None:
    """Make a layer known.

    Parameters
    ----------
    name : str
    make : callable
        Returns the layer for settings; raises MorelliError where they do not serve.
    order : int
        Layers are examined in rising order: credentials 10, metadata 20, watermark 30, lineage 40.
    summary : str
        One sentence.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _LAYERS:
        raise ValueError(f"there is a layer {name} already")
    _LAYERS[name] = _Entry(make, order, summary)


def list_layers() -> dict[str, str]:
    """Return the names of all layers, in the order of examination, with a sentence about each."""
    load_plugins()
    return {name: _LAYERS[name].summary for name in sorted(_LAYERS, key=lambda name: (_LAYERS[name].order, name))}


def make_layers(settings: Settings, names: tuple[str, ...] | None = None) -> dict[str, Layer]:
    """Return layers ready to examine, in their order; all that there are unless `names` says which.

    Raises
    ------
    MorelliError
        There is no layer of that name.
    """
    known = list_layers()
    for name in names or ():
        if name not in known:
            raise MorelliError(f"There is no layer {name!r} of provenance; there are {', '.join(known)}.")
    return {name: _LAYERS[name].make(settings) for name in known if names is None or name in names}
