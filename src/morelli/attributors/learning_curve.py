r"""How much surer the final attributor may be than what was seen of its kind out of fold.

Calibration is learned on answers of attributors that were fitted to some of the references, and used for one that was
fitted to all. With few references that is a difference: its discriminants know the classes better, and the temperature
that suits it is lower. How much lower is read off the learning curve: the temperature that suits a fraction s of the
references falls about as

.. math:: T(s) \propto s^{-b}

so that two fractions, of a coarse and of the usual cross-validation, give b, and T(1) follows by extrapolation (Cortes,
Jackel, Solla, Vapnik and Denker 1993, "Learning curves: asymptotic values and rate of convergence", NIPS 6, do so for
errors). Chance alone would sharpen as often as not, and always if only a fall were believed: so b is shrunk by how
uncertain it is, as found by leaving out prompts in turn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from morelli.attributors._folding import deal_references
from morelli.attributors.calibration import CalibrationProblem
from morelli.attributors.doubt import best_temperature

__all__ = ["MOST_STEEP", "coarse_folds", "seen_share", "sharpening", "steepness"]

Float = NDArray[np.float64]

MOST_STEEP = 3.0
"""Largest exponent b that is believed: with very few references the temperatures are too uncertain for more."""

N_BLOCKS = 8
"""Blocks of prompts that are left out in turn."""


def seen_share(fold: NDArray[np.integer]) -> float:
    """Return the share of images that the attributor behind an out-of-fold answer has seen, on average over images."""
    sizes = np.bincount(fold)
    return float(1 - (sizes.astype(np.float64) ** 2).sum() / len(fold) ** 2)


def coarse_folds(n_folds: int) -> int | None:
    """Return how many folds a coarser cross-validation has, or None where none is coarser than `n_folds`."""
    return 3 if n_folds >= 5 else 2 if n_folds >= 3 else None


def sharpening(
    logits: Float,
    y: NDArray[np.integer],
    groups: NDArray[np.integer] | None,
    fold: NDArray[np.int64],
    doubt: float,
    anew: Callable[[NDArray[np.int64]], Float],
    images: NDArray[np.integer],
) -> float:
    """Return what to multiply a temperature by for an attributor that has seen all references.

    Parameters
    ----------
    logits : ndarray, shape (n, K)
        Out of fold, which the temperature was fitted to.
    y : ndarray of int, shape (n,)
        True classes.
    groups : ndarray of int, shape (n,), or None
        Prompts.
    fold : ndarray of int64, shape (n,)
        The folds of `logits`.
    doubt : float
        Share of doubt beside the temperature.
    anew : callable
        Takes other folds and returns out-of-fold logits for them.
    images : ndarray of int, shape (n,)
        Image that each row shows.

    Returns
    -------
    float
        In (0, 1]; 1 where the temperature does not surely fall as more is seen, or it cannot be told.
    """
    folds = coarse_folds(int(fold.max()) + 1)
    if folds is None:
        return 1.0
    coarse, _ = deal_references(y, groups, np.arange(logits.shape[1]), folds, 0, images)
    few, many = seen_share(coarse), seen_share(fold)
    if not few < many:
        return 1.0
    prompts = images if groups is None else groups
    return float(many ** steepness((few, anew(coarse)), (many, logits), y, prompts, doubt))


def steepness(
    coarse: tuple[float, Float],
    usual: tuple[float, Float],
    y: NDArray[np.integer],
    groups: NDArray[np.integer],
    doubt: float,
) -> float:
    """Return the exponent b, shrunk by its uncertainty.

    Parameters
    ----------
    coarse, usual : tuple of float and ndarray, shape (n, K)
        Share of the references seen, in (0, 1), and out-of-fold logits of the cross-validation that saw so much; the
        usual one has seen more.
    y : ndarray of int, shape (n,)
        True classes.
    groups : ndarray of int, shape (n,)
        Prompts.
    doubt : float
        Share of doubt at which temperatures are compared, as temperature and doubt can stand in for each other.

    Returns
    -------
    float
        From 0, where the temperature does not surely fall as more is seen, to `MOST_STEEP`.

    Raises
    ------
    ValueError
        The shares are not in order.
    """
    (few, hot), (many, cool) = coarse, usual
    if not 0 < few < many < 1:
        raise ValueError(f"shares {few} and {many} are not in order between 0 and 1")

    def exponent(rows: NDArray[np.bool_]) -> float:
        temperatures = [
            best_temperature(CalibrationProblem.of(words[rows], y[rows], None, True, None), doubt)
            for words in (hot, cool)
        ]
        return float(np.log(temperatures[0] / temperatures[1]) / np.log(many / few))

    found = exponent(np.ones(len(y), dtype=np.bool_))
    ids = np.unique(groups, return_inverse=True)[1]
    block = ids % min(N_BLOCKS, int(ids.max()) + 1)
    kept = [block != name for name in range(int(block.max()) + 1)]
    if found <= 0 or len(kept) < 2 or any(len(np.unique(y[rows])) < 2 for rows in kept):
        return 0.0
    left = np.array([exponent(rows) for rows in kept])
    variance = (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()
    return float(np.clip(found * max(0.0, 1 - variance / found**2), 0.0, MOST_STEEP))
