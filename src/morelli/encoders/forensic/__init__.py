"""Forensic families: kinds of trace that are measured from pixels, one file each."""

# Importing a family's module registers it; the order here is the order in every vector and report.
from morelli.encoders.forensic import residual, spectrum, block_dct, autocorrelation, sharpness, colour, layout  # noqa: F401, I001
from morelli.encoders.forensic._planes import MIN_SIDE, Planes
from morelli.encoders.forensic._registry import Family, get_family, list_families, register_family

__all__ = ["MIN_SIDE", "Family", "Planes", "get_family", "list_families", "register_family"]
