"""Explanations: which regions of an image carry the trace."""

from morelli.explain.occlusion import occlude, occlude_thumbnail, pixel_predictor
from morelli.explain.overlay import overlay, paint, write_overlay
from morelli.explain.trace_map import Grid, TraceMap
from morelli.explain.votes import Votes, count_votes, explain

__all__ = [
    "Grid",
    "TraceMap",
    "Votes",
    "count_votes",
    "explain",
    "occlude",
    "occlude_thumbnail",
    "overlay",
    "paint",
    "pixel_predictor",
    "write_overlay",
]
