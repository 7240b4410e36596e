"""What a classifier's held-out answers say of its doubt: calibration, conformal sets and the open set, together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli.attributors.answers import Answers
from morelli.attributors.calibrator_choice import CalibratorChoice, choose_calibrator
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.strangeness import max_probability_score

__all__ = ["WHOLE", "Doubting"]

Float = NDArray[np.float64]

WHOLE = "whole"
"""Name of the only family of an attributor that is not made of families."""


@dataclass(frozen=True, slots=True, eq=False)
class Doubting:
    """How sure a classifier without families may be of its answers.

    Attributes
    ----------
    calibration : CalibratorChoice
    conformal : SplitConformal
    open_set : OpenSetModel
        Of one score, the highest probability: a classifier in general has no other.
    """

    calibration: CalibratorChoice
    conformal: SplitConformal
    open_set: OpenSetModel

    @classmethod
    def learn(
        cls,
        logits: Float,
        codes: NDArray[np.integer],
        groups: NDArray[np.int64] | None,
        fold: NDArray[np.int64],
        *,
        level: float,
        seed: int,
        biases: bool = True,
    ) -> tuple[Self, Float]:
        """Learn from images that were judged by a classifier which had not seen them.

        The calibrator is chosen on all of them; the conformal threshold and the open-set ranks are read off after each
        fold is calibrated by the others, for thresholds must not come from what the calibration was fitted to.

        Parameters
        ----------
        logits : ndarray, shape (n, K)
            Finite log-probabilities.
        codes : ndarray of int, shape (n,)
        groups : ndarray of int64, shape (n,), or None
        fold : ndarray of int64, shape (n,)
            0 to F - 1, of whole groups.
        level : float
            Coverage of the conformal sets.
        seed : int
        biases : bool, default True
            As for `choose_calibrator`.

        Returns
        -------
        Doubting
        log_proba : ndarray, shape (n, K)
            Calibrated by the other folds.
        """
        with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
            calibration = choose_calibrator(logits, codes, groups, seed, biases=biases)
            log_proba = np.empty_like(logits)
            kind = type(calibration.calibrator)
            for name in range(int(fold.max()) + 1):
                rows, others = fold == name, fold != name
                log_proba[rows] = kind().fit(logits[others], codes[others]).transform(logits[rows])
        conformal = SplitConformal(level=level).fit(np.exp(log_proba), codes)
        return cls(calibration, conformal, OpenSetModel().fit(max_probability_score(log_proba))), log_proba

    def undoubted(self, logits: Float) -> Float:
        """Return calibrated log-probabilities before the share of doubt, shape (n, K)."""
        return self.calibration.calibrator.undoubted(logits)

    def doubted(self, undoubted: Float) -> Float:
        """Return calibrated log-probabilities, shape (n, K)."""
        return self.calibration.calibrator.doubted(undoubted)

    def answer(self, logits: Float) -> Answers:
        """Return probabilities, conformal sets, open-set p-values and the evidence of the whole."""
        undoubted = self.undoubted(logits)
        log_proba = self.doubted(undoubted)
        proba = np.exp(log_proba)
        return Answers(
            proba=proba,
            undoubted=undoubted,
            prediction_set=self.conformal.predict_set(proba),
            open_set_p=self.open_set.p_values(max_probability_score(log_proba)),
            evidence={WHOLE: undoubted - undoubted.mean(axis=1, keepdims=True)},
            family_proba={WHOLE: proba},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "calibration": self.calibration.to_dict(),
            "conformal": self.conformal.to_dict(),
            "open_set": self.open_set.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        return cls(
            CalibratorChoice.from_dict(state["calibration"]),
            SplitConformal.from_dict(state["conformal"]),
            OpenSetModel.from_dict(state["open_set"]),
        )
