"""How strongly one image speaks against one candidate: a likelihood ratio learned from references.

That a candidate has a low probability is no contradiction yet: some candidates are taken for their relatives half of
the time. So the score of an image against a candidate also asks whether what it was taken for is what that candidate's
references are taken for. Its weights are learned on out-of-fold answers, each reference once under its own name and
once under every other: what it says is the logarithm of how much likelier an answer is for another's image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from morelli.attributors.rehearsal import Rehearsal

__all__ = ["SuspicionScale"]

Float = NDArray[np.float64]

_PRIOR_IMAGES = 1.0
"""Images whose worth an even confusion is, beside those that were seen."""

_EDGE = 1e-6
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class SuspicionScale:
    """A fitted score.

    Attributes
    ----------
    responses : ndarray, shape (K, K)
        Mean answer for each candidate's references, each row divided by its largest entry.
    mean, scale, weight : ndarray, shape (5,)
        Of the features, and of the discriminant on them.
    intercept : float
    codes, groups : ndarray of int, shape (n,)
        Candidates and prompts of the references.
    others : ndarray, shape (n, K)
        Scores of the references against every candidate; against their own with themselves left out of `responses`.
    """

    responses: Float
    mean: Float
    scale: Float
    weight: Float
    intercept: float
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    others: Float

    @classmethod
    @lru_cache(maxsize=8)  # every part of a campaign is held against the same references
    def fit(cls, rehearsal: Rehearsal) -> SuspicionScale:
        """Learn from out-of-fold answers.

        Parameters
        ----------
        rehearsal : Rehearsal
        """
        proba, codes, k = np.exp(rehearsal.log_proba), rehearsal.codes, rehearsal.n_classes
        n = len(codes)
        total = np.zeros((k, k))
        np.add.at(total, codes, proba)
        counts = np.bincount(codes, minlength=k).astype(np.float64)[:, None]
        responses = _relative((total + _PRIOR_IMAGES / k) / (counts + _PRIOR_IMAGES))
        features = _features(proba, rehearsal.open_set_p, responses)
        # A reference that is part of what it is compared with would look too familiar.
        left = (total[codes] - proba + _PRIOR_IMAGES / k) / (counts[codes] - 1 + _PRIOR_IMAGES)
        features[np.arange(n), codes, 1] = _log_odds((proba * _relative(left)).sum(axis=1))
        mine = np.zeros((n, k), dtype=np.bool_)
        mine[np.arange(n), codes] = True
        rows = np.concatenate([features[mine], features[~mine]])
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        target = np.repeat([0, 1], [n, n * (k - 1)])
        fitted = LogisticRegression(class_weight="balanced").fit((rows - mean) / scale, target)
        weight, intercept = fitted.coef_[0], float(fitted.intercept_[0])
        others = _scored(features, mean, scale, weight, intercept)
        return cls(responses, mean, scale, weight, intercept, codes, rehearsal.groups, others)

    @property
    def own(self) -> Float:
        """Scores of the references against their own candidates, shape (n,)."""
        return np.asarray(self.others[np.arange(len(self.codes)), self.codes])

    def __call__(self, log_proba: ArrayLike, open_set_p: ArrayLike) -> Float:
        """Return the scores of images against every candidate.

        Parameters
        ----------
        log_proba : array-like, shape (n, K)
        open_set_p : array-like, shape (n,)

        Returns
        -------
        ndarray, shape (n, K)
            Log-likelihood ratios (nats): above 0 speaks for somebody else.
        """
        words, p = np.asarray(log_proba), np.asarray(open_set_p, dtype=np.float64)
        scores = np.empty(words.shape)
        for start in range(0, len(words), _ROWS_AT_ONCE):  # features need many times the room of scores
            rows = slice(start, start + _ROWS_AT_ONCE)
            proba = np.exp(words[rows].astype(np.float64))
            features = _features(proba, p[rows], self.responses)
            scores[rows] = _scored(features, self.mean, self.scale, self.weight, self.intercept)
        return scores


def _scored(features: Float, mean: Float, scale: Float, weight: Float, intercept: float) -> Float:
    return np.asarray(((features - mean) / scale) @ weight + intercept)


def _features(proba: Float, open_set_p: Float, responses: Float) -> Float:
    """Return five features of every image and candidate, shape (n, K, 5).

    Log-odds; log-odds of the candidate and what it is taken for; logarithms of the rank, of the ratio to the first, and
    of the open-set p-value.
    """
    rank = np.argsort(np.argsort(-proba, axis=1, kind="stable"), axis=1, kind="stable")
    ratio = np.maximum(proba, 1e-9) / np.maximum(proba.max(axis=1, keepdims=True), 1e-9)
    novelty = np.broadcast_to(np.log(open_set_p)[:, None], proba.shape)
    return np.stack(
        [
            _log_odds(np.maximum(proba, 1e-9), 1e-9),
            _log_odds(proba @ responses.T),
            np.log1p(rank),
            np.log(ratio),
            novelty,
        ],
        axis=-1,
    )


def _relative(responses: Float) -> Float:
    return np.asarray(responses / responses.max(axis=-1, keepdims=True))


def _log_odds(share: Float, edge: float = _EDGE) -> Float:
    inside = np.clip(share, edge, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))
