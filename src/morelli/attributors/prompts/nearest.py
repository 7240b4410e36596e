"""Nearest centroid and nearest references for each prompt: the attack of Naseh et al., and its cousins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts._base import Asked, Float, PromptAttributor
from morelli.attributors.prompts.distances import Metric, cell_means, distances_to_centroids, unit_vectors
from morelli.attributors.prompts.known import Known
from morelli.attributors.registry import register_attributor

__all__ = [
    "PromptCentroid",
    "PromptDiscriminant",
    "PromptNeighbours",
    "centroid_scores",
    "seed_variance",
    "shrunk_solve",
]

_LEADERBOARDS = "Naseh et al. 2026, Identifying models behind text-to-image leaderboards"

_COSINE_SCALE = 0.1
"""Cosines are divided by it, so that experts start out on a common scale; their weights do the rest."""


def seed_variance(known: Known) -> float:
    """Return the mean square of an image's distance to the mean of its class for its prompt, unbiased; 1 if unknown."""
    prompts, number = np.unique(known.prompts, return_inverse=True)
    cell = number * known.n_classes + known.codes
    means, counts = cell_means(known.X, cell, len(prompts) * known.n_classes)
    free = len(known) - int((counts > 0).sum())
    return float(((known.X - means[cell]) ** 2).sum()) / max(free, 1) or 1.0


def centroid_scores(known: Known, asked: Asked, metric: Metric) -> Float:
    """Return minus the squared distance to each class's centroid for the prompt (minus the distance, by cosine).

    Returns
    -------
    ndarray, shape (n, K)
        0 where a class has no references for the prompt.
    """
    names, number = np.unique(known.prompts, return_inverse=True)
    means, _ = cell_means(known.X, number * known.n_classes + known.codes, len(names) * known.n_classes)
    # One row more, of nothing, for prompts without references.
    nothing = np.full((1, known.n_classes, known.X.shape[1]), np.nan)
    centroids = np.concatenate([means.reshape(len(names), known.n_classes, -1), nothing])
    at = np.where(np.isin(asked.prompts, names), np.searchsorted(names, asked.prompts), len(names))
    distance = distances_to_centroids(asked.X, at, centroids, metric)
    scores = -(distance if metric == "cosine" else distance**2)
    return np.where(np.isfinite(scores), scores, 0.0)


def _by_prompt(known: Known, asked: Asked) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for each prompt that has references the rows that are asked, and those of the references."""
    for prompt in np.unique(asked.prompts):
        own = np.flatnonzero(known.prompts == prompt)
        if len(own):
            yield np.flatnonzero(asked.prompts == prompt), own


def shrunk_solve(residual: Float, right: Float) -> Float:
    """Solve for the covariance of few residuals in many dimensions, shrunk as Ledoit and Wolf (2004) do.

    The covariance is never made: all that is needed of it are products between residuals.

    Parameters
    ----------
    residual : ndarray, shape (n, d)
        Of mean zero, not all zero.
    right : ndarray, shape (d, k)

    Returns
    -------
    ndarray, shape (d, k)
        ``inverse(covariance) @ right``, where the covariance is that of :func:`sklearn.covariance.ledoit_wolf`.
    """
    n, d = residual.shape
    gram = residual @ residual.T
    mean = float(np.trace(gram)) / (n * d)
    square = float(np.square(gram).sum()) / n**2
    delta = square / d - mean**2
    beta = (float(np.square(np.diag(gram)).sum()) / n - square) / (n * d)
    # With nothing between the covariance and a multiple of the identity, as with one feature, all of it may be shrunk.
    share = 1.0 if delta <= 0 else min(max(beta, 0.0), delta) / delta
    ridge = max(share, 1e-9) * mean
    inner = gram + np.eye(n) * ridge * n / (1.0 - share) if share < 1 else None
    if inner is None:
        return np.asarray(right / ridge)
    return np.asarray((right - residual.T @ np.linalg.solve(inner, residual @ right)) / ridge)


class PromptCentroid(PromptAttributor):
    """The class whose mean embedding for the prompt is nearest: the attack of Naseh et al. (2026), section 3.

    Nothing is learned from other prompts but how sure to be of an answer.

    Parameters
    ----------
    blocks, family, n_folds, rounds, level, random_state
        As for `PromptAttributor`.
    metric : {"euclidean", "cosine"}, default "euclidean"
    """

    def __init__(
        self,
        blocks: Mapping[str, slice] | None = None,
        *,
        metric: Metric = "euclidean",
        family: str | None = None,
        n_folds: int = 5,
        rounds: int = 4,
        level: float = 0.9,
        random_state: int = 0,
    ) -> None:
        super().__init__(blocks, family=family, n_folds=n_folds, rounds=rounds, level=level, random_state=random_state)
        self.metric = metric

    def _learn(self, known: Known) -> float:
        return seed_variance(known) if self.metric == "euclidean" else _COSINE_SCALE

    def _experts(self, learned: float, known: Known, asked: Asked) -> Mapping[str, Float]:
        return {"centroid": centroid_scores(known, asked, self.metric) / learned}


class PromptNeighbours(PromptAttributor):
    """The class that has the nearest reference for the prompt, by cosine; parameters as for `PromptAttributor`."""

    def _learn(self, known: Known) -> None:
        """Learn nothing: cosines have a scale of their own, and the expert's weight fits it."""

    def _experts(self, learned: None, known: Known, asked: Asked) -> Mapping[str, Float]:
        references, X = unit_vectors(known.X), unit_vectors(asked.X)
        scores = np.zeros((len(X), known.n_classes))
        for rows, own in _by_prompt(known, asked):
            cosine = X[rows] @ references[own].T
            for k in np.unique(known.codes[own]):
                scores[rows, k] = cosine[:, known.codes[own] == k].max(axis=1)
        return {"nearest": scores / _COSINE_SCALE}


