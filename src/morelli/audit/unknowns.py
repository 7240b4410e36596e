"""How many sources images come from that look like none of the candidates, as far as that can be told.

An attributor mistakes images of one unknown model in one way: they get the same candidates second and third. So the
distance between two images is that between their answers, and how far apart images of one model may lie is learned from
the rehearsal, where models were hidden from the candidates and their images judged all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.rehearsal import Rehearsal
from morelli.audit._answers import enough_hidden

__all__ = ["LONER", "Groups", "cluster_unknowns"]

Float = NDArray[np.float64]

LONER: Final = -1
"""Label of an image that is like no other."""

FLOOR: Final = -7.0
"""Smallest logarithm of a probability that counts: how impossible the impossible is says nothing."""

MOST: Final = 2000
"""Images whose distances are all computed; of more, this many are drawn and the others join the nearest group."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Images that are like each other.

    Attributes
    ----------
    label : ndarray of int, shape (n,)
        Group of each image from 0, the largest first; `LONER` for one that is like no other.
    distance : ndarray, shape (n,)
        From the middle of its group: the smallest are typical. 0 for loners.
    threshold : float or None
        Distance up to which images were taken to be of one source; None where the rehearsal could not say.
    notes : tuple of str
        Sentences that belong beside the groups.
    """

    label: NDArray[np.int64]
    distance: Float
    threshold: float | None
    notes: tuple[str, ...] = ()

    @property
    def n_groups(self) -> int:
        """How many groups there are, without loners."""
        return int(self.label.max(initial=LONER)) + 1


def cluster_unknowns(log_proba: ArrayLike, rehearsal: Rehearsal, *, seed: int = 0) -> Groups:
    """Group images by their likely source.

    Average linkage (Sokal and Michener 1958), cut at the distance that best tells pairs of images of one hidden model
    from pairs of two (largest true minus false rate, Youden 1950); pairs that share a prompt do not count.

    Parameters
    ----------
    log_proba : array-like, shape (n, K)
        Calibrated log-probabilities of images that are called unknown.
    rehearsal : Rehearsal
        Of the attributor that answered.
    seed : int, default 0
        Of the draw where there are more than `MOST`.

    Returns
    -------
    Groups
        One group of all images, and a note, where the rehearsal had too few hidden models.

    Raises
    ------
    ValueError
        Answers for another number of candidates.
    """
    words = np.asarray(log_proba, dtype=np.float64)
    if words.ndim != 2 or words.shape[1] != rehearsal.n_classes:
        raise ValueError(f"answers of shape {words.shape} do not fit {rehearsal.n_classes} candidates")
    n = len(words)
    threshold = _threshold(rehearsal)
    if threshold is None:
        note = "Unknown images are not grouped: the bundle has too few candidates to know how alike one source's are."
        return Groups(np.zeros(n, np.int64), np.zeros(n), None, (note,))
    if n < 2:
        return Groups(np.full(n, LONER, np.int64), np.zeros(n), threshold)
    vectors = _vectors(words)
    notes: tuple[str, ...] = ()
    rows = np.arange(n)
    if n > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(n, MOST, replace=False))
        notes = (f"Groups were formed from {MOST:,} of {n:,} unknown images; the others joined the nearest.",)
    label = np.full(n, LONER, np.int64)
    label[rows] = _largest_first(_linked(vectors[rows], threshold))
    middles = np.array([vectors[label == k].mean(axis=0) for k in range(int(label.max(initial=LONER)) + 1)])
    distance = np.zeros(n)
    if len(middles):
        to_middle = np.stack([np.sqrt(((vectors - middle) ** 2).mean(axis=1)) for middle in middles], axis=1)
        left = np.setdiff1d(np.arange(n), rows)
        nearest = to_middle[left].argmin(axis=1)
        label[left] = np.where(to_middle[left, nearest] <= threshold, nearest, LONER)
        label = _renumbered(label)
        distance = np.where(label == LONER, 0.0, to_middle.min(axis=1))
    return Groups(label, distance, threshold, notes)


def _vectors(words: Float) -> Float:
    """Return answers as points: up to a constant for each image, and without the impossible's depth."""
    floored = np.maximum(words, FLOOR)  # NaN stays
    return np.asarray(floored - np.nanmean(floored, axis=1, keepdims=True))


def _threshold(rehearsal: Rehearsal) -> float | None:
    """Return the distance that best tells pairs of one hidden model from pairs of two."""
    if not enough_hidden(rehearsal):
        return None
    codes, groups = rehearsal.hidden_codes, rehearsal.hidden_groups
    first, second = np.triu_indices(len(codes), 1)
    apart = groups[first] != groups[second]
    first, second = first[apart], second[apart]
    same = codes[first] == codes[second]
    if not same.any() or same.all():
        return None
    distance = _pairwise(_vectors(rehearsal.hidden_log_proba))[first, second]
    order = np.argsort(distance, kind="stable")
    gain = np.cumsum(same[order]) / same.sum() - np.cumsum(~same[order]) / (~same).sum()
    return float(distance[order][gain.argmax()])


def _pairwise(vectors: Float) -> Float:
    """Return root mean square differences, over the candidates that neither image's answer leaves out."""
    seen = (~np.isnan(vectors)).astype(np.float64)
    filled = np.where(seen > 0, vectors, 0.0)
    both = np.maximum(seen @ seen.T, 1)
    ahead = filled @ seen.T
    squares = (filled**2) @ seen.T
    # Centred anew over what both have.
    mean = (ahead - ahead.T) / both
    return np.asarray(np.sqrt(np.maximum((squares + squares.T - 2 * filled @ filled.T) / both - mean**2, 0)))


def _linked(vectors: Float, threshold: float) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = _pairwise(vectors)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), "average")
    return np.asarray(fcluster(tree, threshold, "distance"), dtype=np.int64)


def _largest_first(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers by size, `LONER` for groups of one; of one size in the order of their first images."""
    names, first, inverse, counts = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(names))
    return np.asarray(np.where(counts[inverse] > 1, rank[inverse], LONER), dtype=np.int64)


def _renumbered(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers by size anew, after others have joined."""
    own = label != LONER
    result = np.full(len(label), LONER, np.int64)
    result[own] = _largest_first(label[own])
    return result
