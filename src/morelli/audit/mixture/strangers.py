"""The share of images by models that are no candidates.

An image by an unknown model looks much like one by its nearest candidate, and expectation-maximisation takes it for
that. What gives such images away is how unsure answers are, and the open-set p-value; but weakly, and differently for
each unknown model. So the share comes from the mean of a score over the set, held against its mean over references and
over images whose models were hidden in the rehearsal: the adjusted count for two classes (Forman 2008), with the
references' mean taken for the mixture of candidates that the set seems to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from morelli.attributors.rehearsal import Rehearsal
from morelli.audit._answers import enough_hidden

__all__ = ["StrangerScale", "strangeness_features"]

Float = NDArray[np.float64]

HIDDEN_SOURCES = 3
"""Models that the unknown images of a simulated set are by: a campaign has few sources."""


def strangeness_features(log_proba: ArrayLike, open_set_p: ArrayLike) -> Float:
    """Return what the score is made of: logarithm of the p-value, of the highest probability, and the entropy.

    Parameters
    ----------
    log_proba : array-like, shape (n, K)
        NaN for candidates that were hidden.
    open_set_p : array-like, shape (n,)
        Above 0.

    Returns
    -------
    ndarray, shape (n, 3)
    """
    words = np.asarray(log_proba, dtype=np.float64)
    entropy = -np.nansum(np.exp(words) * np.maximum(words, -700), axis=1)
    top = np.maximum(np.nanmax(words, axis=1), -5.0)
    return np.column_stack([np.log(np.asarray(open_set_p, dtype=np.float64)), top, entropy])


@dataclass(frozen=True, slots=True, eq=False)
class StrangerScale:
    """A score for single images, and its means over known and hidden models.

    Attributes
    ----------
    score : LogisticRegression
    known : ndarray, shape (K,)
        Mean score of each candidate's references, shrunk to the mean of all as far as they are few.
    hidden : ndarray, shape (H,)
        Mean score of each hidden model's images.
    known_values, known_codes : ndarray, shape (n,)
        Scores and candidates of the references, for the bootstrap.
    """

    score: LogisticRegression
    known: Float
    hidden: Float
    known_values: Float
    known_codes: NDArray[np.int64]

    @classmethod
    @lru_cache(maxsize=8)  # every part of a campaign is held against the same references
    def fit(cls, rehearsal: Rehearsal) -> StrangerScale | None:
        """Learn from a rehearsal; None where too few images had their models hidden."""
        if not enough_hidden(rehearsal):
            return None
        own = strangeness_features(rehearsal.log_proba, rehearsal.open_set_p)
        hidden = strangeness_features(rehearsal.hidden_log_proba, rehearsal.hidden_open_set_p)
        score = LogisticRegression(class_weight="balanced", C=10.0).fit(
            np.vstack([own, hidden]), np.repeat([0, 1], [len(own), len(hidden)])
        )
        values = score.predict_proba(own)[:, 1]
        strange = score.predict_proba(hidden)[:, 1]
        sums = np.bincount(rehearsal.hidden_codes, strange, minlength=rehearsal.n_classes)
        counts = np.bincount(rehearsal.hidden_codes, minlength=rehearsal.n_classes)
        return cls(
            score,
            _shrunken_means(values, rehearsal.codes, rehearsal.n_classes),
            sums[counts > 0] / counts[counts > 0],
            values,
            rehearsal.codes,
        )

    def __call__(self, log_proba: ArrayLike, open_set_p: ArrayLike) -> Float:
        """Return the scores of images, shape (n,), in (0, 1)."""
        return np.asarray(self.score.predict_proba(strangeness_features(log_proba, open_set_p))[:, 1])

    def share(self, mean_score: ArrayLike, shares: ArrayLike) -> Float:
        """Return the share of unknown images in sets.

        Parameters
        ----------
        mean_score : array-like, shape (...)
        shares : array-like, shape (..., K)
            What the sets seem to be mixed of, were all images by candidates.

        Returns
        -------
        ndarray, shape (...)
            From 0 to 1.
        """
        return _share(np.asarray(mean_score), np.asarray(shares) @ self.known, self.hidden.mean())

    def resampled_share(self, mean_scores: Float, shares: Float, rng: np.random.Generator) -> Float:
        """Return :meth:`share` for B resampled sets, with references and hidden models resampled too.

        Parameters
        ----------
        mean_scores : ndarray, shape (B,)
        shares : ndarray, shape (B, K)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (B,)
        """
        k = len(self.known)
        result = np.empty(len(mean_scores))
        for b, (mean, mixed) in enumerate(zip(mean_scores, shares, strict=True)):
            rows = rng.integers(len(self.known_values), size=len(self.known_values))
            known = _shrunken_means(self.known_values[rows], self.known_codes[rows], k)
            hidden = self.hidden[rng.integers(len(self.hidden), size=HIDDEN_SOURCES)].mean()
            result[b] = _share(mean, mixed @ known, hidden)
        return result


def _share(mean: NDArray[np.floating], base: NDArray[np.floating], strange: np.floating) -> Float:
    """Return where a mean lies between the known and the hidden; all or nothing where the two cannot be told apart."""
    gap = np.asarray(strange - base, dtype=np.float64)
    above = np.asarray(mean - base, dtype=np.float64)
    safe = np.where(gap > 1e-9, gap, 1.0)
    return np.asarray(np.where(gap > 1e-9, np.clip(above / safe, 0.0, 1.0), (above > 0).astype(np.float64)))


def _shrunken_means(values: Float, codes: NDArray[np.integer], k: int) -> Float:
    """Return class means, each moved to the mean of all as far as its images are few (empirical Bayes)."""
    counts = np.bincount(codes, minlength=k)
    overall = values.mean()
    means = np.where(counts > 0, np.bincount(codes, values, minlength=k) / np.maximum(counts, 1), overall)
    within = float(np.mean((values - means[codes]) ** 2))
    seen = counts > 0
    between = max(float(np.var(means[seen]) - within * np.mean(1 / counts[seen])), 0.0)
    trust = between / (between + within / np.maximum(counts, 1)) if between > 0 else np.zeros(k)
    return np.asarray(overall + trust * (means - overall))
