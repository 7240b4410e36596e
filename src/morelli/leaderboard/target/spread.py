"""How far references lie from their own centroids, for all prompts and models at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import cell_means
from morelli.leaderboard.board import Board

__all__ = ["Spread", "distances_to_all", "measure_spread"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

_ROWS = 16_384  # differences that are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Centroids of references, and the distances of the references to them.

    Attributes
    ----------
    centroids : ndarray, shape (P, M, d)
        NaN where a model has no references for a prompt.
    counts : ndarray of int64, shape (P, M)
        Numbers of references k.
    distances : ndarray, shape (r,)
        Of each reference to the centroid that it is a part of. This is shorter than the distance of another image by
        the same model would be, by a factor of about ``sqrt((k - 1) / (k + 1))``.
    cell : ndarray of int64, shape (r,)
        ``prompt * M + model`` of each reference; ascending.
    squares : ndarray, shape (P, M)
        Sums of squared `distances`.
    """

    centroids: Float
    counts: Codes
    distances: Float
    cell: Codes
    squares: Float

    @property
    def left_out(self) -> Float:
        """Distances of each reference to the mean of the OTHER references of its cell, (r,); NaN where it is alone.

        As ``x_i - c_(-i) = k / (k - 1) (x_i - c)``, no mean has to be formed anew.
        """
        k = self.counts.ravel()[self.cell].astype(np.float64)
        return np.asarray(np.where(k >= 2, self.distances * k / np.where(k >= 2, k - 1.0, 1.0), np.nan))


def measure_spread(board: Board, references: NDArray[np.integer]) -> Spread:
    """Measure references.

    Parameters
    ----------
    board : Board
    references : ndarray of int, shape (r,)
        Rows of the board.
    """
    shape = (len(board.prompts), len(board.models))
    rows = references[np.argsort(board.cell[references], kind="stable")]
    cell = board.cell[rows]
    means, counts = cell_means(board.X[rows], cell, shape[0] * shape[1])
    distances = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        distances[part] = _lengths(board.X[rows[part]] - means[cell[part]])
    squares = np.asarray(np.bincount(cell, weights=distances**2, minlength=len(counts)), dtype=np.float64)
    return Spread(means.reshape(*shape, -1), counts.reshape(shape), distances, cell, squares.reshape(shape))


def distances_to_all(X: NDArray[np.floating], prompt: NDArray[np.integer], centroids: Float) -> Float:
    """Return the Euclidean distance of each image to each model's centroid for its prompt, shape (n, M).

    By differences and not by products: an image that equals all references has the distance 0 to them, and no
    remainder of rounding that lies above their own distances, 0 too. Infinite where a model has no references.
    """
    result = np.full((len(X), centroids.shape[1]), np.inf)
    for start in range(0, len(X), _ROWS):
        part = slice(start, start + _ROWS)
        for m in range(centroids.shape[1]):
            result[part, m] = _lengths(X[part] - centroids[prompt[part], m])
    result[np.isnan(result)] = np.inf
    return result


def _lengths(differences: Float) -> Float:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", differences, differences)))
