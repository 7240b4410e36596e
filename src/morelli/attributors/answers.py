"""What an attributor says of images, and what belongs to know about how it was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_ANSWER", "Answers", "Training"]

Float = NDArray[np.float64]

NO_ANSWER: Final[Mapping[str, str]] = {
    "unknown": "it was none of the candidates, or could not be told",
    "refused": "the model refused",
    "filtered": "a content filter stopped the question or the answer",
    "truncated": "the answer was cut off",
    "malformed": "the answer was not in the form that was asked for",
    "wrong-label": "the answer named what was no candidate",
    "rejected": "the endpoint did not take the question",
    "failed": "there was no answer after all attempts",
}
"""Why an attributor that is asked may name no candidate. None of these is ever turned into a guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What an attributor says of n images among K candidates.

    Attributes
    ----------
    proba : ndarray, shape (n, K)
        Calibrated probabilities among the candidates.
    undoubted : ndarray, shape (n, K)
        Their logarithms before the calibrator's share of doubt: what evidence adds up to, up to a constant for each
        image and, where the calibrator has any, a bias for each candidate. Of an image that is judged by several
        experts, a mixture of what they say with their doubts, so that there it does so only nearly.
    prediction_set : ndarray of bool, shape (n, K)
        Conformal set.
    open_set_p : ndarray, shape (n,)
        p-value of "made by one of the candidates".
    evidence : dict of str to ndarray, shape (n, K)
        Log-likelihood ratio (nats) of each candidate against the mean of all, as each family contributes it.
    family_proba : dict of str to ndarray, shape (n, K)
        What each family would say alone, with a temperature of its own.
    judged_as : ndarray of object, shape (n,), or None
        View of the references that each image was judged by, or ``unfamiliar``; None where all references
        were seen in one view.
    unanswered : ndarray of object, shape (n,), or None
        A word of `NO_ANSWER` where no candidate was named, else None: there, numbers are NaN and sets are empty. None
        where every image has an answer, as it has from everything that measures.
    """

    proba: Float
    undoubted: Float
    prediction_set: NDArray[np.bool_]
    open_set_p: Float
    evidence: dict[str, Float]
    family_proba: dict[str, Float]
    judged_as: NDArray[np.object_] | None = None
    unanswered: NDArray[np.object_] | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """Facts about a fit that belong beside every result.

    Attributes
    ----------
    n_images : dict of str to int
        References of each class.
    n_groups, n_folds : int
        Prompts (or other groups), and folds of the out-of-fold predictions.
    accuracy : float
        Of the out-of-fold predictions, before calibration.
    log_loss : float
        Of the calibrated out-of-fold predictions (nats), which the calibration was fitted to.
    leak_free : bool
        False where images of one prompt may have stood on both sides of a fold.
    notes : tuple of str
        Sentences for the reader of a result.
    """

    n_images: dict[str, int]
    n_groups: int
    n_folds: int
    accuracy: float
    log_loss: float
    leak_free: bool
    notes: tuple[str, ...]

    def leaking(self, note: str) -> Training:
        """Return these facts for a fit whose groups cannot keep prompts apart, for the reason that `note` gives."""
        return replace(self, leak_free=False, notes=(*self.notes, note))
