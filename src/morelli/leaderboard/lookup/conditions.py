"""The registry of conditions: what the attacker knows of the prompt, and where he then looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import distances_to_centroids
from morelli.attributors.prompts.texts import nearest_texts
from morelli.leaderboard.attackers import ranks_of_truth
from morelli.leaderboard.lookup.paraphrase import LEVELS

__all__ = ["CONDITIONS", "KNOWN", "Condition", "Looked", "Situation", "Worded"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]

_PAIRS = 8_000_000  # distances that are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Worded:
    """Texts of all prompts.

    Attributes
    ----------
    vectors : ndarray of float32, shape (P, e)
        Unit vectors, or zeros for a text that says nothing to the embedder.
    there : ndarray of bool, shape (P,)
        Prompts that have a text.
    """

    vectors: NDArray[np.float32]
    there: Bools


@dataclass(frozen=True, eq=False)
class Situation:
    """Images to be named, and a store of references by prompt and model.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    prompt, model : ndarray of int64, shape (n,)
        What made the images: for scoring, and never for looking.
    centroids : ndarray, shape (P, M, d)
        NaN where a model has no references; all NaN for prompts that are not in the store.
    same : ndarray of bool, shape (P, P)
        Prompts that say the same: leaving one out leaves all of them out.
    texts : Worded or None
        What prompts say.
    others : mapping of str to Worded
        Paraphrases by condition.
    """

    X: NDArray[np.floating]
    prompt: Codes
    model: Codes
    centroids: Float
    same: Bools
    texts: Worded | None = None
    others: Mapping[str, Worded] = field(default_factory=dict)

    @cached_property
    def there(self) -> Bools:
        """Where there are references, shape (P, M)."""
        return np.asarray(~np.isnan(self.centroids[:, :, 0]))

    @cached_property
    def stored(self) -> Bools:
        """Prompts that can be found, shape (P,)."""
        return np.asarray(self.there.any(axis=1))

    @cached_property
    def means(self) -> Float:
        """Means of prompts, of all their models equally, shape (P, d); zeros for those not in the store."""
        number = self.there.sum(axis=1)
        return np.asarray(np.nansum(self.centroids, axis=1) / np.maximum(number, 1)[:, None])

    @cached_property
    def own_distances(self) -> Float:
        """Distances to the centroids for the prompt that made each image, shape (n, M)."""
        return distances_to_centroids(self.X, self.prompt, self.centroids)

    @cached_property
    def _nearest_cells(self) -> tuple[Codes, Codes]:
        """The nearest of all centroids, and the nearest of those for other prompts."""
        places = np.flatnonzero(self.there.ravel())
        prompt = places // self.there.shape[1]
        centroids = self.centroids.reshape(-1, self.centroids.shape[2])[places]
        # Around the middle of all, single precision is enough to tell which of thousands is nearest, and twice as fast.
        middle = centroids.mean(axis=0)
        centroids = (centroids - middle).astype(np.float32)
        lengths = (centroids**2).sum(axis=1)
        nearest, other = (np.full(len(self.X), -1, dtype=np.int64) for _ in range(2))
        rows = max(1, _PAIRS // max(len(places), 1))
        for start in range(0, len(self.X), rows):
            part = slice(start, start + rows)
            # Squared distances less the image's own length, which decides nothing.
            d = (self.X[part] - middle).astype(np.float32) @ centroids.T
            d *= np.float32(-2.0)
            d += lengths
            nearest[part] = places[d.argmin(axis=1)]
            d[self.same[self.prompt[part]][:, prompt]] = np.inf
            best = d.argmin(axis=1)
            other[part] = np.where(np.isfinite(d[np.arange(len(d)), best]), places[best], -1)
        return nearest, other

    @property
    def nearest_cell(self) -> Codes:
        """The nearest centroid of all prompts and models, as ``prompt * M + model``, shape (n,)."""
        return self._nearest_cells[0]

    @property
    def nearest_other_cell(self) -> Codes:
        """The same among prompts that say something else, shape (n,); -1 where there is none."""
        return self._nearest_cells[1]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Where the attacker looked and what he answered.

    Attributes
    ----------
    asked : ndarray of bool, shape (n,)
        Images for which the condition is defined.
    found : ndarray of int64, shape (n,)
        The prompt that was looked at, -1 where none was found: this counts as a wrong answer.
    right : ndarray of bool, shape (n,)
        Whether the model was named.
    chance : ndarray, shape (n,)
        Chance to be right for a guess among the models of the prompt that was looked at (0 if the true one has no
        references there), or among all prompts and models where all are searched.
    """

    asked: Bools
    found: Codes
    right: Bools
    chance: Float


