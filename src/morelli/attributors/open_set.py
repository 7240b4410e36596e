r"""Open set: how typical an image is for the candidates, as scores and as conformal p-values.

Three parts, each on plain arrays:

* scores, all oriented so that **higher is stranger**: from fused logits (`energy_score`, `max_logit_score`,
  `max_probability_score`, `entropy_score`) and from coordinates in a whitened discriminant space
  (`mahalanobis_score`, `knn_score`);
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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp, softmax

from morelli.attributors.calibration import check_groups, check_labels, check_logits
from morelli.errors import NotEnoughDataError

__all__ = [
    "ClassesOut",
    "OpenSetModel",
    "ScoreCombiner",
    "energy_score",
    "entropy_score",
    "knn_score",
    "leave_classes_out",
    "mahalanobis_score",
    "max_logit_score",
    "max_probability_score",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def energy_score(logits: ArrayLike, temperature: float = 1.0) -> FloatArray:
    """Free energy ``-T logsumexp(z / T)``, shape (n,) (Liu et al. 2020, "Energy-based out-of-distribution detection").

    Needs logits whose constant per image means something (a log density); for normalised log-posteriors and T = 1 it
    is zero whatever the image.
    """
    z = check_logits(logits)
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be positive, not {temperature}")
    return np.asarray(-temperature * logsumexp(z / temperature, axis=1), dtype=np.float64)


def max_logit_score(logits: ArrayLike) -> FloatArray:
    """Minus the largest logit, shape (n,) (Vaze et al. 2022, "Open-set recognition"). See `energy_score`."""
    return np.asarray(-check_logits(logits).max(axis=1), dtype=np.float64)


def max_probability_score(logits: ArrayLike) -> FloatArray:
    """Minus the log of the largest probability, shape (n,), in [0, log K] (Hendrycks and Gimpel 2017).

    On the log scale, and with ``log1p`` over the other classes, so that confident images do not all tie at zero.
    """
    z = check_logits(logits)
    rows = np.arange(len(z))
    top = z.argmax(axis=1)
    rest = np.exp(z - z[rows, top][:, None])
    rest[rows, top] = 0.0
    return np.asarray(np.log1p(rest.sum(axis=1)), dtype=np.float64)


def entropy_score(logits: ArrayLike) -> FloatArray:
    """Shannon entropy of the probabilities in nats, shape (n,), in [0, log K]."""
    return np.asarray(entr(softmax(check_logits(logits), axis=1)).sum(axis=1), dtype=np.float64)


def mahalanobis_score(
    coords: ArrayLike, means: ArrayLike, centre: ArrayLike | None = None, covariance: ArrayLike | None = None
) -> FloatArray:
    r"""Squared distance to the nearest class mean, absolute or relative to the background.

    In a space whitened by the within-class covariance, ``min_k |x - mu_k|^2`` is the Mahalanobis distance of Lee et
    al. (2018). With `centre`, the background's ``(x - c)' S^-1 (x - c)`` is taken off, which cancels directions that
    make every image strange alike (Ren et al. 2021, "A simple fix to Mahalanobis distance", section 2; their S is the
    covariance of all images around the common mean).

    Parameters
    ----------
    coords : array-like, shape (n, r)
    means : array-like, shape (K, r)
    centre : array-like, shape (r,), optional
        Overall mean.
    covariance : array-like, shape (r, r), optional
        S, positive definite; the identity if left out. Then the quadratic terms cancel, and the score is linear in x
        for each class: it sees which way an image lies, no longer how far off.

    Notes
    -----
    The relative score is blind by design along directions in which the candidates do not differ: it cannot see an
    unknown model that is strange in a new way only, where the absolute distance can. They are worth combining.

    Returns
    -------
    ndarray, shape (n,)
        Relative scores can be negative.
    """
    x, mu = _matrix(coords, "coords"), _matrix(means, "means")
    if len(mu) == 0:
        raise NotEnoughDataError("The distance to the nearest class mean needs at least one class.")
    nearest = _squared_distances(x, mu).min(axis=1)
    if centre is None:
        if covariance is not None:
            raise ValueError("covariance is that of the background and needs its centre too")
        return np.asarray(nearest, dtype=np.float64)
    offset = x - np.asarray(centre, dtype=np.float64)
    if covariance is None:
        return np.asarray(nearest - np.einsum("ij,ij->i", offset, offset), dtype=np.float64)
    root = np.linalg.cholesky(_matrix(covariance, "covariance"))
    white = np.linalg.solve(root, offset.T)
    return np.asarray(nearest - np.einsum("ji,ji->i", white, white), dtype=np.float64)


def knn_score(
    coords: ArrayLike,
    reference: ArrayLike,
    k: int = 5,
    *,
    groups: ArrayLike | None = None,
    reference_groups: ArrayLike | None = None,
) -> FloatArray:
    """Distance to the k-th nearest reference image, shape (n,) (Sun et al. 2022, "Deep nearest neighbors", section 3).

    Parameters
    ----------
    coords : array-like, shape (n, r)
    reference : array-like, shape (m, r)
    k : int, default 5
    groups, reference_groups : array-like, shapes (n,) and (m,), optional
        References of an image's own group (prompt) do not count: give both to score the references themselves.

    Raises
    ------
    NotEnoughDataError
        Fewer than k references for some image.
    """
    x, ref = _matrix(coords, "coords"), _matrix(reference, "reference")
    if (groups is None) != (reference_groups is None):
        raise ValueError("give both groups and reference_groups, or neither")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    joined = None
    if groups is not None and reference_groups is not None:
        own, others = np.asarray(groups), np.asarray(reference_groups)
        if own.shape != (len(x),) or others.shape != (len(ref),):
            raise ValueError("groups and reference_groups must have one entry per row of coords and reference")
        joined, _ = check_groups(np.concatenate([own, others]), len(x) + len(ref))
    too_few = f"The distance to the {k}-th nearest reference needs more references (of other prompts): lower k."
    if len(ref) < k:
        raise NotEnoughDataError(too_few)
    scores = np.empty(len(x))
    step = max(1, 4_000_000 // len(ref))  # a chunk of distances takes at most 32 MB
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        distances = _squared_distances(x[part], ref)
        if joined is not None:
            distances[joined[: len(x)][part, None] == joined[len(x) :]] = np.inf
        scores[part] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    if not np.isfinite(scores).all():
        raise NotEnoughDataError(too_few)
    return np.asarray(np.sqrt(scores), dtype=np.float64)


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


@dataclass(frozen=True, eq=False)
class ClassesOut:
    """One draw of `leave_classes_out`: which classes are hidden, and row indices."""

    hidden: tuple[int, ...]
    train: IntArray
    known_test: IntArray
    hidden_test: IntArray


def leave_classes_out(
    y: ArrayLike,
    n_hide: int,
    n_draws: int,
    seed: int,
    *,
    groups: ArrayLike | None = None,
    test_share: float = 0.25,
) -> Iterator[ClassesOut]:
    """Play unknown models: hide classes from training and see whether their images are called strange.

    Every class is hidden equally often, give or take one. No group of a test image, known or hidden, is in train;
    where all classes share the prompts, known and hidden test images therefore have the same prompts, and a hidden
    image is not strange for its content alone.

    Parameters
    ----------
    y : array-like of int, shape (n,)
        Class indices.
    n_hide : int
        Classes hidden in each draw; at least two must stay.
    n_draws : int
    seed : int
    groups : array-like, shape (n,), optional
        Prompts. None: every image is its own group, and all images of hidden classes are tested.
    test_share : float in (0, 1), default 0.25
        Share of the groups that is kept from training; less where a known class would have none left to train on.

    Yields
    ------
    ClassesOut

    Raises
    ------
    NotEnoughDataError
        Fewer than ``n_hide + 2`` classes, or no test image left.
    """
    labels = check_labels(y, None, np.size(y))
    ids, n_groups = check_groups(groups, len(labels))
    classes = np.unique(labels)
    if n_hide < 1 or n_draws < 1 or not 0 < test_share < 1:
        raise ValueError("n_hide and n_draws must be at least 1, test_share strictly between 0 and 1")
    if len(classes) < n_hide + 2:
        raise NotEnoughDataError(f"Hiding {n_hide} classes needs at least {n_hide + 2}, there are {len(classes)}.")
    return _draws(labels, ids, n_groups, classes, n_hide, n_draws, test_share, np.random.default_rng(seed))


def _draws(
    labels: IntArray,
    ids: IntArray,
    n_groups: int,
    classes: IntArray,
    n_hide: int,
    n_draws: int,
    test_share: float,
    rng: np.random.Generator,
) -> Iterator[ClassesOut]:
    queue: list[int] = []
    for _ in range(n_draws):
        hide: list[int] = []
        while len(hide) < n_hide:
            if not queue:
                # Classes already in this draw go last, so that none is drawn twice for it.
                fresh = rng.permutation(classes).tolist()
                queue = [c for c in fresh if c not in hide] + [c for c in fresh if c in hide]
            hide.append(queue.pop(0))
        hidden = np.isin(labels, hide)
        kept = _train_groups(labels[~hidden], ids[~hidden], n_groups, test_share, rng)
        train = kept[ids] & ~hidden
        trained = np.zeros(n_groups, dtype=np.bool_)
        trained[ids[train]] = True
        known_test = np.flatnonzero(~kept[ids] & ~hidden)
        hidden_test = np.flatnonzero(hidden & ~trained[ids])
        if len(known_test) == 0 or len(hidden_test) == 0:
            raise NotEnoughDataError("Too few groups to test known and hidden classes: add prompts or lower n_hide.")
        yield ClassesOut(tuple(sorted(hide)), np.flatnonzero(train), known_test, hidden_test)


def _train_groups(
    labels: IntArray, ids: IntArray, n_groups: int, test_share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which groups train, so that every class of `labels` keeps one at least."""
    present = np.zeros((n_groups, int(labels.max()) + 1), dtype=np.bool_)
    present[ids, labels] = True
    left = present.sum(axis=0)
    kept = np.ones(n_groups, dtype=np.bool_)
    candidates = rng.permutation(np.unique(ids))
    wanted = max(1, round(test_share * len(candidates)))
    for g in candidates:
        if wanted == 0:
            break
        if (left[present[g]] > 1).all():
            left -= present[g]
            kept[g] = False
            wanted -= 1
    return kept


def _at_least(ordered: FloatArray, s: FloatArray) -> FloatArray:
    """Return how many of the ordered numbers are at least s."""
    return (len(ordered) - np.searchsorted(ordered, s, side="left")).astype(np.float64)


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"coordinates have {a.shape[1]} and {b.shape[1]} dimensions: they must be of one space")
    shift = b.mean(axis=0)  # distances do not care, and rounding errors grow with the distance from the origin
    a, b = a - shift, b - shift
    squares = np.einsum("ij,ij->i", a, a)[:, None] - 2 * a @ b.T + np.einsum("ij,ij->i", b, b)
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def _vector(values: ArrayLike, name: str) -> FloatArray:
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1 or not np.isfinite(v).all():
        raise ValueError(f"{name} must be a vector of finite numbers, one per image")
    return v


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    m = np.asarray(values, dtype=np.float64)
    if m.ndim != 2 or not np.isfinite(m).all():
        raise ValueError(f"{name} must be a matrix of finite numbers, one row each; its shape is {m.shape}")
    return m
