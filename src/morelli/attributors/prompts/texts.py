"""Texts of prompts as vectors: a small registry of embedders, and the nearest of stored texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import unit_vectors
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = [
    "NetworkEmbedder",
    "TextEmbedder",
    "WordEmbedder",
    "list_text_embedders",
    "make_text_embedder",
    "nearest_texts",
    "register_text_embedder",
]

Float = NDArray[np.float32]

_BATCH = 64  # texts that a network is given at once


class TextEmbedder(Protocol):
    """Turns texts into vectors whose cosine says how alike they are."""

    def fit(self, texts: Sequence[str]) -> TextEmbedder:
        """Learn from the prompts at hand, and return the embedder itself."""
        ...

    def transform(self, texts: Sequence[str]) -> Float:
        """Return unit vectors, float32 (n, d); zeros for a text that says nothing to the embedder."""
        ...


Factory = Callable[[str], TextEmbedder]
_EMBEDDERS: dict[str, tuple[Factory, str]] = {}


def register_text_embedder(name: str, *, summary: str) -> Callable[[Factory], Factory]:
    """Register what makes an embedder under a name.

    Parameters
    ----------
    name : str
        Without a colon. What follows one in ``name:argument`` is given to the factory, "" where there is none.
    summary : str
        One sentence for people.
    """

    def add(factory: Factory) -> Factory:
        if ":" in name or name in _EMBEDDERS:
            raise MorelliError(f"The name {name!r} of a text embedder is taken or holds a colon.")
        _EMBEDDERS[name] = (factory, summary)
        return factory

    return add


def list_text_embedders() -> dict[str, str]:
    """Return the names of text embedders with a sentence for each."""
    return {name: summary for name, (_, summary) in sorted(_EMBEDDERS.items())}


def make_text_embedder(name: str) -> TextEmbedder:
    """Return a text embedder that is not fitted yet.

    Parameters
    ----------
    name : str
        ``words``, or ``network:FOLDER`` (a folder, a name or a hub id, as for :func:`morelli.networks.find_network`).

    Raises
    ------
    MorelliError
        There is none of this name.
    """
    kind, _, argument = name.partition(":")
    if kind not in _EMBEDDERS:
        raise MorelliError(f'There is no text embedder "{name}"; there are: {", ".join(sorted(_EMBEDDERS))}.')
    return _EMBEDDERS[kind][0](argument)


class WordEmbedder:
    """Words, pairs of words and character n-grams, weighted by rarity and reduced to main directions.

    TF-IDF with sublinear frequencies over words (1 to 2) and characters inside words (3 to 5), each half of equal
    length, then truncated SVD: latent semantic analysis (Deerwester et al. 1990). Fitted on the prompts at hand; needs
    no network; the same texts give the same vectors.

    Parameters
    ----------
    components : int, default 256
        Directions that are kept, at most; fewer where there are fewer texts.
    """

    def __init__(self, components: int = 256) -> None:
        if components < 1:
            raise MorelliError(f"At least one direction must be kept, not {components}.")
        self.components = components
        self._parts: list[Any] = []
        self._directions: NDArray[np.float64] | None = None

    def fit(self, texts: Sequence[str]) -> WordEmbedder:
        """Learn rarities and directions.

        Raises
        ------
        NotEnoughDataError
            No text has a letter, a digit or a sign.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.utils.extmath import randomized_svd

        if not any(text.strip() for text in texts):
            raise NotEnoughDataError("There is no text of a prompt to learn words from.")
        options = {"sublinear_tf": True, "strip_accents": "unicode"}
        self._parts = []
        for choice in ({"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 5)}):
            try:
                self._parts.append(TfidfVectorizer(**options, **choice).fit(texts))
            except ValueError:  # no text has what this one counts: single letters have no words of two characters
                continue
        if not self._parts:
            raise NotEnoughDataError("No text of a prompt is long enough to learn words from.")
        weighted = self._weighted(texts)
        most = min(self.components, *weighted.shape)
        # With so many rows as directions nothing is lost, and the randomised method is exact.
        _, _, rows = randomized_svd(weighted, most, n_iter=7, random_state=0)
        self._directions = np.asarray(rows, dtype=np.float64)
        return self

    def transform(self, texts: Sequence[str]) -> Float:
        """Return unit vectors, float32 (n, d); zeros where a text shares nothing with the prompts that were learned.

        Raises
        ------
        MorelliError
            It is not fitted.
        """
        if self._directions is None:
            raise MorelliError("Fit the embedder on the texts of prompts before it embeds any.")
        vectors = np.asarray(self._weighted(texts) @ self._directions.T)
        vectors[np.linalg.norm(vectors, axis=1) < 1e-9] = 0.0
        return unit_vectors(vectors).astype(np.float32)

    def _weighted(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([part.transform(texts) for part in self._parts]).tocsr()


class NetworkEmbedder:
    """The text tower of a CLIP or SigLIP on this machine.

    Parameters
    ----------
    model : str
        A folder, a name or a hub id, as for :func:`morelli.networks.find_network`.

    Raises
    ------
    NetworkError
        It is not here, or is another kind of network.
    MissingExtraError
        torch or transformers are not installed.
    """

    def __init__(self, model: str) -> None:
        from morelli.networks.opening import open_network
        from morelli.networks.similarity import SimilarityNetwork

        if not model:
            raise MorelliError("Name the folder of a CLIP or SigLIP: network:FOLDER.")
        self._network: SimilarityNetwork = open_network(model, "similarity", SimilarityNetwork)

    def fit(self, texts: Sequence[str]) -> NetworkEmbedder:
        """Return the embedder: it has learned already."""
        return self

    def transform(self, texts: Sequence[str]) -> Float:
        """Return unit vectors, float32 (n, d); zeros for an empty text."""
        parts = [self._network.of_texts(list(texts[at : at + _BATCH])) for at in range(0, len(texts), _BATCH)]
        vectors = np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
        vectors[[not text.strip() for text in texts]] = 0.0
        return vectors


def nearest_texts(asked: Float, stored: Float, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return for each vector the index of the stored one with the greatest cosine.

    Parameters
    ----------
    asked : ndarray, shape (n, d)
        Unit vectors, or zeros.
    stored : ndarray, shape (p, d)
    allowed : ndarray of bool, shape (n, p), optional
        Where False, a stored text is not looked at.

    Returns
    -------
    ndarray of int64, shape (n,)
        The first of equals; -1 where the vector is zero or nothing is allowed.
    """
    cosines = np.asarray(asked, dtype=np.float64) @ np.asarray(stored, dtype=np.float64).T
    usable = np.broadcast_to((np.abs(stored).sum(axis=1) > 0)[None], cosines.shape)
    if allowed is not None:
        usable = usable & allowed
    cosines = np.where(usable, cosines, -np.inf)
    if not cosines.shape[1]:
        return np.full(len(asked), -1, dtype=np.int64)
    silent = ~usable.any(axis=1) | (np.abs(asked).sum(axis=1) == 0)
    return np.where(silent, -1, cosines.argmax(axis=1)).astype(np.int64)


def _words(argument: str) -> TextEmbedder:
    if argument:
        raise MorelliError(f'The text embedder "words" takes nothing after its name, not "{argument}".')
    return WordEmbedder()


register_text_embedder("words", summary="rarity of words and character n-grams, fitted on the prompts; no network")(
    _words
)
register_text_embedder("network", summary="network:FOLDER, the text tower of a CLIP or SigLIP")(NetworkEmbedder)
