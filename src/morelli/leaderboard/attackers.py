"""Who tries to break the anonymity: from references and images without a name to a score for each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import Metric, cell_means, distances_to_centroids
from morelli.leaderboard.board import Board

__all__ = ["Attacker", "NearestCentroid", "ranks_of_truth"]

Float = NDArray[np.float64]


class Attacker(Protocol):
    """Scores images against the models of a board."""

    def __call__(self, references: Board, X: NDArray[np.floating], prompt: NDArray[np.integer]) -> Float:
        """Return scores.

        Parameters
        ----------
        references : Board
            What the attacker made or bought.
        X : ndarray, shape (n, d)
            Embeddings of the images to be named, by the same encoder.
        prompt : ndarray of int, shape (n,)
            Codes into ``references.prompts``.

        Returns
        -------
        ndarray, shape (n, M)
            The greater the likelier; minus infinity where a model has no references for the prompt.
        """
        ...


@dataclass(frozen=True, slots=True)
class NearestCentroid:
    """The attack of the paper (section 3): the model whose mean embedding for the prompt is nearest.

    Attributes
    ----------
    metric : {"euclidean", "cosine"}
    """

    metric: Metric = "euclidean"

    def __call__(self, references: Board, X: NDArray[np.floating], prompt: NDArray[np.integer]) -> Float:
        """Return minus the distances, shape (n, M); see `Attacker`."""
        shape = (len(references.prompts), len(references.models))
        means, _ = cell_means(references.X, references.cell, shape[0] * shape[1])
        return -distances_to_centroids(X, prompt, means.reshape(*shape, -1), self.metric)


def ranks_of_truth(scores: Float, truth: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how many models score at least as high as the true one, itself not counted: 0 is top-1.

    Ties count against the attacker. A model that cannot be named (its score is minus infinity) has the last rank.

    Parameters
    ----------
    scores : ndarray, shape (n, M)
    truth : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    rows = np.arange(len(scores))
    own = scores[rows, truth][:, None]
    others = scores >= own
    others[rows, truth] = False
    return np.asarray(np.where(np.isneginf(own[:, 0]), scores.shape[1], others.sum(axis=1)), dtype=np.int64)
