"""Content credentials: what C2PA manifests in image files claim, and what of that can be checked offline."""

from __future__ import annotations

from morelli.provenance.credentials.answers import QUESTIONS, Answers, Codes, answer, codes_of
from morelli.provenance.credentials.claims import Store, read_store
from morelli.provenance.credentials.layer import CredentialsLayer, read_anchors
from morelli.provenance.credentials.reading import StoreReader
from morelli.provenance.layers import register_layer

__all__ = [
    "QUESTIONS",
    "Answers",
    "Codes",
    "CredentialsLayer",
    "Store",
    "StoreReader",
    "answer",
    "codes_of",
    "read_anchors",
    "read_store",
]

register_layer(
    "credentials", CredentialsLayer, order=10, summary="Content credentials (C2PA): signed manifests in the file."
)
