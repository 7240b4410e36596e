"""Which calibrator the data support: one temperature, or a bias for each class besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from morelli.attributors._checks import check_groups, check_labels, check_logits
from morelli.attributors.calibration import (
    BiasCorrectedTemperature,
    LogitCalibrator,
    TemperatureCalibrator,
    calibrator_from_dict,
    class_weights,
)

__all__ = ["CalibratorChoice", "choose_calibrator"]


@dataclass(frozen=True)
class CalibratorChoice:
    """Which calibrator was chosen, on what evidence.

    Attributes
    ----------
    calibrator : TemperatureCalibrator or BiasCorrectedTemperature
        The chosen one, fitted on all the data.
    name : str
        Its name.
    reason : str
        One sentence for a reader.
    nll : dict of str to float
        Cross-validated mean negative log-likelihood (nats, held-out groups) by calibrator; empty if not validated.
    gain, standard_error : float or None
        Temperature's NLL minus bias-corrected's, and the standard error of that difference between groups.
    n_splits, n_groups, seed : int
        How it was cross-validated; ``n_splits`` is 0 if it was not.
    """

    calibrator: TemperatureCalibrator | BiasCorrectedTemperature
    name: str
    reason: str
    nll: dict[str, float]
    gain: float | None
    standard_error: float | None
    n_splits: int
    n_groups: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {**self.__dict__, "nll": dict(self.nll), "calibrator": self.calibrator.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        return cls(**{**state, "nll": dict(state["nll"]), "calibrator": calibrator_from_dict(state["calibrator"])})


def choose_calibrator(
    logits: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    n_splits: int = 5,
    class_balanced: bool = True,
    ridge: float = 1.0,
) -> CalibratorChoice:
    """Choose between one temperature and temperature with class biases by grouped cross-validation.

    The biases are taken only if they lower the held-out negative log-likelihood by more than one standard error of
    the paired difference between groups (the one-standard-error rule: Breiman et al. 1984, section 3.4.3), because
    the simpler model is the better guess when the data cannot tell.

    Parameters
    ----------
    logits : array-like, shape (n, K)
        Out-of-fold logits.
    y : array-like of int, shape (n,)
    groups : array-like, shape (n,), optional
        Images of one group (prompt) are held out together. None: every image is its own group.
    seed : int, default 0
        Deals the groups to folds.
    n_splits : int, default 5
        Folds, at most one per group.
    class_balanced, ridge
        As in the calibrators; class weights apply to the held-out score too.

    Returns
    -------
    CalibratorChoice

    Raises
    ------
    NotEnoughDataError, ValueError
        As `TemperatureCalibrator.fit`.
    """
    z = check_logits(logits)
    labels = check_labels(y, z.shape[1], len(z))
    ids, n_groups = check_groups(groups, len(z))
    simple = TemperatureCalibrator(class_balanced=class_balanced)
    biased = BiasCorrectedTemperature(ridge=ridge, class_balanced=class_balanced)
    simple.fit(z, labels)  # also the check that there is enough to fit at all
    if n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, not {n_splits}")
    folds = min(n_splits, n_groups)
    fold = np.empty(n_groups, dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(n_groups)] = np.arange(n_groups) % folds
    held_in = [fold[ids] != i for i in range(folds)]
    if folds < 2 or any(len(np.unique(labels[part])) < 2 for part in held_in):
        reason = "temperature only: too few groups to cross-validate class biases"
        return CalibratorChoice(simple, simple.name, reason, {}, None, None, 0, n_groups, seed)

    models: tuple[LogitCalibrator, ...] = (simple, biased)
    losses = np.empty((2, len(z)))
    for part in held_in:
        for row, model in enumerate(models):
            log_p = model.fit(z[part], labels[part]).transform(z[~part])
            losses[row, ~part] = -np.take_along_axis(log_p, labels[~part, None], axis=1)[:, 0]
    weights, _ = class_weights(labels, z.shape[1], None, class_balanced)
    nll = {model.name: float(weights @ row) for model, row in zip(models, losses, strict=True)}
    difference = losses[0] - losses[1]
    gain = float(weights @ difference)
    between = np.bincount(ids, weights * (difference - gain), minlength=n_groups)
    error = float(np.sqrt(n_groups / (n_groups - 1) * np.sum(between**2)))
    chosen: TemperatureCalibrator | BiasCorrectedTemperature = biased if gain > error else simple
    reason = (
        f"{chosen.name}: class biases change the held-out loss by {-gain:+.4f} nats "
        f"(standard error {error:.4f}, {n_groups} groups, {folds} folds)"
    )
    chosen.fit(z, labels)
    return CalibratorChoice(chosen, chosen.name, reason, nll, gain, error, folds, n_groups, seed)
