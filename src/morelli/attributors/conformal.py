r"""Conformal prediction sets: the candidates that cannot be ruled out at a stated level.

Fitted on the calibrated probabilities of **out-of-fold** images with known makers, applied to new images. A label k of
a new image is kept when its nonconformity score is at most the threshold ``q``, a finite-sample quantile of the
scores that the true labels of the calibration images got.

What is promised
----------------
If a new image and the calibration images are exchangeable, ``P(true label in set) >= level``, with no assumption on
the probabilities (Vovk, Gammerman, Shafer 2005; Sadinle, Lei, Wasserman 2019). Three fine points:

* *Out-of-fold scores.* The promise is exact for one model and a separate calibration set. Here scores of several
  cross-validated models calibrate a final model that saw more references, as in cross-conformal prediction (Vovk
  2015; Barber, Candes, Ramdas, Tibshirani 2021, "Predictive inference with the jackknife+"): in practice coverage is
  at or a little above the level, the worst-case theorem is weaker.
* *Prompts.* Several images of one prompt are not independent of each other; prompts are. With `groups`, the quantile
  is the one of the hierarchical method of Lee, Barber and Willett (2023), "Distribution-free inference with
  hierarchical data": each of G groups has the mass ``1 / (G + 1)``, shared by its images, and the rest
  lies at infinity. It keeps the finite-sample promise for an image of a new prompt, and it is the CDF pooling of
  Dunn, Wasserman and Ramdas (2023), "Distribution-free prediction sets for two-layer hierarchical models", JASA
  118(544), plus the mass at infinity that CDF pooling lacks. It costs sharpness: what counts is prompts, not images.
* *Mix of classes.* The promise averages over classes as frequent as in calibration. ``class_conditional=True`` makes
  it for every class by itself (Mondrian; Vovk 2012), which also frees it from the mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors._checks import check_groups, check_labels
from morelli.errors import NotEnoughDataError

__all__ = ["METHODS", "SplitConformal", "aps_scores", "conformal_quantile", "lac_scores"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

METHODS: Final = ("lac", "aps")
"""Ways to make prediction sets, see :class:`SplitConformal`."""


def lac_scores(probs: ArrayLike) -> FloatArray:
    """Nonconformity ``1 - p_k`` of every label, shape (n, K) (Sadinle, Lei, Wasserman 2019, section 2)."""
    return 1 - _check_probs(probs)


def aps_scores(probs: ArrayLike) -> FloatArray:
    """Nonconformity of adaptive prediction sets: the mass of all labels at least as probable as k.

    ``s_k = sum of p_j over j with p_j >= p_k`` (Romano, Sesia, Candes 2020, "Classification with valid and adaptive
    coverage", section 2, without the randomisation, so that the same image always gets the same set; coverage is then
    at least the level, not equal to it). Ties: equally probable labels get the same score, the one of the last of
    them, so they enter a set together and the order of the classes does not matter (RAPS and MAPIE break such ties by
    position).

    Parameters
    ----------
    probs : array-like, shape (n, K)

    Returns
    -------
    ndarray, shape (n, K)
        In (0, 1].
    """
    p = _check_probs(probs)
    inclusive, _ = _cumulative(p)
    return inclusive


def conformal_quantile(scores: ArrayLike, level: float, groups: ArrayLike | None = None) -> float:
    r"""Finite-sample quantile of nonconformity scores.

    Without groups, the ``ceil((n + 1) level)``-th smallest score. With groups, the smallest score s such that

    .. math:: \frac{1}{G + 1} \sum_g \frac{1}{|g|} \#\{i \in g : s_i \le s\} \ge level

    which is the same when every image is its own group.

    Parameters
    ----------
    scores : array-like, shape (n,)
    level : float in (0, 1)
    groups : array-like, shape (n,), optional

    Returns
    -------
    float
        Infinity when there are too few scores (or groups) for the level: ``n < 1 / (1 - level) - 1``.
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not np.isfinite(s).all():
        raise ValueError("scores must be a vector of finite numbers")
    ids, n_groups = check_groups(groups, len(s))
    # The slack keeps rounding, as in 20 * 0.95 = 19.000000000000004, from asking for one score more.
    needed = _check_level(level) * (n_groups + 1) - 1e-9
    if needed > n_groups:
        return float("inf")
    order = np.argsort(s, kind="stable")
    mass = np.cumsum(1 / np.bincount(ids)[ids[order]])
    return float(s[order[min(int(np.searchsorted(mass, needed)), len(s) - 1)]])


