"""Scores of strangeness, from logits or from coordinates; all oriented so that **higher is stranger**."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, logsumexp, softmax

from morelli.attributors._checks import FloatArray, check_groups, check_logits
from morelli.errors import NotEnoughDataError

__all__ = [
    "cosine_similarity",
    "energy_score",
    "entropy_score",
    "knn_score",
    "mahalanobis_score",
    "max_logit_score",
    "max_probability_score",
    "new_class_score",
]


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


def cosine_similarity(coords: ArrayLike, means: ArrayLike) -> FloatArray:
    """Cosine between images (n, r) and class means (K, r), both from the origin; shape (n, K), 0 for a zero vector.

    In whitened coordinates around the mean of all classes it is a log-likelihood ratio without the lengths, which
    follow content and how far out a class lies; minus its largest value is a score of strangeness.
    """
    x, mu = _matrix(coords, "coords"), _matrix(means, "means")
    if x.shape[1] != mu.shape[1]:
        raise ValueError(f"coordinates have {x.shape[1]} and {mu.shape[1]} dimensions: they must be of one space")
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(mu, axis=1)
    cosine = np.divide(x @ mu.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.asarray(np.clip(cosine, -1.0, 1.0), dtype=np.float64)


def new_class_score(
    coords: ArrayLike, means: ArrayLike, variance: ArrayLike, between: ArrayLike, kin_share: float = 0.0
) -> FloatArray:
    r"""Log-likelihood ratio of a class never seen against the known classes, shape (n,).

    Images of class k are normal with mean ``means[k]`` and predictive variances ``variance``; class means are normal
    about the origin with variances ``between``, and images of an unknown class hence with variances ``1 + between``
    (Ioffe 2006, "Probabilistic linear discriminant analysis", section 3.2). Known classes are equally likely.

    Parameters
    ----------
    coords : array-like, shape (n, r)
        Coordinates in which the covariance within classes is the identity.
    means : array-like, shape (K, r)
    variance, between : array-like, shape (r,)
        `variance` positive, `between` not negative.
    kin_share : float, default 0.0
        Above 0, unknown classes are as often a relative of some known class: normal about its mean, with variances
        ``variance + kin_share * between``.
    """
    x, mu = _matrix(coords, "coords"), _matrix(means, "means")
    v, b = np.asarray(variance, dtype=np.float64), np.asarray(between, dtype=np.float64)
    if len(mu) == 0:
        raise NotEnoughDataError("The likelihood of known classes needs at least one.")
    if v.shape != (x.shape[1],) or b.shape != v.shape or not (v > 0).all() or not (b >= 0).all():
        raise ValueError(f"variance must be {x.shape[1]} positive numbers, and between as many that are not negative")
    if not (np.isfinite(kin_share) and kin_share >= 0):
        raise ValueError(f"kin_share must not be negative, not {kin_share}")

    def mixture(centres: FloatArray, variances: FloatArray) -> FloatArray:
        root = np.sqrt(variances)
        words = -0.5 * _squared_distances(x / root, centres / root) - np.log(root).sum()
        return np.asarray(logsumexp(words, axis=1) - np.log(len(centres)))

    new = mixture(np.zeros((1, x.shape[1])), 1 + b)
    if kin_share > 0:
        new = np.logaddexp(new, mixture(mu, v + kin_share * b)) - np.log(2)
    return np.asarray(new - mixture(mu, v), dtype=np.float64)


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


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"coordinates have {a.shape[1]} and {b.shape[1]} dimensions: they must be of one space")
    shift = b.mean(axis=0)  # distances do not care, and rounding errors grow with the distance from the origin
    a, b = a - shift, b - shift
    squares = np.einsum("ij,ij->i", a, a)[:, None] - 2 * a @ b.T + np.einsum("ij,ij->i", b, b)
    return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    m = np.asarray(values, dtype=np.float64)
    if m.ndim != 2 or not np.isfinite(m).all():
        raise ValueError(f"{name} must be a matrix of finite numbers, one row each; its shape is {m.shape}")
    return m
