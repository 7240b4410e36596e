"""Images by other models, which are no candidates: they teach what content does to measurements.

With few candidates and a dozen references of each there are fewer images than a covariance of thousands of features
can be learned from. How measurements vary from picture to picture is much the same for all generators, and images by
generators that nobody asks about show it as well as those of candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Background"]


@dataclass(frozen=True, eq=False)
class Background:
    """Measured images by other models.

    Parameters
    ----------
    X : array-like, shape (m, d)
        Features, as of the references.
    y : array-like, shape (m,)
        Model of each; none of them is a candidate.
    groups : array-like, shape (m,), optional
        Groups in the numbering of the references' groups: where references are held out, so is the background of the
        same prompts. None: it is always used.
    within : ndarray, shape (m, c, d), optional
    n_contrasts : ndarray of int, shape (m,), optional
        As of the references.
    views : array-like of str, shape (m,), optional
        View of each row, where references are of several.
    """

    X: ArrayLike
    y: ArrayLike
    groups: ArrayLike | None = None
    within: NDArray[np.floating] | None = None
    n_contrasts: NDArray[np.integer] | None = None
    views: ArrayLike | None = None

    def seen_through(self, view: str) -> Background | None:
        """Return the rows of one view, or None where there are none."""
        if self.views is None:
            return self
        rows = np.flatnonzero(np.asarray(self.views, dtype=object) == view)
        if not len(rows):
            return None

        def of(values: ArrayLike | None) -> NDArray[np.generic] | None:
            return None if values is None else np.asarray(values)[rows]

        return Background(
            np.asarray(self.X)[rows],
            np.asarray(self.y)[rows],
            of(self.groups),
            of(self.within),  # type: ignore[arg-type]
            of(self.n_contrasts),  # type: ignore[arg-type]
        )
