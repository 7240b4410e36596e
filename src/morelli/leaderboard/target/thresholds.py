"""The paper's test for one model: a quantile of its references' distances to their centroid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["check_alphas", "quantile_thresholds"]

Float = NDArray[np.float64]


def quantile_thresholds(distances: Float, cell: NDArray[np.int64], n_cells: int, alphas: tuple[float, ...]) -> Float:
    """Return ``lambda_alpha = quantile_alpha(||x_i - c||)`` of every cell, for every alpha.

    An image z is taken for the target's if ``||z - c|| <= lambda_alpha`` (Naseh et al. 2026, one-vs-rest with only the
    target accessible). Quantiles are interpolated linearly, as by `numpy.quantile`.

    Parameters
    ----------
    distances : ndarray, shape (r,)
        Of references to their centroid; those that are NaN are left out.
    cell : ndarray of int64, shape (r,)
        From 0 to `n_cells` - 1.
    n_cells : int
    alphas : tuple of float
        Shares of references that shall be accepted, in (0, 1).

    Returns
    -------
    ndarray, shape (n_cells, len(alphas))
        NaN where a cell has no distance.
    """
    check_alphas(alphas)
    known = ~np.isnan(distances)
    d, c = distances[known], cell[known]
    d = d[np.lexsort((d, c))]
    counts = np.bincount(c, minlength=n_cells)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    there = np.flatnonzero(counts)
    result = np.full((n_cells, len(alphas)), np.nan)
    at = np.asarray(alphas)[None] * (counts[there, None] - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, counts[there, None] - 1)
    below, above = d[first[there, None] + low], d[first[there, None] + high]
    result[there] = below + (above - below) * (at - low)
    return result


def check_alphas(alphas: tuple[float, ...]) -> None:
    """Refuse shares outside (0, 1).

    Raises
    ------
    MorelliError
        There is none, or one is not strictly between 0 and 1.
    """
    if not alphas or not all(0.0 < alpha < 1.0 for alpha in alphas):
        raise MorelliError(f"Alphas lie between 0 and 1, such as 0.8 or 0.95, not {', '.join(map(str, alphas))}.")
