"""Reading images: pixels and facts from bytes, safely; and what can be said of their quality.

This room knows nothing of labels, models or features.
"""

from __future__ import annotations

from morelli.images.facts import ImageFacts, Limits, LoadedImage
from morelli.images.hashing import hamming, perceptual_hash
from morelli.images.quality import Quality, estimate_quality
from morelli.images.reading import read_image

__all__ = [
    "ImageFacts",
    "Limits",
    "LoadedImage",
    "Quality",
    "estimate_quality",
    "hamming",
    "perceptual_hash",
    "read_image",
]
