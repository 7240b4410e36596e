"""A judge of what images show: CLIP or SigLIP, by how well the domain's name fits (zero-shot)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.networks import open_network, recipe_of

__all__ = ["DEFAULT_MODEL", "TEXTS", "TextJudge"]

Pixels = NDArray[np.uint8]

DEFAULT_MODEL = "siglip-base"

TEXTS: Mapping[str, tuple[str, ...]] = {
    "animals": ("an animal", "animals"),
    "vehicles": ("a vehicle", "vehicles"),
    "arts and works": ("a work of art", "a painting", "a sculpture"),
    "landscapes": ("a landscape", "nature outdoors"),
    "foods and drinks": ("food", "a drink", "a meal"),
    "clothing": ("clothing", "clothes"),
    "interior spaces": ("a room", "the interior of a building"),
    "household items": ("a household item", "things of a household"),
    "buildings": ("a building", "architecture"),
    "people": ("a person", "people"),
}
"""What the ten domains are looked for by; any other is by its name."""

_TEMPLATES = ("a photo of {}", "an image that shows {}", "{} in a picture")
_NEUTRAL = ("a photo", "an image", "a picture")


class TextJudge:
    """Scores of domains by the cosine between an image and texts about the domain.

    A score is the cosine with the mean of the domain's texts, less the cosine with texts that say nothing ("a photo"),
    times 100: so that images which are far from all texts, as drawings may be, are not far from every domain for that.
    Scores of different domains are not comparable, and their zero means nothing: read thresholds off images that are
    known to show a domain (`morelli.studies.presence.by_recall`). Such networks hardly know what "without" means, so
    that no score is taken against a text that denies the domain.

    Parameters
    ----------
    model : str
        As for :func:`morelli.networks.find_network`.

    Raises
    ------
    NetworkError
        It is not here, or cannot be loaded.
    MissingExtraError
        torch or transformers are not installed.
    """

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        from morelli.networks.similarity import SimilarityNetwork

        self.key = f"texts 1, {recipe_of(model, 'similarity')}"
        self._network = open_network(model, "similarity", SimilarityNetwork)
        self._directions: dict[str, NDArray[np.float64]] = {}

    def __call__(self, images: Sequence[Pixels], domains: Sequence[str]) -> NDArray[np.float64]:
        """Return scores of shape (n, k), as `morelli.studies.presence.Judge` has them."""
        vectors = self._network.of_images(list(images)).astype(np.float64)
        neutral = self._direction("", _NEUTRAL)
        against = vectors @ neutral
        columns = [vectors @ self._direction(name, _texts_of(name)) - against for name in domains]
        return 100 * np.stack(columns, axis=1)

    def _direction(self, name: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the unit vector of the mean of some texts."""
        if name not in self._directions:
            mean = self._network.of_texts(list(texts)).astype(np.float64).mean(axis=0)
            self._directions[name] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return self._directions[name]


def _texts_of(domain: str) -> list[str]:
    words = TEXTS.get(domain.casefold(), (domain.casefold(),))
    return [template.format(word) for word in words for template in _TEMPLATES]
