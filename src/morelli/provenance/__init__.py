"""What is declared about an image: credentials, metadata, watermarks, the organisation's own records.

Provenance asserts, pixels measure. Facts are what somebody says; their absence is no evidence.
"""

from __future__ import annotations

from morelli.provenance import credentials, lineage, metadata, watermarks  # noqa: F401 -- they register themselves
from morelli.provenance.attributing import attribute_with_provenance
from morelli.provenance.combination import OUTCOMES, combine, pixel_decision, pixels_only
from morelli.provenance.facts import CLAIMS, STATUSES, STRENGTHS, VERIFICATIONS, Fact, LayerReport, Provenance
from morelli.provenance.inspecting import inspect, inspect_file, layers_here
from morelli.provenance.layers import ImageFile, Layer, Settings, list_layers, make_layers, register_layer

__all__ = [
    "CLAIMS",
    "OUTCOMES",
    "STATUSES",
    "STRENGTHS",
    "VERIFICATIONS",
    "Fact",
    "ImageFile",
    "Layer",
    "LayerReport",
    "Provenance",
    "Settings",
    "attribute_with_provenance",
    "combine",
    "inspect",
    "inspect_file",
    "layers_here",
    "list_layers",
    "make_layers",
    "pixel_decision",
    "pixels_only",
    "register_layer",
]
