r"""Open set: how typical an image is for the candidates, as scores and as conformal p-values.

Two parts, each on plain arrays, after the scores of `morelli.attributors.strangeness`:

* `ScoreCombiner`, which puts several scores on the scale of their out-of-fold ranks and adds them up;
* `OpenSetModel`, which turns a score into a conformal p-value against the out-of-fold scores of known images.

A small p-value says "stranger than nearly all images of the candidates"; a large one never says "made by a candidate".
Scores must be out-of-fold: an image's own reference must not have seen it. The out-of-fold models saw fewer
references than the final one, so known images look a little stranger in calibration than in use, and p-values of new
images of the candidates err on the large, cautious side.

References
----------
Vovk, Gammerman, Shafer (2005), "Algorithmic learning in a random world", section 2.2 (conformal p-values).
Bates, Candes, Lei, Romano, Sesia (2023), "Testing for outliers with conformal p-values", Annals of Statistics 51(1);
it also shows that Benjamini-Hochberg over many images stays valid (`scipy.stats.false_discovery_control`).
Lee, Barber, Willett (2023), "Distribution-free inference with hierarchical data" (groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors._checks import FloatArray, IntArray, check_groups, check_labels
from morelli.errors import NotEnoughDataError

__all__ = ["OpenSetModel", "ScoreCombiner"]


class ScoreCombiner:
    """One strangeness from several, each on the scale of its out-of-fold ranks.

    A score s becomes the conformal p-value ``(1 + #{out-of-fold >= s}) / (n + 1)``; an out-of-fold image is compared
    with the n - 1 others, so that calibration and new images are treated alike. The combination then goes through
    `OpenSetModel`, which makes it valid however the scores depend on each other, so the method only decides power.

    Parameters
    ----------
    method : {"fisher", "mean", "cauchy"}, default "fisher"
        ``fisher``: ``-sum log p`` (Fisher 1932). ``mean``: ``-mean p``. ``cauchy``: ``mean tan((1/2 - p) pi)`` (Liu
        and Xie 2020). Simulated with 300 known images and unit normal scores, the detection rate at p <= 0.05 for
        three scores was, in the order fisher / mean / cauchy: 0.51 / 0.49 / 0.41 when all are shifted by one standard
        deviation, 0.29 / 0.28 / 0.29 when these are correlated by 0.7, 0.67 / 0.22 / 0.79 when one is shifted by
        three and the others are noise, and 0.71 / 0.18 / 0.65 when one is shifted by one the wrong way and the others
        by two. Fisher is first or close in all of them; the mean lets noise drown a strong score.
    """

    def __init__(self, method: Literal["fisher", "mean", "cauchy"] = "fisher") -> None:
        if method not in ("fisher", "mean", "cauchy"):
            raise ValueError(f'method must be "fisher", "mean" or "cauchy", not {method!r}')
        self.method = method
        self.sorted_scores: FloatArray = np.zeros((0, 0))

    def fit(self, oof_scores: Sequence[ArrayLike]) -> Self:
        """Remember the out-of-fold distribution of every score: S arrays of shape (n,)."""
        table = self._table(oof_scores)
        if table.shape[1] < 2:
            raise NotEnoughDataError("Combining scores by rank needs at least two out-of-fold images.")
        self.sorted_scores = np.sort(table, axis=1)
        return self

    def fit_transform(self, oof_scores: Sequence[ArrayLike]) -> FloatArray:
        """Fit, and return the combined score of the out-of-fold images themselves, shape (n,)."""
        table = self.fit(oof_scores)._table(oof_scores)
        n = table.shape[1]
        return self._combine(np.stack([_at_least(s, x) / n for s, x in zip(self.sorted_scores, table, strict=True)]))

    def transform(self, scores: Sequence[ArrayLike]) -> FloatArray:
        """Return the combined score of new images, shape (n,); higher is stranger."""
        table = self._table(scores)
        if len(table) != len(self.sorted_scores):
            raise ValueError(f"{len(table)} scores given, the combiner was fitted on {len(self.sorted_scores)}")
        n = self.sorted_scores.shape[1]
        p = np.stack([(1 + _at_least(s, x)) / (n + 1) for s, x in zip(self.sorted_scores, table, strict=True)])
        return self._combine(p)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        return {"method": self.method, "sorted_scores": self.sorted_scores.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        new = cls(state["method"])
        new.sorted_scores = np.array(state["sorted_scores"], dtype=np.float64)
        return new

    def _combine(self, p: FloatArray) -> FloatArray:
        if self.method == "mean":
            return np.asarray(-p.mean(axis=0), dtype=np.float64)
        if self.method == "fisher":
            return np.asarray(-np.log(p).sum(axis=0), dtype=np.float64)
        # At p = 1 the tangent is minus infinity, and would silence every other score.
        p = np.minimum(p, 1 - 0.5 / (self.sorted_scores.shape[1] + 1))
        return np.asarray(np.tan((0.5 - p) * np.pi).mean(axis=0), dtype=np.float64)

    @staticmethod
    def _table(scores: Sequence[ArrayLike]) -> FloatArray:
        columns = [_vector(s, "scores") for s in scores]
        if not columns or any(len(c) != len(columns[0]) for c in columns):
            raise ValueError("scores must be a non-empty list of vectors of one length")
        return np.stack(columns)


class OpenSetModel:
    r"""Conformal p-values against the out-of-fold scores of known images.

    ``p = (1 + #{calibration >= s}) / (n + 1)``, so that ``P(p <= a) <= a`` for a new image of a candidate. With
    groups, every group counts once, ``p = (1 + sum_g mean_{i in g} 1[s_i >= s]) / (G + 1)``, which keeps that promise
    for images of a new prompt when images of one prompt depend on each other.

    Parameters
    ----------
    class_conditional : bool, default False
        Compare with calibration images of the same *predicted* class (Mondrian p-values, taxonomy by prediction).
        Then ``p = (1 + c_k + m p_marginal) / (1 + n_k + m)`` with ``c_k`` the exceedances among the ``n_k`` images
        (or groups) predicted as k: m pseudo-images share the marginal distribution out to classes with few of their
        own. It is a weighted mean of two valid p-values, hence within a factor of two of valid in the worst case
        (Vovk and Wang 2020, "Combining p-values via averaging", Biometrika 107(4)), and exact at m = 0.
    pseudo_images : float, default 20.0
        m, not negative.

    Attributes
    ----------
    n, n_groups : int
        Images and groups calibrated on.
    smallest : float
        The smallest marginal p-value there is, ``1 / (n_groups + 1)``. No threshold below it can ever reject.
    """

    def __init__(self, class_conditional: bool = False, pseudo_images: float = 20.0) -> None:
        if not (np.isfinite(pseudo_images) and pseudo_images >= 0):
            raise ValueError(f"pseudo_images must be finite and not negative, not {pseudo_images}")
        self.class_conditional = class_conditional
        self.pseudo_images = float(pseudo_images)
        self.scores: FloatArray = np.zeros(0)
        self.predicted: IntArray | None = None
        self.groups: IntArray = np.zeros(0, dtype=np.int64)
        self.n_groups = 0

    @property
    def n(self) -> int:
        """Number of calibration images."""
        return len(self.scores)

    @property
    def smallest(self) -> float:
        """Smallest attainable marginal p-value."""
        return 1 / (self.n_groups + 1)

    def fit(self, scores: ArrayLike, predicted: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Remember the calibration scores.

        Parameters
        ----------
        scores : array-like, shape (n,)
            Out-of-fold, higher is stranger, finite.
        predicted : array-like of int, shape (n,), optional
            Predicted class (not the true one: a new image has none); needed if `class_conditional`.
        groups : array-like, shape (n,), optional
            Prompts.
        """
        s = _vector(scores, "scores")
        if len(s) == 0:
            raise NotEnoughDataError("An open-set p-value needs out-of-fold scores of known images; there is none.")
        self.predicted = self._predicted(predicted, len(s))
        self.scores = s
        self.groups, self.n_groups = check_groups(groups, len(s))
        return self

    def p_values(self, scores: ArrayLike, predicted: ArrayLike | None = None) -> FloatArray:
        """Return p-values, shape (n,), in (0, 1]; `predicted` as in `fit`."""
        if self.n == 0:
            raise ValueError("the open-set model is not fitted: call fit first")
        s = _vector(scores, "scores")
        classes = self._predicted(predicted, len(s))
        count, size = self._exceedances(np.ones(self.n, dtype=np.bool_), s)
        p = (1 + count) / (1 + size)
        if classes is None or self.predicted is None:
            return np.asarray(p, dtype=np.float64)
        m = self.pseudo_images
        marginal = p.copy()
        for c in np.unique(classes):
            here = classes == c
            count, size = self._exceedances(self.predicted == c, s[here])
            p[here] = (1 + count + m * marginal[here]) / (1 + size + m)
        return np.asarray(p, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values."""
        return {
            "class_conditional": self.class_conditional,
            "pseudo_images": self.pseudo_images,
            "scores": self.scores.tolist(),
            "predicted": None if self.predicted is None else self.predicted.tolist(),
            "groups": None if self.n_groups == self.n else self.groups.tolist(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        new = cls(bool(state["class_conditional"]), float(state["pseudo_images"]))
        return new.fit(state["scores"], state["predicted"], state["groups"])

    def _exceedances(self, of: NDArray[np.bool_], s: FloatArray) -> tuple[FloatArray, int]:
        """Return, for the calibration images `of`, the groups' summed shares at or above s, and how many groups."""
        known = self.scores[of]
        ids, size = check_groups(self.groups[of], len(known))
        order = np.argsort(known, kind="stable")
        weights = 1 / np.bincount(ids)[ids[order]] if size else np.zeros(0)
        above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
        return above[np.searchsorted(known[order], s, side="left")], size

    def _predicted(self, predicted: ArrayLike | None, n: int) -> IntArray | None:
        if not self.class_conditional:
            return None
        if predicted is None:
            raise ValueError("a class-conditional open-set model needs the predicted class of every image")
        return check_labels(predicted, None, n, "predicted")


def _at_least(ordered: FloatArray, s: FloatArray) -> FloatArray:
    """Return how many of the ordered numbers are at least s."""
    return (len(ordered) - np.searchsorted(ordered, s, side="left")).astype(np.float64)


def _vector(values: ArrayLike, name: str) -> FloatArray:
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1 or not np.isfinite(v).all():
        raise ValueError(f"{name} must be a vector of finite numbers, one per image")
    return v
