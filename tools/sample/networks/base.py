"""What every network of the sample says about itself, and the form it is called in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""An image as height x width x RGB, 8 bits."""

Upscaler = Callable[[Pixels], Pixels]
"""A loaded network: a small image in, a larger image out."""


@dataclass(frozen=True)
class Network:
    """One pretrained image model that ships inside a package.

    Attributes
    ----------
    name : str
        The model's label in the catalog.
    lineage : str
        The family that the model belongs to; close relatives share it.
    version : str
        Which weights, in which package version.
    package : str
        Key of the package in `packages.PACKAGES`.
    files : dict of str to str
        Files of the network inside the unpacked package, each with its sha256.
    scale : int
        Enlargement factor.
    licence : str
        Licence of the weights.
    origin : str
        The project that trained the weights.
    load : callable
        Loads the network from the unpacked package.
    """

    name: str
    lineage: str
    version: str
    package: str
    files: dict[str, str]
    scale: int
    licence: str
    origin: str
    load: Callable[[Path], Upscaler] = field(repr=False)


def to_pixels(values: npt.NDArray[np.floating]) -> Pixels:
    """Round values of 0 to 255 to whole numbers, clipping what lies outside."""
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels
