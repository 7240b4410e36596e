"""Rivals that compare an image with references by the angle between vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import StandardScaler

from morelli.attributors.registry import register_attributor
from morelli.attributors.rivals._base import Blocks, Float, Rival, class_means, unit_rows

__all__ = ["Centroid", "Fingerprint", "Neighbours"]

_LEAST_VOTES = 0.01
"""Votes that every class has from the start: none is impossible because no neighbour happens to be of it."""


class _Angular(Rival):
    standardise: bool

    def _learn_scale(self, X: NDArray[Any]) -> NDArray[Any]:
        self.scaler_ = StandardScaler().fit(X) if self.standardise else None
        return self._directions(X)

    def _directions(self, X: NDArray[Any]) -> NDArray[Any]:
        return unit_rows(X if self.scaler_ is None else self.scaler_.transform(X))


class Centroid(_Angular):
    """Nearest centroid: cosine of the angle to the mean direction of each class, as a softmax.

    The attack of Naseh et al. (2026), "Identifying models behind text-to-image leaderboards", with one centroid for all
    prompts instead of one for each: an auditor has not the reference images of just this prompt.

    Parameters
    ----------
    temperature : float, default 0.05
        Divides the cosines; what is calibrated later does not depend on it.
    standardise : bool, default True
        Give every feature mean 0 and variance 1 over the references first. False is the paper's way, and right for
        embeddings alone; other features have units of their own.
    """

    def __init__(self, *, temperature: float = 0.05, standardise: bool = True) -> None:
        self.temperature = temperature
        self.standardise = standardise

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        self.centroids_ = unit_rows(class_means(self._learn_scale(X), codes, len(self.classes_)))

    def _logits(self, X: NDArray[Any]) -> Float:
        return np.asarray(self._directions(X) @ self.centroids_.T / self.temperature)


class Neighbours(_Angular):
    """The k nearest references by cosine, their votes weighed by ``exp(cosine / temperature)``.

    Wu, Xiong, Yu and Lin (2018), "Unsupervised feature learning via non-parametric instance discrimination", CVPR,
    section 3.4.

    Parameters
    ----------
    k : int, default 10
        Neighbours; all references where there are fewer.
    temperature : float, default 0.07
    standardise : bool, default True
        See `Centroid`.
    """

    def __init__(self, *, k: int = 10, temperature: float = 0.07, standardise: bool = True) -> None:
        self.k = k
        self.temperature = temperature
        self.standardise = standardise

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        self.references_ = self._learn_scale(X)
        self.codes_ = codes

    def _logits(self, X: NDArray[Any]) -> Float:
        cosine = self._directions(X) @ self.references_.T
        # Of equally near references the first counts, so that the same input gives the same answer.
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : self.k]
        similarity = np.take_along_axis(cosine, nearest, axis=1)
        weights = np.exp((similarity - similarity[:, :1]) / self.temperature)
        votes = np.full((len(X), len(self.classes_)), _LEAST_VOTES)
        np.add.at(votes, (np.arange(len(X))[:, None], self.codes_[nearest]), weights)
        return np.asarray(np.log(votes))


class Fingerprint(Rival):
    """The mean noise residual of each class, and its correlation with an image's residual.

    Marra, Gragnaniello, Verdoliva and Poggi (2019), "Do GANs leave artificial fingerprints?", MIPR:
    the fingerprint is the average residual, and an image belongs to the fingerprint with which it correlates most.

    Parameters
    ----------
    temperature : float, default 0.01
        Divides the correlations, which are small; what is calibrated later does not depend on it.
    """

    def __init__(self, *, temperature: float = 0.01) -> None:
        self.temperature = temperature

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        self.fingerprints_ = class_means(X, codes, len(self.classes_))
        self._units = _centred(self.fingerprints_)

    def correlation(self, X: NDArray[Any]) -> Float:
        """Return the normalised correlation of each row with each fingerprint, shape (n, K), in [-1, 1]."""
        return np.asarray(_centred(X) @ self._units.T, dtype=np.float64)

    def _logits(self, X: NDArray[Any]) -> Float:
        return self.correlation(X) / self.temperature


def _centred(X: NDArray[Any]) -> NDArray[Any]:
    return unit_rows(X - X.mean(axis=1, keepdims=True))


_LEADERBOARDS = "Naseh et al. 2026, Identifying models behind text-to-image leaderboards"


@register_attributor(
    "centroid",
    summary="Nearest centroid by cosine, on standardised features.",
    source=_LEADERBOARDS,
    encoder="forensic",
)
def _centroid(blocks: Blocks, *, seed: int, level: float, **options: Any) -> Centroid:
    return Centroid(**options)


@register_attributor(
    "centroid:raw",
    summary="Nearest centroid by cosine, on features as they are.",
    source=_LEADERBOARDS,
    encoder="forensic",
)
def _centroid_raw(blocks: Blocks, *, seed: int, level: float, **options: Any) -> Centroid:
    return Centroid(**{"standardise": False, **options})


@register_attributor(
    "knn",
    summary="Ten nearest references by cosine, their votes weighed.",
    source="Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination",
    encoder="forensic",
)
def _knn(blocks: Blocks, *, seed: int, level: float, **options: Any) -> Neighbours:
    return Neighbours(**options)


@register_attributor(
    "marra",
    summary="Mean noise residual of each model, and correlation with it.",
    source="Marra et al. 2019, Do GANs leave artificial fingerprints?",
    encoder="marra-residual",
)
def _marra(blocks: Blocks, *, seed: int, level: float, **options: Any) -> Fingerprint:
    return Fingerprint(**options)
