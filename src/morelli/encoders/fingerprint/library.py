"""Where trained networks are kept on this machine, so that a bundle finds the one that it was fitted with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from morelli._files import atomic_path
from morelli.encoders.fingerprint.encoder import FingerprintEncoder
from morelli.encoders.registry import register_resolver
from morelli.errors import MorelliError
from morelli.networks.weights import weights_folder

__all__ = ["PREFIX", "keep"]

PREFIX = "fingerprint."


def keep(path: str | os.PathLike[str]) -> FingerprintEncoder:
    """Copy a network's file to where its name finds it, and return the encoder of the copy.

    Parameters
    ----------
    path : path-like
        As :func:`fit_fingerprint` wrote it, here or elsewhere.

    Raises
    ------
    MorelliError
        The file is missing, damaged, or not of a fingerprint network.
    """
    encoder = FingerprintEncoder(path)
    place = _place(encoder.name)
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place) as temporary:
            shutil.copyfile(path, temporary)
    return _found(encoder.name)


def _found(name: str) -> FingerprintEncoder:
    place = _place(name)
    if not place.is_file():
        raise MorelliError(
            f"The network {name} is not on this machine. Whoever trained it has its file: copy it to {place}."
        )
    encoder = FingerprintEncoder(place)
    if encoder.name != name:
        raise MorelliError(f"{place} holds another network, {encoder.name}; delete it and copy the right one there.")
    return encoder


register_resolver(PREFIX)(_found)


def _place(name: str) -> Path:
    digits = name.removeprefix(PREFIX)
    if not digits or set(digits) - set("0123456789abcdef"):
        raise MorelliError(f"No network is called {name!r}: after {PREFIX} come hexadecimal digits.")
    return weights_folder() / "fingerprints" / f"{name}.onnx"
