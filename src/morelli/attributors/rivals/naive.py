"""The naive Gaussian fusion: what the default attributor would be if it believed that all features are independent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.naive_bayes import GaussianNB

from morelli.attributors.registry import register_attributor
from morelli.attributors.rivals._base import Blocks, Float, Rival

__all__ = ["GaussianNaive"]


class GaussianNaive(Rival):
    """A Gaussian with variances of its own for each class and family; the families' log-likelihoods are added up.

    Parameters
    ----------
    blocks : mapping of str to slice, optional
        Columns of each family; by default all columns are one family.
    smoothing : float, default 0.01
        Share of a family's largest variance that is added to each of its variances. Much more than the 1e-9 of
        `sklearn.naive_bayes.GaussianNB`: of three references a variance can come out as nothing.
    """

    def __init__(self, blocks: Blocks | None = None, *, smoothing: float = 0.01) -> None:
        self.blocks = blocks
        self.smoothing = smoothing

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        n_classes = len(self.classes_)
        blocks = {"features": slice(0, X.shape[1])} if self.blocks is None else self.blocks
        uniform = np.full(n_classes, 1 / n_classes)
        self.families_ = {
            name: (block, GaussianNB(priors=uniform, var_smoothing=self.smoothing).fit(X[:, block], codes))
            for name, block in blocks.items()
        }

    def _logits(self, X: NDArray[Any]) -> Float:
        words = [model.predict_joint_log_proba(X[:, block]) for block, model in self.families_.values()]
        return np.asarray(np.sum(words, axis=0), dtype=np.float64)


@register_attributor(
    "gaussian-naive",
    summary="Diagonal Gaussians for each family, log-likelihoods simply added.",
    source="Hand and Yu 2001, Idiot's Bayes: not so stupid after all?",
    encoder="forensic",
)
def _gaussian_naive(blocks: Blocks, *, seed: int, level: float, **options: Any) -> GaussianNaive:
    return GaussianNaive(dict(blocks), **options)
