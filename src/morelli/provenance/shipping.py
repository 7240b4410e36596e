"""Taking layers and detectors along to other processes, which know only those that are registered on import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from morelli._plugins import load_plugins
from morelli.provenance.layers import _LAYERS, _Entry
from morelli.provenance.watermarks import detectors

__all__ = ["Shipped", "install_registered", "registered"]


@dataclass(frozen=True, slots=True)
class Shipped:
    """What another process has to know of the registries of this one."""

    layers: Mapping[str, _Entry]
    detectors: Mapping[str, detectors._Entry]


def registered() -> Shipped:
    """Return what other processes have to know: everything that is registered here."""
    load_plugins()
    return Shipped(dict(_LAYERS), dict(detectors._DETECTORS))


def install_registered(shipped: Shipped) -> None:
    """Register the layers and detectors that are not known here."""
    load_plugins()  # first, so that no extension finds its own name taken
    for name, layer in shipped.layers.items():
        _LAYERS.setdefault(name, layer)
    for name, detector in shipped.detectors.items():
        detectors._DETECTORS.setdefault(name, detector)