class PromptDiscriminant(PromptAttributor):
    """Linear discriminant analysis for each prompt, with the covariance of its references shrunk.

    The shrinkage is that of Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance
    matrices". With one reference of each class there is no covariance, and this is the nearest centroid.

    Parameters as for `PromptAttributor`.
    """

    def _learn(self, known: Known) -> float:
        return seed_variance(known)

    def _experts(self, learned: float, known: Known, asked: Asked) -> Mapping[str, Float]:
        scores = np.zeros((len(asked.X), known.n_classes))
        for rows, own in _by_prompt(known, asked):
            codes = known.codes[own]
            means, counts = cell_means(known.X[own], codes, known.n_classes)
            there = np.flatnonzero(counts)
            residual = known.X[own] - means[codes]
            free = len(own) - len(there)
            if free > 0 and np.any(residual):
                # The residuals have lost a degree of freedom for each mean.
                weight = shrunk_solve(residual, means[there].T) * free / len(own)
            else:
                weight = means[there].T * known.X.shape[1] / learned
            constant = 0.5 * np.einsum("kd,dk->k", means[there], weight)
            scores[np.ix_(rows, there)] = asked.X[rows] @ weight - constant
        return {"discriminant": scores}


def _register_centroid(name: str, metric: Metric, summary: str) -> None:
    @register_attributor(name, summary=summary, source=_LEADERBOARDS, encoder="forensic", n_folds=None, prompts=True)
    def make(blocks: Mapping[str, slice], *, seed: int, level: float, **options: Any) -> PromptCentroid:
        return PromptCentroid(dict(blocks), **{"metric": metric, "random_state": seed, "level": level, **options})


_register_centroid("prompt-centroid", "euclidean", "Nearest centroid of the image's own prompt.")
_register_centroid("prompt-centroid:cosine", "cosine", "Nearest centroid of the image's own prompt, by cosine.")


@register_attributor(
    "prompt-knn",
    summary="The nearest reference of the image's own prompt, by cosine.",
    source="Cover and Hart 1967, Nearest neighbor pattern classification",
    encoder="forensic",
    n_folds=None,
    prompts=True,
)
def _neighbours(blocks: Mapping[str, slice], *, seed: int, level: float, **options: Any) -> PromptNeighbours:
    return PromptNeighbours(dict(blocks), **{"random_state": seed, "level": level, **options})


@register_attributor(
    "prompt-lda",
    summary="Discriminant of the image's own prompt, its covariance shrunk.",
    source="Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices",
    encoder="forensic",
    n_folds=None,
    prompts=True,
)
def _discriminant(blocks: Mapping[str, slice], *, seed: int, level: float, **options: Any) -> PromptDiscriminant:
    return PromptDiscriminant(dict(blocks), **{"random_state": seed, "level": level, **options})
