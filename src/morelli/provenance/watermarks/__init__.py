"""Watermarks in pixels: detectors behind one interface, each with a false-positive rate.

A watermark that is found says that somebody ran the program that embeds it; payloads are public, and anybody can embed
them. That none is found says nothing: most programs embed none, and those that are here do not survive much.
"""

from __future__ import annotations

from morelli.provenance.watermarks import _layer, dwtdct, trustmark  # noqa: F401
from morelli.provenance.watermarks.detectors import (
    Detection,
    Detector,
    list_detectors,
    make_detectors,
    register_detector,
)

__all__ = ["Detection", "Detector", "list_detectors", "make_detectors", "register_detector"]
