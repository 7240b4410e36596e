"""Explanations: which regions of an image carry the trace."""

from morelli.explain.networks import explain_network
from morelli.explain.occlusion import occlude, occlude_thumbnail, pixel_predictor
from morelli.explain.overlay import full_colour, legend_of, overlay, paint, write_overlay
from morelli.explain.trace_map import Grid, TraceMap
from morelli.explain.votes import Votes, check_request, count_votes, explain

__all__ = [
    "Grid",
    "TraceMap",
    "Votes",
    "check_request",
    "count_votes",
    "explain",
    "explain_network",
    "full_colour",
    "legend_of",
    "occlude",
    "occlude_thumbnail",
    "overlay",
    "paint",
    "pixel_predictor",
    "write_overlay",
]
