"""What is declared about an image: credentials, metadata, watermarks, the organisation's own records.

Provenance asserts, pixels measure. Facts are what somebody says; their absence is no evidence.
"""

from __future__ import annotations

from morelli.provenance import watermarks  # noqa: F401
from morelli.provenance.facts import CLAIMS, STATUSES, STRENGTHS, VERIFICATIONS, Fact, LayerReport, Provenance
from morelli.provenance.inspecting import inspect, inspect_file
from morelli.provenance.layers import ImageFile, Layer, Settings, list_layers, make_layers, register_layer

__all__ = [
    "CLAIMS",
    "STATUSES",
    "STRENGTHS",
    "VERIFICATIONS",
    "Fact",
    "ImageFile",
    "Layer",
    "LayerReport",
    "Provenance",
    "Settings",
    "inspect",
    "inspect_file",
    "list_layers",
    "make_layers",
    "register_layer",
]