@dataclass(frozen=True, slots=True)
class Condition:
    """One state of knowledge.

    Attributes
    ----------
    name : str
    title : str
        A few words for tables.
    look : callable
        ``look(situation)`` gives a `Looked`, or None where the situation lacks what it needs.
    retrieves : bool
        Whether the true prompt can be found.
    """

    name: str
    title: str
    look: Callable[[Situation], Looked | None]
    retrieves: bool


def _answer(s: Situation, found: Codes, asked: Bools | None = None) -> Looked:
    """Name the nearest centroid at the prompts that were found."""
    at = np.maximum(found, 0)
    distances = s.own_distances.copy()
    elsewhere = np.flatnonzero(at != s.prompt)  # mostly few: what was measured for the right prompt is kept
    distances[elsewhere] = distances_to_centroids(s.X[elsewhere], at[elsewhere], s.centroids)
    right = (ranks_of_truth(-distances, s.model) == 0) & (found >= 0)
    chance = s.there[at, s.model] / np.maximum(s.there[at].sum(axis=1), 1) * (found >= 0)
    return Looked(np.ones(len(found), dtype=np.bool_) if asked is None else asked, found, right, chance)


def _known(s: Situation) -> Looked:
    return _answer(s, s.prompt)


def _by_image(s: Situation, without_own: bool) -> Looked:
    every = np.zeros(len(s.X), dtype=np.int64)
    places = np.where(s.stored[:, None], s.means, np.nan)
    distances = distances_to_centroids(s.X, every, places[None])
    if without_own:
        distances[s.same[s.prompt]] = np.inf
    found = np.where(np.isfinite(distances).any(axis=1), distances.argmin(axis=1), -1)
    return _answer(s, found)


def _by_all(s: Situation, without_own: bool) -> Looked:
    """Search all prompts and models at once."""
    cell = s.nearest_other_cell if without_own else s.nearest_cell
    n_models = s.there.shape[1]
    found = np.where(cell >= 0, cell // n_models, -1)
    right = (cell >= 0) & (cell % n_models == s.model)
    # A random one of the cells that are searched: how many there are, and how many are the true model's.
    searched = ~s.same if without_own else np.ones_like(s.same)
    by_model = (searched.astype(np.float64) @ s.there)[s.prompt]
    chance = by_model[np.arange(len(cell)), s.model] / np.maximum(by_model.sum(axis=1), 1)
    return Looked(np.ones(len(s.X), dtype=np.bool_), found, right, chance)


def _by_text(s: Situation, words: Worded | None, without_own: bool) -> Looked | None:
    if s.texts is None or words is None:
        return None
    allowed = np.broadcast_to(s.stored, s.same.shape)
    if without_own:
        allowed = allowed & ~s.same
    nearest = nearest_texts(words.vectors, s.texts.vectors, allowed)
    return _answer(s, nearest[s.prompt], words.there[s.prompt])


def _paraphrased(name: str) -> Callable[[Situation], Looked | None]:
    return lambda s: _by_text(s, s.others.get(name), without_own=False)


KNOWN = "known"
"""The condition that the others are compared with."""

CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition(KNOWN, "prompt known", _known, retrieves=False),
        *(
            Condition(f"paraphrased-{level}", f"prompt in other words ({level}), nearest by text",
                      _paraphrased(f"paraphrased-{level}"), retrieves=True)
            for level in LEVELS
        ),
        Condition("paraphrased-given", "prompt in other words (given), nearest by text",
                  _paraphrased("paraphrased-given"), retrieves=True),
        Condition("image", "prompt unknown, nearest by image", lambda s: _by_image(s, False), retrieves=True),
        Condition("joint", "prompt unknown, nearest of all prompts and models",
                  lambda s: _by_all(s, False), retrieves=True),
        Condition("absent-text", "prompt without references, nearest other by text",
                  lambda s: _by_text(s, s.texts, without_own=True), retrieves=False),
        Condition("absent-image", "prompt without references, nearest other by image",
                  lambda s: _by_image(s, True), retrieves=False),
        Condition("absent-joint", "prompt without references, nearest of all others",
                  lambda s: _by_all(s, True), retrieves=False),
    )
}  # fmt: skip
"""Conditions by name, the baseline first."""
