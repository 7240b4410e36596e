"""Views: named, deterministic transforms of an image. Corruptions and structural probes are both views."""

from __future__ import annotations

from morelli.views import corruptions, journeys, structure  # noqa: F401  (they register their views)
from morelli.views.registry import Parameter, View, ViewInfo, list_views, parse_view, register_view

__all__ = ["Parameter", "View", "ViewInfo", "list_views", "parse_view", "register_view"]
