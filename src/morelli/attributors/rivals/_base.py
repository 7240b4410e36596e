"""What the rivals share: the manners of a scikit-learn classifier that thinks in logarithms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from morelli.attributors._folding import check_classes

__all__ = ["Blocks", "Float", "Rival", "class_means", "unit_rows"]

Float = NDArray[np.float64]
Blocks = Mapping[str, slice]


class Rival(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that only has to say how to fit, and how likely each class is up to a constant."""

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Rival:
        """Fit to references.

        Parameters
        ----------
        X : array-like, shape (n, d)
            Finite features.
        y : array-like, shape (n,)
        groups : array-like, shape (n,), optional
            Images of one group are held out together, by those that hold any out.

        Raises
        ------
        NotEnoughDataError
            One class only.
        ValueError
            NaN or infinity in `X`, or shapes that do not fit.
        """
        values, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=1)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        check_classes(self.classes_, codes, 1)
        self._learn(values, codes, groups)
        return self

    def predict_log_proba(self, X: ArrayLike) -> Float:
        """Return the logarithms of the probabilities, shape (n, K); exact also where the probability is 0."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(log_softmax(self._logits(values), axis=1), dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> Float:
        """Return probabilities, shape (n, K). They are not calibrated: that is what `OutOfFold` is for."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row, shape (n,)."""
        return np.asarray(self.classes_[self.predict_log_proba(X).argmax(axis=1)])

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        raise NotImplementedError

    def _logits(self, X: NDArray[Any]) -> Float:
        raise NotImplementedError


def class_means(X: NDArray[Any], codes: NDArray[np.integer], n_classes: int) -> Float:
    """Return the mean row of each class, shape (K, d), float64."""
    means = np.zeros((n_classes, X.shape[1]))
    for k in range(n_classes):
        means[k] = X[codes == k].mean(axis=0, dtype=np.float64)
    return means


def unit_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Return rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(X / np.where(length > 0, length, 1.0))