class SplitConformal:
    """Prediction sets with a coverage level.

    Parameters
    ----------
    method : {"lac", "aps"}, default "lac"
        ``lac``: labels with probability of at least ``1 - q``; the smallest sets on average. ``aps``: the most
        probable labels until their mass reaches q; larger sets, that grow where the image is hard. See `lac_scores`
        and `aps_scores`.
    level : float in (0, 1), default 0.9
        Promised coverage.
    class_conditional : bool, default False
        One threshold per class. A class with too few images (or groups) for the level gets the marginal threshold and
        is listed in `fallback_classes`: for it the promise is only the marginal one.
    allow_empty : bool, default False
        An empty set says "no candidate is typical", but it is a poor test of that (use the open-set p-value). False
        makes the most probable label a member of every set. With one threshold for all classes that only fills empty
        sets; with one per class it also adds the top label where its own threshold left it out. It can only raise
        coverage, by the share of the sets so changed whose top label is right.
    include_last : bool, default False
        For ``aps`` only: also keep the label whose mass crosses q, as MAPIE does with ``include_last_label=True`` and
        Angelopoulos and Bates (2021) in section 2.1. False is the exact inversion of the calibration scores, which
        suffices for the promise; True gives one label more per set nearly always and so covers more than `level`.

    Attributes
    ----------
    threshold : float
        Marginal threshold q; infinite if there is too little data for the level.
    thresholds : ndarray, shape (K,)
        Threshold in use for each class.
    informative : bool
        Whether every threshold in use is finite. If not, the sets hold every class without a finite threshold,
        whatever the image.
    fallback_classes : tuple of int
        Classes that use the marginal threshold although `class_conditional` was asked for.
    n, n_groups : int
        Images and groups calibrated on.
    """

    def __init__(
        self,
        method: str = "lac",
        level: float = 0.9,
        class_conditional: bool = False,
        *,
        allow_empty: bool = False,
        include_last: bool = False,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f'method must be "lac" or "aps", not {method!r}')
        if include_last and method != "aps":
            raise ValueError('include_last only has a meaning with method="aps"')
        self.method = method
        self.level = _check_level(level)
        self.class_conditional = class_conditional
        self.allow_empty = allow_empty
        self.include_last = include_last
        self.threshold = float("nan")
        self.thresholds: FloatArray = np.zeros(0)
        self.fallback_classes: tuple[int, ...] = ()
        self.n = self.n_groups = 0

    @property
    def informative(self) -> bool:
        """Whether every threshold in use is finite."""
        return len(self.thresholds) > 0 and bool(np.isfinite(self.thresholds).all())

    def fit(self, probs: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Compute the thresholds.

        Parameters
        ----------
        probs : array-like, shape (n, K)
            Out-of-fold probabilities, rows summing to one.
        y : array-like of int, shape (n,)
            True class, 0 .. K - 1.
        groups : array-like, shape (n,), optional
            Prompts; see the module's description. None treats images as exchangeable.

        Returns
        -------
        SplitConformal
            Itself.

        Raises
        ------
        NotEnoughDataError
            No image, or fewer than two classes.
        ValueError
            Probabilities, labels or groups that do not fit.
        """
        p = _check_probs(probs)
        n, k = p.shape
        labels = check_labels(y, k, n)
        ids, self.n_groups = check_groups(groups, n)
        if n == 0 or k < 2:
            raise NotEnoughDataError("Prediction sets need calibration images and at least two candidate classes.")
        all_scores = lac_scores(p) if self.method == "lac" else aps_scores(p)
        scores = all_scores[np.arange(n), labels]
        self.n = n
        self.threshold = conformal_quantile(scores, self.level, ids)
        self.thresholds = np.full(k, self.threshold)
        fallback = []
        if self.class_conditional:
            for c in range(k):
                own = labels == c
                threshold = conformal_quantile(scores[own], self.level, ids[own])
                if np.isfinite(threshold):
                    self.thresholds[c] = threshold
                else:
                    fallback.append(c)
        self.fallback_classes = tuple(fallback)
        return self

    def predict_set(self, probs: ArrayLike) -> BoolArray:
        """Return which labels are in each image's set.

        Parameters
        ----------
        probs : array-like, shape (n, K)

        Returns
        -------
        ndarray of bool, shape (n, K)
            Never empty unless `allow_empty`. Sets grow with `level`, except that a class can leave a set where the
            level becomes too high for its own threshold and it falls back to the marginal one.
        """
        if self.n == 0:
            raise ValueError("the conformal predictor is not fitted: call fit first")
        p = _check_probs(probs)
        if p.shape[1] != len(self.thresholds):
            raise ValueError(f"probs have {p.shape[1]} classes, the sets were fitted on {len(self.thresholds)}")
        if self.method == "lac":
            sets = 1 - p <= self.thresholds
        else:
            inclusive, exclusive = _cumulative(p)
            sets = exclusive < self.thresholds if self.include_last else inclusive <= self.thresholds
        if not self.allow_empty:
            sets[np.arange(len(p)), p.argmax(axis=1)] = True
        return np.asarray(sets, dtype=np.bool_)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted state as JSON-able values; an infinite threshold is None."""
        if self.n == 0:
            raise ValueError("the conformal predictor is not fitted: call fit first")
        settings = ("method", "level", "class_conditional", "allow_empty", "include_last", "n", "n_groups")
        finite = [t if np.isfinite(t) else None for t in [self.threshold, *self.thresholds.tolist()]]
        return {
            **{name: getattr(self, name) for name in settings},
            "threshold": finite[0],
            "thresholds": finite[1:],
            "fallback_classes": list(self.fallback_classes),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        new = cls(
            state["method"],
            float(state["level"]),
            bool(state["class_conditional"]),
            allow_empty=bool(state["allow_empty"]),
            include_last=bool(state["include_last"]),
        )
        read = [float("inf") if t is None else float(t) for t in [state["threshold"], *state["thresholds"]]]
        new.threshold, new.thresholds = read[0], np.array(read[1:])
        new.fallback_classes = tuple(int(c) for c in state["fallback_classes"])
        new.n, new.n_groups = int(state["n"]), int(state["n_groups"])
        return new


def _cumulative(p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mass of the labels at least as probable, and of the labels more probable, than each label."""
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=1)
    total = np.cumsum(ranked, axis=1)
    total /= total[:, -1:]  # so that the mass of all labels is 1, not 1 give or take a rounding
    k = p.shape[1]
    falls = ranked[:, 1:] < ranked[:, :-1]
    edge = np.ones((len(p), 1), dtype=np.bool_)
    # Last position of each run of equal probabilities, read from the right; first position, read from the left.
    last = np.where(np.hstack([falls, edge]), np.arange(k), k)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    first = np.maximum.accumulate(np.where(np.hstack([edge, falls]), np.arange(k), 0), axis=1)
    # The mass above a run is the very number that ended the run before it, so that comparisons are exact.
    above = np.hstack([np.zeros((len(p), 1)), total])
    inclusive, exclusive = np.empty_like(p), np.empty_like(p)
    np.put_along_axis(inclusive, order, np.take_along_axis(total, last, axis=1), axis=1)
    np.put_along_axis(exclusive, order, np.take_along_axis(above, first, axis=1), axis=1)
    return inclusive, exclusive


def _check_probs(probs: ArrayLike) -> FloatArray:
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 2:
        raise ValueError(f"probs must be a matrix (images, classes), not of shape {p.shape}")
    # Written so that NaN fails too.
    if not ((p >= 0) & (p <= 1 + 1e-9)).all() or not (np.abs(p.sum(axis=1) - 1) < 1e-6).all():
        raise ValueError("probs must be probabilities: finite, not negative, rows that sum to one")
    return p


def _check_level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, not {level}")
    return float(level)
