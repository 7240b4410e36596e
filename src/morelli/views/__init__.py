"""Views: named, deterministic transforms of an image. Corruptions and structural probes are both views."""

from __future__ import annotations

# They register their views.
from morelli.views import (  # noqa: F401
    codecs,
    denoising,
    detail,
    geometry,
    handling,
    journeys,
    structure,
    structure_edges,
    structure_frequency,
    structure_keypoints,
    structure_networks,
    tone,
)
from morelli.views.info import Parameter, ViewInfo
from morelli.views.materialising import materialise
from morelli.views.registry import View, list_views, parse_view, register_view, severity_views
from morelli.views.store import ViewStore

__all__ = [
    "Parameter",
    "View",
    "ViewInfo",
    "ViewStore",
    "list_views",
    "materialise",
    "parse_view",
    "register_view",
    "severity_views",
]
