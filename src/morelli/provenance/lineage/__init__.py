"""The organisation's own record of its images: hashes of files and of looks, and the generator that is declared."""

from __future__ import annotations

from morelli.provenance.layers import register_layer
from morelli.provenance.lineage.entries import Entry, Hashes, check_texts, hash_image, hash_images, is_telling
from morelli.provenance.lineage.layer import LineageLayer
from morelli.provenance.lineage.manifest import COLUMNS, read_manifest
from morelli.provenance.lineage.registry import DEFAULT_DISTANCE, MAX_DISTANCE, Match, Registry

__all__ = [
    "COLUMNS",
    "DEFAULT_DISTANCE",
    "MAX_DISTANCE",
    "Entry",
    "Hashes",
    "LineageLayer",
    "Match",
    "Registry",
    "check_texts",
    "hash_image",
    "hash_images",
    "is_telling",
    "read_manifest",
]

register_layer(
    "lineage",
    LineageLayer,
    order=40,
    summary="The organisation's own registry: the same file, or a copy by its looks, and its declared generator.",
)
