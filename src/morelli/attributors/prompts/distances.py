"""Distances of images to the models' centroids for their own prompt, for all prompts at once."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["METRICS", "Metric", "cell_means", "check_metric", "distances_to_centroids", "unit_vectors"]

Float = NDArray[np.floating]
Codes = NDArray[np.integer]

Metric = Literal["euclidean", "cosine"]
METRICS: tuple[Metric, ...] = get_args(Metric)


def check_metric(metric: Metric) -> None:
    """Refuse a distance that there is not.

    Raises
    ------
    MorelliError
        There is no such distance.
    """
    if metric not in METRICS:
        raise MorelliError(f"A distance is one of {', '.join(METRICS)}, not {metric!r}.")


def unit_vectors(X: Float) -> Float:
    """Return rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(X, axis=-1, keepdims=True)
    return np.asarray(X / np.where(length > 0, length, 1.0), dtype=X.dtype)


def cell_means(X: Float, cell: Codes, n_cells: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean of the rows of each cell, (n_cells, d), NaN where it has none, and their number, (n_cells,)."""
    counts = np.bincount(cell, minlength=n_cells)
    order = np.argsort(cell, kind="stable")
    occupied = np.flatnonzero(counts)
    means = np.full((n_cells, X.shape[1]), np.nan)
    if len(occupied):
        starts = np.concatenate([[0], np.cumsum(counts[occupied])[:-1]])
        means[occupied] = np.add.reduceat(X[order].astype(np.float64), starts, axis=0) / counts[occupied, None]
    return means, counts.astype(np.int64)


def distances_to_centroids(
    X: Float, prompt: Codes, centroids: Float, metric: Metric = "euclidean"
) -> NDArray[np.float64]:
    """Return the distance of each image to each model's centroid for its own prompt.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    prompt : ndarray of int, shape (n,)
        Which prompt each image was made for.
    centroids : ndarray, shape (P, M, d)
        NaN where a model has no references for a prompt.
    metric : {"euclidean", "cosine"}
        Cosine distance is ``1 - cosine``, in [0, 2].

    Returns
    -------
    ndarray, shape (n, M)
        Infinite where there are no references.
    """
    check_metric(metric)
    if metric == "cosine":
        X, centroids = unit_vectors(X), unit_vectors(np.asarray(centroids))
    result = np.full((len(X), centroids.shape[1]), np.inf)
    if not len(X):
        return result
    order = np.argsort(prompt, kind="stable")
    asked, starts = np.unique(prompt[order], return_index=True)
    for p, rows in zip(asked.tolist(), np.split(order, starts[1:]), strict=True):
        there = np.flatnonzero(~np.isnan(centroids[p, :, 0]))
        own, of = np.asarray(X[rows], dtype=np.float64), np.asarray(centroids[p, there], dtype=np.float64)
        product = own @ of.T
        if metric == "cosine":
            result[np.ix_(rows, there)] = 1.0 - product
        else:
            squares = (own**2).sum(axis=1)[:, None] + (of**2).sum(axis=1)[None] - 2.0 * product
            result[np.ix_(rows, there)] = np.sqrt(np.maximum(squares, 0.0))
    return result
