"""How often images of each candidate are named right, from a dozen images of each.

References
----------
E. Korn, B. Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated from
survey data", Survey Methodology 24(2), 1998 (the exact binomial interval, for as many images as are independent).
C. Morris, "Parametric empirical Bayes inference: theory and applications", JASA 78(381), 1983 (what the others say
about one of many).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

__all__ = ["MOST_IMAGES", "Recalls", "measure_recalls"]

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL: Final = 0.95
MOST_IMAGES: Final = 1000
"""Beyond so many images of a candidate nobody is told how many it takes to know."""

_LEAST_SPREAD, _MOST_SPREAD = 1 / 51, 1 / 2
"""Bounds of how far candidates differ, as 1 / (1 + images that what is known of the others is worth): 50 and 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Recalls:
    """What is known of the recall of K candidates.

    Attributes
    ----------
    n, hits : ndarray of int, shape (K,)
        Images, and those of them that are named right.
    independent : ndarray, shape (K,)
        How many independent images `n` are worth: fewer where several share a prompt and stand or fall together.
    middle, worth : float
        Mean of the beta distribution that recalls of candidates have, as far as can be told, and how many images it is
        worth.
    """

    n: Ints
    hits: Ints
    independent: Float
    middle: float
    worth: float

    def interval(self, place: int) -> tuple[float, float]:
        """Return the 95% interval of a recall, (0, 1) where the candidate has no image."""
        n = float(self.independent[place])
        low, high = _exact(n * self._share(place), n)
        return float(low), float(high)

    def draw(self, middles: Float, rng: np.random.Generator) -> Float:
        """Draw recalls, shape (draws, K), given each candidate's images and how far candidates differ.

        The worst of many candidates is partly the one with the worst luck: it is drawn towards the others, the more so
        the fewer its images are.

        Parameters
        ----------
        middles : ndarray, shape (draws,)
            What may stand for `middle`, which is uncertain as well; in (0, 1).
        rng : numpy.random.Generator
        """
        a, b = self._posterior(middles[:, None])
        return rng.beta(a, b)

    def means(self) -> Float:
        """Return the mean of such draws, shape (K,)."""
        a, b = self._posterior(np.array(self.middle))
        return np.asarray(a / (a + b))

    def images_to_know(self, place: int, target: float) -> int | None:
        """Return how many images it takes for the interval to lie on one side of the target.

        If images go on being named right as often as seems likely now; None where even :data:`MOST_IMAGES` would not
        do. Never fewer than there are.
        """
        share = float(self.means()[place])
        worth = float(self.independent[place] / self.n[place]) if self.n[place] else 1.0
        numbers = np.arange(max(1, int(self.n[place])), MOST_IMAGES + 1)
        low, high = _exact(worth * numbers * share, worth * numbers)
        known = np.flatnonzero((low >= target) | (high < target))
        return int(numbers[known[0]]) if len(known) else None

    def _share(self, place: int) -> float:
        return float(self.hits[place] / self.n[place]) if self.n[place] else 0.0

    def _posterior(self, middle: Float) -> tuple[Float, Float]:
        right = self.independent * self.hits / np.maximum(self.n, 1)
        return self.worth * middle + right, self.worth * (1 - middle) + self.independent - right


def measure_recalls(codes: Ints, named: Ints, groups: Ints, n_classes: int) -> Recalls:
    """Count what was named right.

    Parameters
    ----------
    codes, named : ndarray of int, shape (n,)
        True candidates, and those that were named.
    groups : ndarray of int, shape (n,)
        Prompts.
    n_classes : int
        K.
    """
    right = codes == named
    n = np.bincount(codes, minlength=n_classes)
    hits = np.bincount(codes[right], minlength=n_classes)
    cells, sizes = np.unique(np.stack([codes, groups]), axis=1, return_inverse=True)
    inside = np.bincount(sizes.ravel()).astype(np.float64)
    squares = np.bincount(cells[0], weights=inside**2, minlength=n_classes)
    alike = _alike(right.astype(np.float64), codes, sizes.ravel(), cells[0], n_classes)
    effect = np.maximum(1.0, 1 + (squares / np.maximum(n, 1) - 1) * alike)
    independent = n / effect
    return Recalls(n, hits, independent, *_prior(independent, hits / np.maximum(n, 1)))


def _alike(right: Float, codes: Ints, cell: Ints, class_of_cell: Ints, n_classes: int) -> float:
    """Return the correlation of images of one candidate and prompt, by analysis of variance within candidates."""
    inside = np.bincount(cell).astype(np.float64)
    if inside.max() < 2:
        return 0.0
    n = np.bincount(codes, minlength=n_classes).astype(np.float64)
    here = n > 0
    of_class = np.bincount(codes, weights=right, minlength=n_classes) / np.maximum(n, 1)
    of_cell = np.bincount(cell, weights=right) / inside
    df_between, df_within = len(inside) - int(here.sum()), len(right) - len(inside)
    if df_between < 1:
        return 1.0  # one prompt each: how the next one is judged nobody knows
    between = float((inside * (of_cell - of_class[class_of_cell]) ** 2).sum()) / df_between
    within = float(((right - of_cell[cell]) ** 2).sum()) / df_within
    squares = np.bincount(class_of_cell, weights=inside**2, minlength=n_classes)
    usual = float((n[here] - squares[here] / n[here]).sum()) / df_between
    total = between + (usual - 1) * within
    return float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0


def _prior(n: Float, share: Float) -> tuple[float, float]:
    """Return mean and worth of what candidates are like, by moments of the beta-binomial distribution.

    How far candidates differ is taken to be a standard error more than it seems: with few of them hardly anything is
    known about it, and each is to stand for itself then.
    """
    here = n > 0
    n, share = n[here], share[here]
    middle = float(((n * share).sum() + 0.5) / (n.sum() + 1))
    room = float((1 - 1 / n).sum())
    if room <= 0:  # one image each
        return middle, 1 / _MOST_SPREAD - 1
    excess = (share - middle) ** 2 / (middle * (1 - middle)) - 1 / n
    spread = max(0.0, float(excess.sum()) / room)
    spread += (spread + float((1 / n).mean())) * np.sqrt(2 / len(n))
    return middle, float(1 / np.clip(spread, _LEAST_SPREAD, _MOST_SPREAD) - 1)


def _exact(hits: ArrayLike, n: ArrayLike) -> tuple[Float, Float]:
    """Return the interval of Clopper and Pearson (1934), for numbers that need not be whole."""
    tail = (1 - LEVEL) / 2
    right = np.asarray(hits, dtype=np.float64)
    wrong = np.maximum(np.asarray(n, dtype=np.float64) - right, 0.0)
    with np.errstate(invalid="ignore"):
        low = np.where(right > 1e-12, beta.ppf(tail, right, wrong + 1), 0.0)
        high = np.where(wrong > 1e-12, beta.ppf(1 - tail, right + 1, wrong), 1.0)
    return low, high
