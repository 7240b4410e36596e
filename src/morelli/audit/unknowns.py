"""How many sources are among images that look like none of the candidates.

Two images by one unknown model are taken for the same candidates, more often than two by different ones. How much more
was seen in the rehearsal, where models were hidden from the candidates: it says at which distance between two answers
images are rather of one source than of two. Groups are joined by average linkage up to that distance (Sokal and
Michener 1958). That is a proposal to a person who looks at the pictures, no finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist
from sklearn.cluster import AgglomerativeClustering

from morelli.attributors.rehearsal import Rehearsal
from morelli.errors import MorelliError

__all__ = ["LONER", "Clusters", "cluster_unknowns", "same_source_distance"]

Float = NDArray[np.float64]

LONER: Final = -1
"""Label of images that are like no other."""

MOST: Final = 3000
"""Most images that are joined pair by pair; of more, the others go to the nearest group of a random part."""

_FLOOR = float(np.log(1e-2))
"""Below a hundredth, what a candidate's probability is says more about the calibration than about the image."""

_PAIRS_OF_ONE = 0.2
"""Share of pairs that are of one source, as with five sources of equal size."""

_LEAST_HIDDEN = 30
_MOST_HIDDEN = 1500


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Groups of images.

    Attributes
    ----------
    labels : ndarray of int, shape (m,)
        Group of each image, the largest is 0; `LONER` for images in groups of fewer than `smallest`.
    n_sources : int
        Groups.
    central : tuple of ndarray of int
        Rows of each group, the most typical first.
    distance : float
        Up to which images were joined.
    smallest : int
    """

    labels: NDArray[np.int64]
    n_sources: int
    central: tuple[NDArray[np.int64], ...]
    distance: float
    smallest: int


def same_source_distance(rehearsal: Rehearsal, seed: int = 0) -> float | None:
    """Return the distance between answers below which two images are rather of one source.

    It is the one with the best F1 for "of one source" among pairs of images whose models were hidden.

    Parameters
    ----------
    rehearsal : Rehearsal
    seed : int
        Chooses among very many hidden images.

    Returns
    -------
    float or None
        None where too few images had their models hidden.
    """
    codes = rehearsal.hidden_codes
    if len(codes) < _LEAST_HIDDEN or len(np.unique(codes)) < 2:
        return None
    rows = np.arange(len(codes))
    if len(rows) > _MOST_HIDDEN:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_HIDDEN, replace=False))
    upper = np.triu_indices(len(rows), 1)
    same = codes[rows][upper[0]] == codes[rows][upper[1]]
    if not same.any():
        return None
    distances = pdist(_placed(rehearsal.hidden_log_proba[rows]))
    own, other = np.sort(distances[same]), np.sort(distances[~same])
    tried = np.quantile(own, np.linspace(0.05, 0.95, 37))
    found = np.searchsorted(own, tried) / len(own)
    wrong = np.searchsorted(other, tried) / len(other)
    score = 2 * _PAIRS_OF_ONE * found / (_PAIRS_OF_ONE * (found + 1) + (1 - _PAIRS_OF_ONE) * wrong)
    return float(tried[int(score.argmax())])


def cluster_unknowns(
    log_proba: ArrayLike, rehearsal: Rehearsal, *, smallest: int = 3, seed: int = 0
) -> Clusters | None:
    """Group images that look like none of the candidates by what they look like.

    Parameters
    ----------
    log_proba : array-like, shape (m, K)
        Answers for the unknown images only.
    rehearsal : Rehearsal
        Of the attributor that answered.
    smallest : int, default 3
        Fewest images of a group.
    seed : int, default 0
        Chooses the part of more than `MOST` images that is joined pair by pair.

    Returns
    -------
    Clusters or None
        None where it cannot be told: the bundle rehearsed too few hidden models.

    Raises
    ------
    MorelliError
        The answers are not finite in part, or of another number of candidates.
    """
    words = np.asarray(log_proba, dtype=np.float64)
    if words.ndim != 2 or words.shape[1] != rehearsal.n_classes or np.isnan(words).any():
        raise MorelliError(f"Answers of shape {words.shape} are none among {rehearsal.n_classes} candidates.")
    distance = same_source_distance(rehearsal, seed)
    if distance is None:
        return None
    places = _placed(words)
    labels = _joined(places, distance, seed)
    counts = np.bincount(labels) if len(labels) else np.zeros(0, dtype=np.int64)
    kept = [int(name) for name in np.argsort(-counts, kind="stable") if counts[name] >= smallest]
    renamed = np.full(len(counts) + 1, LONER, dtype=np.int64)
    renamed[kept] = np.arange(len(kept))
    own = renamed[labels] if len(labels) else np.zeros(0, dtype=np.int64)
    return Clusters(
        own, len(kept), tuple(_most_typical(places, own, name) for name in range(len(kept))), distance, smallest
    )


def _placed(log_proba: Float) -> Float:
    """Return where images lie: centred logarithms of probabilities; hidden candidates count as impossible."""
    words = np.maximum(np.where(np.isnan(log_proba), _FLOOR, log_proba), _FLOOR)
    return np.asarray(words - words.mean(axis=1, keepdims=True))


def _joined(places: Float, distance: float, seed: int) -> NDArray[np.int64]:
    if len(places) < 2:
        return np.zeros(len(places), dtype=np.int64)
    rows = np.arange(len(places))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST, replace=False))
    joining = AgglomerativeClustering(n_clusters=None, distance_threshold=distance, linkage="average")
    part = joining.fit(places[rows]).labels_.astype(np.int64)
    if len(rows) == len(places):
        return np.asarray(part)
    k = int(part.max()) + 1
    sums = np.stack([np.bincount(part, column, minlength=k) for column in places[rows].T], axis=1)
    centres = sums / np.bincount(part)[:, None]
    labels = np.empty(len(places), dtype=np.int64)
    for start in range(0, len(places), MOST):
        block = places[start : start + MOST]
        apart = (centres**2).sum(axis=1) - 2 * block @ centres.T
        labels[start : start + MOST] = apart.argmin(axis=1)
    labels[rows] = part
    return labels


def _most_typical(places: Float, labels: NDArray[np.int64], name: int) -> NDArray[np.int64]:
    rows = np.flatnonzero(labels == name)
    apart = ((places[rows] - places[rows].mean(axis=0)) ** 2).sum(axis=1)
    return np.asarray(rows[np.argsort(apart, kind="stable")])
