"""Any classifier as an attributor: its doubt measured out of fold, in the same frame as the default one's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from morelli.attributors._folding import check_classes, check_group_ids, deal_references
from morelli.attributors.answers import Answers, Training
from morelli.attributors.doubting import WHOLE, Doubting
from morelli.attributors.fused import MIN_IMAGES

__all__ = ["WHOLE", "OutOfFold"]

Float = NDArray[np.float64]

_LEAST_LOG = float(np.log(1e-12))
"""Log-probability of a class that an estimator calls impossible, unless it finds a possible one less likely still."""


class OutOfFold(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with calibrated probabilities, conformal sets and an open-set p-value.

    What says how sure an answer is comes from out-of-fold predictions, whose folds hold out whole groups, and by the
    same steps as in :class:`~morelli.attributors.FusedAttributor`: the calibrator is chosen on all of them; the
    conformal threshold and the open-set ranks are read off after each fold is calibrated by the others. The open set
    has one score, the highest probability: a classifier in general has no other.

    Parameters
    ----------
    estimator : scikit-learn classifier
        With ``predict_log_proba`` (exact where probabilities are 0 in floating point) or else ``predict_proba``. It is
        cloned, never fitted itself. One whose ``fit`` takes `groups` says so by the attribute ``fits_groups = True``.
    n_folds : int, default 5
        Most folds for the out-of-fold predictions; at least 2. The estimator is fitted once more than that.
    level : float, default 0.9
        Coverage that the conformal sets are made for.
    random_state : int, default 0
        Deals groups to folds. The estimator's own randomness is its own affair.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Candidates, sorted.
    estimator_ : scikit-learn classifier
        Fitted to all references.
    training_ : Training
    doubting_ : Doubting
        Calibration, conformal sets and the open set.
    weights_ : dict of str to float
        The one entry ``whole``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["ada", "bob", "cyd"], 20)
    >>> X = rng.normal(size=(60, 4)) + 4 * np.eye(3, 4)[np.repeat(range(3), 20)]
    >>> attributor = OutOfFold(LogisticRegression()).fit(X, y)
    >>> attributor.predict(X[[0, 20, 40]]).tolist()
    ['ada', 'bob', 'cyd']
    """

    def __init__(self, estimator: Any, *, n_folds: int = 5, level: float = 0.9, random_state: int = 0) -> None:
        self.estimator = estimator
        self.n_folds = n_folds
        self.level = level
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> OutOfFold:
        """Fit to references.

        Parameters
        ----------
        X : array-like, shape (n, d)
            Finite features.
        y : array-like, shape (n,)
            Candidate that made each image.
        groups : array-like, shape (n,), optional
            Images of one group (prompt, near-duplicates) are held out together. None: leakage cannot be excluded, and
            the training record says so.

        Raises
        ------
        NotEnoughDataError
            Fewer than two classes, or a class with fewer than three images.
        ValueError
            NaN or infinity in `X`, or shapes that do not fit.
        """
        values, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=1)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        check_classes(self.classes_, codes, MIN_IMAGES)
        own_groups = check_group_ids(groups, len(codes))
        fold, notes = deal_references(codes, own_groups, self.classes_, self.n_folds, self.random_state)

        logits = np.empty((len(codes), len(self.classes_)))
        for name in range(int(fold.max()) + 1):
            train, test = fold != name, fold == name
            logits[test] = self._logits(self._fitted(values[train], codes[train], own_groups, train), values[test])
        self.doubting_, log_proba = Doubting.learn(
            logits, codes, own_groups, fold, level=self.level, seed=self.random_state
        )
        self.training_ = Training(
            n_images={str(name): int(n) for name, n in zip(self.classes_, np.bincount(codes), strict=True)},
            n_groups=len(codes) if own_groups is None else int(own_groups.max()) + 1,
            n_folds=int(fold.max()) + 1,
            accuracy=float((log_proba.argmax(axis=1) == codes).mean()),
            log_loss=float(-log_proba[np.arange(len(codes)), codes].mean()),
            leak_free=not notes,
            notes=tuple(notes),
        )
        self.weights_ = {WHOLE: 1.0}
        self.estimator_ = self._fitted(values, codes, own_groups, np.ones(len(codes), dtype=np.bool_))
        return self

    @property
    def smallest_p(self) -> float:
        """The smallest open-set p-value that the number of references allows."""
        return self.doubting_.open_set.smallest

    def predict_log_proba(self, X: ArrayLike) -> Float:
        """Return the logarithms of the calibrated probabilities, shape (n, K)."""
        return self.doubting_.doubted(self._undoubted(X))

    def _undoubted(self, X: ArrayLike) -> Float:
        return self.doubting_.undoubted(self._judged(X))

    def _judged(self, X: ArrayLike) -> Float:
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._logits(self.estimator_, values)

    def predict_proba(self, X: ArrayLike) -> Float:
        """Return calibrated probabilities among the candidates, shape (n, K)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable candidate of each row, whatever the doubt; shape (n,)."""
        return np.asarray(self.classes_[self.predict_log_proba(X).argmax(axis=1)])

    def answer(self, X: ArrayLike) -> Answers:
        """Return probabilities, conformal sets, open-set p-values and the evidence of the whole, for (n, d)."""
        return self.doubting_.answer(self._judged(X))

    def without(self, answers: Answers, family: str) -> Float:
        """Return what remains without the evidence of `family`, shape (n, K): without the whole, 1 / K each."""
        left = log_softmax(answers.undoubted - answers.evidence[family], axis=1)
        return np.asarray(np.exp(self.doubting_.doubted(left)))

    def _fitted(
        self, X: NDArray[Any], codes: NDArray[np.integer], groups: NDArray[np.int64] | None, rows: NDArray[np.bool_]
    ) -> Any:
        estimator = clone(self.estimator)
        if groups is not None and getattr(estimator, "fits_groups", False):
            return estimator.fit(X, codes, groups=groups[rows])
        return estimator.fit(X, codes)

    def _logits(self, estimator: Any, X: NDArray[Any]) -> Float:
        """Return finite log-probabilities for all classes; one that a fold has not seen is as good as impossible."""
        if hasattr(estimator, "predict_log_proba"):
            known = np.asarray(estimator.predict_log_proba(X), dtype=np.float64)
        else:
            with np.errstate(divide="ignore"):
                known = np.log(np.asarray(estimator.predict_proba(X), dtype=np.float64))
        if np.isnan(known).any():
            raise ValueError(f"{type(estimator).__name__} gave probabilities that are NaN")
        floor = np.minimum(np.where(np.isfinite(known), known, np.inf).min(axis=1, keepdims=True), _LEAST_LOG)
        logits = np.repeat(floor, len(self.classes_), axis=1)
        logits[:, estimator.classes_] = np.maximum(known, floor)
        return logits
