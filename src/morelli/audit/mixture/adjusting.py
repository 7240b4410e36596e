"""Shares corrected by how candidates were confused: the probabilistic adjusted count.

Bella, Ferri, Hernandez-Orallo and Ramirez-Quintana (2010), "Quantification via probability estimators"; called PACC by
Esuli, Fabris, Moreo and Sebastiani (2023), "Learning to quantify", section 4.2.3. The mean answer for a set is a
mixture of the mean answers for each candidate; shares are what mixes them so, with none below 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

__all__ = ["adjusted_shares", "response_matrix"]

Float = NDArray[np.float64]

_SUM = 1e3
"""Weight of the demand that shares sum to 1, against those for the means of probabilities."""


def response_matrix(proba: ArrayLike, codes: ArrayLike, n_classes: int, weights: ArrayLike | None = None) -> Float:
    """Return the mean answer for the images of each candidate.

    Parameters
    ----------
    proba : array-like, shape (n, K)
    codes : array-like of int, shape (n,)
    n_classes : int
        K; a candidate without images is taken to be never confused.
    weights : array-like, shape (n,), optional

    Returns
    -------
    ndarray, shape (K, K)
        Rows are candidates, and sum to 1.
    """
    values, truth = np.asarray(proba, dtype=np.float64), np.asarray(codes)
    counts = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
    total = np.zeros((n_classes, n_classes))
    np.add.at(total, truth, values * counts[:, None])
    seen = np.bincount(truth, counts, minlength=n_classes)
    means = total / np.where(seen > 0, seen, 1)[:, None]
    return np.where(seen[:, None] > 0, means, np.eye(n_classes))


def adjusted_shares(mean_answer: ArrayLike, responses: ArrayLike) -> Float:
    """Return shares whose mixture of `responses` is nearest to the mean answer (least squares).

    Parameters
    ----------
    mean_answer : array-like, shape (K,)
    responses : array-like, shape (K, K)
        See :func:`response_matrix`.

    Returns
    -------
    ndarray, shape (K,)
        Sums to 1, none below 0.

    Examples
    --------
    >>> responses = [[0.8, 0.2], [0.3, 0.7]]
    >>> adjusted_shares([0.55, 0.45], responses).round(3).tolist()
    [0.5, 0.5]
    """
    answer, mixed = np.asarray(mean_answer, dtype=np.float64), np.asarray(responses, dtype=np.float64)
    left = np.vstack([mixed.T, np.full((1, len(mixed)), _SUM)])
    shares, _ = nnls(left, np.append(answer, _SUM))
    total = shares.sum()
    return np.asarray(shares / total if total > 0 else np.full(len(mixed), 1 / len(mixed)))
