"""Log-linear fusion of families: how much each one's word counts.

Families measure overlapping traces, so that their log-likelihoods must not simply be added: the sum would be far too
sure. Each gets a weight between 0 and :data:`MAX_WEIGHT`, learned where it matters, on predictions for images that the
discriminants have not seen.

References
----------
G. Hinton, "Products of experts", ICANN 1999 (log-linear pooling).
N. Bruemmer et al., "Fusion of heterogeneous speaker recognition systems", IEEE TASLP 15(7), 2007, section V (weights by
logistic regression on held-out scores).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_fusion_weights"]

Float = NDArray[np.float64]

MAX_WEIGHT = 2.0
RIDGE = 1e-3
"""Penalty on squared weights: settles what the data leave open, such as the split between two copies of one family."""


def fit_fusion_weights(
    log_likelihoods: Float, y: NDArray[np.integer], candidates: NDArray[np.bool_] | None = None
) -> Float:
    """Learn a weight for each family.

    Parameters
    ----------
    log_likelihoods : ndarray, shape (families, n, K)
        Out-of-fold log-likelihoods.
    y : ndarray of int, shape (n,)
        True classes.
    candidates : ndarray of bool, shape (n, K), optional
        Which classes each image may be of; by default all. The true one is among them.

    Returns
    -------
    ndarray, shape (families,)
        Non-negative weights that minimise the class-balanced log loss of the weighted sum.
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    families, n, n_classes = log_likelihoods.shape
    if candidates is None:
        centred = log_likelihoods - log_likelihoods.mean(axis=2, keepdims=True)
        excluded = np.zeros((), dtype=np.bool_)
    else:
        excluded = ~candidates
        held = np.where(excluded, 0.0, log_likelihoods)
        centred = np.where(excluded, 0.0, held - held.sum(axis=2, keepdims=True) / candidates.sum(axis=1)[:, None])
    # Families differ in scale by orders of magnitude; the optimiser works on comparable numbers.
    size = np.abs(centred).mean(axis=(1, 2))
    speaks = size > 1e-6
    scale = np.where(speaks, size, 1.0)
    centred = centred / scale[:, None, None]
    counts = np.bincount(y, minlength=n_classes)
    row_weight = (1 / counts[y]) / np.count_nonzero(counts)
    true = centred[:, np.arange(n), y]

    def loss(weights: Float) -> tuple[float, Float]:
        total = np.where(excluded, -np.inf, np.tensordot(weights, centred, axes=1))
        log_probability = total - logsumexp(total, axis=1, keepdims=True)
        expected = np.einsum("fnk,nk->fn", centred, np.exp(log_probability), optimize=True)
        value = -row_weight @ log_probability[np.arange(n), y] + 0.5 * RIDGE * (weights**2).sum()
        gradient = -((true - expected) @ row_weight) + RIDGE * weights
        return float(value), gradient

    # A family that says the same of all classes has no weight: the data could not tell which.
    bounds = [(0.0, MAX_WEIGHT * s if heard else 0.0) for s, heard in zip(scale, speaks, strict=True)]
    # Not from 0, where the line search can stall on the bounds.
    start = np.minimum(1 / families, [high for _, high in bounds])
    options = {"ftol": 1e-13, "gtol": 1e-7}
    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(result.x / scale)
