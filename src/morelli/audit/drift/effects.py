"""How large a difference is: effect sizes of held-out scores, with intervals by the bootstrap over prompts.

References
----------
J. Cohen, "Statistical power analysis for the behavioral sciences", 1988, section 2.2 (d).
A. Davison, D. Hinkley, "Bootstrap methods and their application", 1997, section 3.8 (clusters).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.drift.design import Design

__all__ = ["Effect", "area_within_cells", "measure_effect", "resampled_groups"]

Float = NDArray[np.float64]

N_BOOT: Final = 1000


@dataclass(frozen=True, slots=True)
class Effect:
    """How far held-out scores set the samples apart.

    Attributes
    ----------
    auc : float
        How often, of two images that are compared (of one prompt, or of one fold), the new one has the higher score;
        0.5 is chance.
    accuracy : float
        Share of images on the right side of the middle between the samples' mean scores in other folds.
    d : float
        Difference of mean scores in standard deviations of the scores within a sample.
    auc_interval, accuracy_interval, d_interval : tuple of float
        95% intervals over prompts, for the scores as they are.
    """

    auc: float
    auc_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]
    d: float
    d_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def resampled_groups(design: Design, seed: int, n_boot: int = N_BOOT) -> Float:
    """Return how often each image counts in each resample of whole prompts, shape (n_boot + 1, n); the first is 1."""
    n = design.n_groups
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_boot)
    return np.concatenate([np.ones((1, len(design.rows))), drawn[:, design.group]]).astype(np.float64)


def measure_effect(scores: Float, design: Design, weights: Float) -> Effect:
    """Measure the effect of the observed labels.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Held-out scores, known up to a constant for each cell.
    design : Design
    weights : ndarray, shape (n_boot + 1, n)
        As `resampled_groups` gives them.
    """
    new, cell = design.new, design.cell
    members = np.eye(int(cell.max()) + 1)[cell]
    sizes = members.sum(axis=0)
    own = scores - (scores @ members / sizes)[cell]
    share = (new @ members / sizes)[cell]
    label = new - share

    pairs, wins = _compared(scores, new, cell)
    if design.kind == "paired":  # a prompt counts as often as it is drawn, and not by the square of that
        auc = _ratio(weights @ wins.sum(axis=1), weights @ pairs.sum(axis=1))
    else:
        auc = _ratio(((weights @ wins) * weights).sum(axis=1), ((weights @ pairs) * weights).sum(axis=1))

    squares = _ratio(weights @ (label * own), weights @ label**2)
    rest = (weights * (own - squares[:, None] * label) ** 2).sum(axis=1)
    free = max(1.0, len(scores) - len(sizes) - 1.0)
    d = _ratio(squares, np.sqrt(rest / weights.sum(axis=1) * len(scores) / free))

    hits = (own > (0.5 - share) * _others(label * own, label**2, design.fold)) == new
    right = _ratio(weights @ hits, weights.sum(axis=1))
    return Effect(float(auc[0]), _interval(auc), float(right[0]), _interval(right), float(d[0]), _interval(d))


def area_within_cells(scores: Float, new: NDArray[np.bool_], cell: NDArray[np.int64]) -> float:
    """Return how often, of a new and a reference image of one cell, the new one has the higher score; ties count half.

    0.5 where no cell has both.
    """
    pairs, wins = _compared(scores, new, cell)
    return float(wins.sum() / pairs.sum()) if pairs.any() else 0.5


def _compared(scores: Float, new: NDArray[np.bool_], cell: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Float]:
    """Return which new image (row) is compared with which reference (column), and whether it has the higher score."""
    pairs = (cell[:, None] == cell) & new[:, None] & ~new
    return pairs, np.where(pairs, np.sign(scores[:, None] - scores) / 2 + 0.5, 0.0)


def _others(above: Float, below: Float, fold: NDArray[np.int64]) -> Float:
    """Return a ratio of sums over all other folds, for each image."""
    up, down = np.bincount(fold, weights=above), np.bincount(fold, weights=below)
    return _ratio(up.sum() - up, down.sum() - down)[fold]


def _ratio(above: Float, below: Float) -> Float:
    return np.divide(above, below, out=np.zeros_like(np.asarray(above, dtype=np.float64)), where=below > 1e-300)


def _interval(values: Float) -> tuple[float, float]:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return float(low), float(high)
