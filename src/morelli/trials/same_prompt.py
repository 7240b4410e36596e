"""References of the very prompts that are judged: what a leaderboard's attacker has, and an auditor has not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts import deal_episode
from morelli.errors import MorelliError
from morelli.trials.predictions import Predictions
from morelli.trials.selection import Rows

__all__ = ["SamePrompt", "among_candidates", "deal_same_prompt"]

_NOTHING = 1e-300
"""Probability of a candidate that was given none."""

_ORDER = 3  # keeps this stream of random numbers apart from others with the same seed


@dataclass(frozen=True, slots=True)
class SamePrompt:
    """How the images of a prompt are dealt to those that are judged and those that are known.

    Parameters
    ----------
    references : int
        Images of each class and prompt that the attributor knows. A class that has no more images than that is no
        candidate for the prompt.
    judged : int, optional
        Images of each class and prompt that are judged; by default all that are left.
    candidates : int, default 2
        Prompts with fewer classes are left out.
    short : bool, default False
        Whether classes with fewer images stay candidates, with the references that there are.
    draw : int, default 0
        Number of a random order in which images are taken: a repetition that changes nothing else.

    Raises
    ------
    MorelliError
        A number is too small.
    """

    references: int
    judged: int | None = None
    candidates: int = 2
    short: bool = False
    draw: int = 0

    def __post_init__(self) -> None:
        if self.references < 1 or self.candidates < 2 or (self.judged is not None and self.judged < 1):
            raise MorelliError(
                "Of each class and prompt one image or more is known and one or more is judged, among two classes or "
                f"more, not {self.references}, {self.judged} and {self.candidates}."
            )


def deal_same_prompt(
    rows: Rows, classes: NDArray[np.int64], prompts: NDArray[np.int64], deal: SamePrompt, seed: int
) -> tuple[Rows, Rows]:
    """Return the rows that are judged, and those that are known.

    Fewer references are always a part of more, and where `judged` is given the same images are judged whatever the
    number of references, as far as there are enough.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Different rows of the catalog that take part.
    classes, prompts : ndarray of int64, shape (n,)
        Codes of all rows of the catalog.
    deal : SamePrompt
    seed : int

    Returns
    -------
    judged, known : ndarray of int64
        Sorted.
    """
    taking = rows[np.isin(prompts[rows], _with_candidates(prompts[rows], classes[rows], deal.candidates))]
    # The order is that of all rows of the catalog: it must not depend on which of them take part.
    turn = np.argsort(np.random.default_rng([seed, _ORDER, deal.draw]).permutation(len(classes))[taking])
    shuffled = taking[turn]
    judged, known = deal_episode(
        classes[shuffled], prompts[shuffled], deal.references, None, judged=deal.judged, short=deal.short
    )
    judged, known = shuffled[judged], shuffled[known]
    # Too few images may have left a class without anybody to be told from.
    able = _with_candidates(prompts[known], classes[known], 2)
    return np.sort(judged[np.isin(prompts[judged], able)]), np.sort(known[np.isin(prompts[known], able)])


def among_candidates(predictions: Predictions, candidates: NDArray[np.bool_]) -> Predictions:
    """Return predictions of an attributor that was not told which classes are candidates, with all others left out.

    All candidates keep a probability above 0, by which tables of predictions tell them from the other classes.

    Parameters
    ----------
    predictions : Predictions
    candidates : ndarray of bool, shape (n, K)
        Which classes each image may be of; all are left where none is.
    """
    allowed = candidates | ~candidates.any(axis=1, keepdims=True)
    # All probability may have lain elsewhere: then the candidates are equal.
    held = np.where(allowed, np.maximum(predictions.proba, _NOTHING), 0.0)
    proba = held / held.sum(axis=1, keepdims=True)
    proba = np.where(predictions.answered[:, None], proba, np.nan)
    return replace(predictions, proba=proba, prediction_set=predictions.prediction_set & allowed)


def _with_candidates(prompts: NDArray[np.int64], classes: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Return the prompts that have images of so many classes."""
    pairs = np.unique(np.stack([prompts, classes]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    return np.asarray(names[counts >= least])
