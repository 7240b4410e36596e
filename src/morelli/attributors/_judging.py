"""What the families make of images, before and after fusion; shared by the steps of the fused attributor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.discriminant import Discriminant
from morelli.attributors.strangeness import max_logit_score, max_probability_score

__all__ = ["Judged", "Spread", "judge", "strangeness"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Families' log-likelihoods, shape (families, n, K), and how far out each finds an image, shape (families, n)."""

    log_likelihood: Float
    outlyingness: Float

    def fuse(self, weights: Float) -> Float:
        """Weighted sum of the families, shape (n, K)."""
        return np.asarray(np.tensordot(weights, self.log_likelihood, axes=1))


def strangeness(fused: Float, log_proba: Float) -> list[Float]:
    """Scores that are high where an image is like no candidate, each of shape (n,): doubt, and unlikeliness.

    Doubt looks at the highest probability; it says nothing of an image that is far from all candidates but least far
    from one, for which the fused log-likelihood ratio of the best candidate to an average one is low. Neither sees that
    an image is like no picture at all (flat, pure noise): that is what `Judged.outlyingness` is for, which in turn
    follows content, and tells models of pictures apart hardly better than chance.
    """
    return [max_probability_score(log_proba), max_logit_score(fused)]


def judge(discriminants: Mapping[str, Discriminant], blocks: Mapping[str, slice], X: Float) -> Judged:
    """Let every family judge its columns of `X`, shape (n, d)."""
    columns = {name: X[:, block] for name, block in blocks.items()}
    return Judged(
        np.stack([discriminants[name].log_likelihood(values) for name, values in columns.items()]),
        np.stack([discriminants[name].outlyingness(values) for name, values in columns.items()]),
    )


class Spread:
    """Rows of within-image spread, by image and family."""

    def __init__(
        self, within: NDArray[np.floating] | None, n_contrasts: NDArray[np.integer] | None, shape: tuple[int, int]
    ) -> None:
        self._within = None if within is None else np.asarray(within)
        if self._within is None:
            return
        if self._within.ndim != 3 or (self._within.shape[0], self._within.shape[2]) != shape:
            raise ValueError(f"within has shape {self._within.shape}; expected ({shape[0]}, contrasts, {shape[1]})")
        if not np.isfinite(self._within).all():
            raise ValueError("within contains NaN or infinity")
        count = np.full(shape[0], self._within.shape[1]) if n_contrasts is None else np.asarray(n_contrasts)
        if count.shape != shape[:1]:
            raise ValueError(f"n_contrasts has shape {count.shape}; expected ({shape[0]},)")
        self._real = np.arange(self._within.shape[1]) < count[:, None]

    def of(self, images: NDArray[np.integer], block: slice) -> NDArray[np.floating] | None:
        """Return the rows of `images` and the columns of `block`, or None where there are none."""
        if self._within is None:
            return None
        return np.asarray(self._within[images][:, :, block][self._real[images]])
