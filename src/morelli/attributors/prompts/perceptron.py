"""A network on embeddings, learned from other prompts alone: the supervised rivals of Naseh et al."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts._base import Asked, Float, PromptAttributor
from morelli.attributors.prompts.known import Known
from morelli.attributors.prompts.texts import TextEmbedder, make_text_embedder
from morelli.attributors.registry import register_attributor
from morelli.attributors.rivals.perceptron import Perceptron
from morelli.errors import NotEnoughDataError

__all__ = ["PromptPerceptron"]

_IMPOSSIBLE = -50.0
"""Log-probability of a class that the lessons of a fold do not have."""


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A fitted network, and what turns prompts into numbers beside the image's."""

    model: Perceptron
    texts: TextEmbedder | None

    def inputs(self, X: NDArray[np.floating], texts: NDArray[np.object_]) -> NDArray[np.float64]:
        if self.texts is None:
            return np.asarray(X, dtype=np.float64)
        names, number = np.unique(np.array([text or "" for text in texts], dtype=str), return_inverse=True)
        return np.concatenate([X, self.texts.transform([str(name) for name in names])[number]], axis=1)


class PromptPerceptron(PromptAttributor):
    """A multilayer perceptron that reads an image's embedding, and may read the prompt too.

    It learns from other prompts, and makes no use of references but to know which models are candidates.

    Parameters
    ----------
    blocks, family, n_folds, rounds, level, random_state
        As for `PromptAttributor`.
    texts : str, optional
        What reads the prompts, see :func:`morelli.attributors.prompts.texts.make_text_embedder`; None reads none.
    """

    def __init__(
        self,
        blocks: Mapping[str, slice] | None = None,
        *,
        texts: str | None = None,
        family: str | None = None,
        n_folds: int = 5,
        rounds: int = 4,
        level: float = 0.9,
        random_state: int = 0,
    ) -> None:
        super().__init__(blocks, family=family, n_folds=n_folds, rounds=rounds, level=level, random_state=random_state)
        self.texts = texts

    def _learn(self, known: Known) -> _Network:
        reader = None
        if self.texts is not None:
            words = sorted({str(text) for text in known.texts if text is not None})
            if not words:
                raise NotEnoughDataError('No prompt has a text; the catalog needs a "prompt" that says it.')
            reader = make_text_embedder(self.texts).fit(words)
        network = _Network(Perceptron(random_state=self.random_state), reader)
        network.model.fit(network.inputs(known.X, known.texts), known.codes)
        return network

    def _experts(self, learned: _Network, known: Known, asked: Asked) -> Mapping[str, Float]:
        scores = np.full((len(asked.X), known.n_classes), _IMPOSSIBLE)
        scores[:, learned.model.classes_] = learned.model.predict_log_proba(learned.inputs(asked.X, asked.texts))
        return {"network": np.maximum(scores, _IMPOSSIBLE)}


def _register(name: str, texts: str | None, summary: str) -> None:
    @register_attributor(
        name,
        summary=summary,
        source="Naseh et al. 2026, Identifying models behind text-to-image leaderboards",
        encoder="forensic",
        n_folds=None,
        prompts=True,
    )
    def make(blocks: Mapping[str, slice], *, seed: int, level: float, **options: Any) -> PromptPerceptron:
        return PromptPerceptron(dict(blocks), **{"texts": texts, "random_state": seed, "level": level, **options})


_register("prompt-mlp", None, "A multilayer perceptron on the image alone, from other prompts.")
_register("prompt-mlp:text", "words", "A multilayer perceptron on the image and the words of its prompt.")
