"""What the metadata of a file declare: EXIF, XMP, IPTC, texts, comments, parameters of generators."""

from __future__ import annotations

from morelli.provenance.layers import register_layer
from morelli.provenance.metadata import isobmff, jpeg, others, png  # noqa: F401 -- they register themselves
from morelli.provenance.metadata.layer import MetadataLayer

__all__ = ["MetadataLayer"]

register_layer(
    "metadata",
    MetadataLayer,
    order=20,
    summary="EXIF, XMP, IPTC, texts of PNG, comments, and the parameters that generators write.",
)
