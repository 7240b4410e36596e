"""Shares by expectation-maximisation on calibrated probabilities.

Saerens, Latinne and Decaestecker (2002), "Adjusting the outputs of a classifier to new a priori probabilities",
Neural Computation 14(1), section 2.2. Probabilities are calibrated for candidates that are equally frequent, as the
attributor's are, so that each is a likelihood up to a factor of its image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["em_shares"]

Float = NDArray[np.float64]

MOST_STEPS = 2000
TOLERANCE = 1e-7


def em_shares(
    proba: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    factors: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
) -> Float:
    """Return the shares of candidates that make a set of images likeliest.

    Many weightings of the same images are done at once, as products of matrices.

    Parameters
    ----------
    proba : array-like, shape (n, K)
        Calibrated for equally frequent candidates; at least one candidate of each row is possible.
    weights : array-like, shape (B, n) or (n,), optional
        How often each image counts; by default once.
    factors : array-like, shape (B, K) or (K,), optional
        What the likelihoods of candidates are multiplied by.
    tolerance : float
        Largest change of a share in a step, after which steps end.
    most_steps : int
        Steps end after so many in any case.

    Returns
    -------
    ndarray, shape (B, K) or (K,)
        Sums to 1.

    Examples
    --------
    >>> em_shares([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]).round(2).tolist()
    [0.81, 0.19]
    """
    values = np.asarray(proba, dtype=np.float64)
    n, k = values.shape
    counts = np.ones((1, n)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    scale = np.ones((1, k)) if factors is None else np.atleast_2d(np.asarray(factors, dtype=np.float64))
    sets = max(len(counts), len(scale))
    counts = np.broadcast_to(counts / counts.sum(axis=1, keepdims=True), (sets, n))
    shares = np.full((sets, k), 1 / k)
    for _ in range(most_steps):
        joint = shares * scale
        evidence = joint @ values.T  # (B, n): of each image under the mixture
        moved = joint * ((counts / np.maximum(evidence, np.finfo(np.float64).tiny)) @ values)
        moved /= moved.sum(axis=1, keepdims=True)
        change = np.abs(moved - shares).max()
        shares = moved
        if change < tolerance:
            break
    single = (weights is None or np.ndim(weights) == 1) and (factors is None or np.ndim(factors) == 1)
    return shares[0] if single else shares
