"""Intervals by the bootstrap over few prompts.

References
----------
T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015, section 4.2 (the
expanded percentile interval).
"""

from __future__ import annotations

import math

from scipy.stats import norm
from scipy.stats import t as student

__all__ = ["expanded", "stretch"]


def stretch(n_groups: int, level: float) -> float:
    """Return by how much an interval over resampled groups is too narrow.

    Resamples of G groups scatter too little, by the factor sqrt((G - 1) / G), and a normal quantile stands where
    Student's with G - 1 degrees of freedom belongs.

    Examples
    --------
    >>> [round(stretch(n, 0.95), 2) for n in (3, 5, 15, 1000)]
    [2.69, 1.58, 1.13, 1.0]
    """
    if n_groups < 2:
        return 1.0
    tail = (1 + level) / 2
    return float(math.sqrt(n_groups / (n_groups - 1)) * student.ppf(tail, n_groups - 1) / norm.ppf(tail))


def expanded(n_groups: int, level: float) -> float:
    """Return the level at which a percentile interval over so few groups covers about as often as it should."""
    farther = stretch(n_groups, level) * norm.ppf((1 + level) / 2)
    return float(min(1 - 2 * norm.sf(farther), 1 - 1e-9))
