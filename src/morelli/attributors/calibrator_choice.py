"""Which calibrator the data support: a temperature and a share of doubt, or a bias for each class besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from morelli.attributors._checks import check_groups, check_labels, check_logits
from morelli.attributors.calibration import LogitCalibrator, class_weights
from morelli.attributors.doubt import DoubtedBiases, DoubtedTemperature

__all__ = ["CalibratorChoice", "calibrator_from_dict", "choose_calibrator"]

Chosen = DoubtedTemperature | DoubtedBiases


@dataclass(frozen=True)
class CalibratorChoice:
    """Which calibrator was chosen, on what evidence.

    Attributes
    ----------
    calibrator : DoubtedTemperature or DoubtedBiases
        The chosen one, fitted on all the data.
    name : str
        Its name.
    reason : str
        One sentence for a reader.
    nll : dict of str to float
        Cross-validated mean negative log-likelihood (nats, held-out groups) by calibrator; empty if not validated.
    gain, standard_error : float or None
        Doubted temperature's NLL minus that with biases, and the standard error of that difference between groups.
    n_splits, n_groups, seed : int
        How it was cross-validated; ``n_splits`` is 0 if it was not.
    sharpening : float
        What the temperature was multiplied by after it was fitted, see :mod:`morelli.attributors.learning_curve`.
    """

    calibrator: Chosen
    name: str
    reason: str
    nll: dict[str, float]
    gain: float | None
    standard_error: float | None
    n_splits: int
    n_groups: int
    seed: int
    sharpening: float = 1.0

    def sharpened(self, factor: float) -> Self:
        """Return the choice with the temperature multiplied by `factor`."""
        return replace(self, calibrator=self.calibrator.sharpened(factor), sharpening=self.sharpening * factor)

    @cached_property
    def as_learned(self) -> Chosen:
        """The calibrator with the temperature that it was fitted with, before any sharpening."""
        return self.calibrator.sharpened(1 / self.sharpening)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "nll": dict(self.nll), "calibrator": self.calibrator.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`; ValueError if the state cannot be right."""
        new = cls(**{**state, "nll": dict(state["nll"]), "calibrator": calibrator_from_dict(state["calibrator"])})
        if not (np.isfinite(new.sharpening) and new.sharpening > 0):
            raise ValueError(f"the stored calibration is damaged: sharpening {new.sharpening}")
        return new


def choose_calibrator(
    logits: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    n_splits: int = 5,
    class_balanced: bool = True,
    ridge: float = 1.0,
    biases: bool = True,
) -> CalibratorChoice:
    """Choose between a temperature with doubt and one with class biases besides by grouped cross-validation.

    The biases are taken if they lower the held-out negative log-likelihood at all. They are held by a ridge, so that
    there is little to lose where the data cannot tell; on the gallery of the README they lowered the loss on new
    prompts in all folds, also where the gain that could be seen beforehand was within its standard error.

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
    biases : bool, default True
        Whether there may be biases; without them no calibrator changes which class is the most probable.

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
    simple = DoubtedTemperature(class_balanced=class_balanced)
    biased = DoubtedBiases(ridge=ridge, class_balanced=class_balanced)
    simple.fit(z, labels)  # also the check that there is enough to fit at all
    if n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, not {n_splits}")
    if not biases:
        return CalibratorChoice(simple, simple.name, f"{simple.name} only, as asked", {}, None, None, 0, n_groups, seed)
    folds = min(n_splits, n_groups)
    fold = np.empty(n_groups, dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(n_groups)] = np.arange(n_groups) % folds
    held_in = [fold[ids] != i for i in range(folds)]
    if folds < 2 or any(len(np.unique(labels[part])) < 2 for part in held_in):
        reason = f"{simple.name} only: too few groups to cross-validate class biases"
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
    chosen: Chosen = biased if gain > 0 else simple
    reason = (
        f"{chosen.name}: class biases change the held-out loss by {-gain:+.4f} nats "
        f"(standard error {error:.4f}, {n_groups} groups, {folds} folds)"
    )
    chosen.fit(z, labels)
    return CalibratorChoice(chosen, chosen.name, reason, nll, gain, error, folds, n_groups, seed)


def calibrator_from_dict(state: Mapping[str, Any]) -> Chosen:
    """Rebuild a calibrator from its `to_dict`; ValueError if its name is not known."""
    for cls in (DoubtedTemperature, DoubtedBiases):
        if state.get("name") == cls.name:
            return cls.from_dict(state)
    raise ValueError(f"unknown calibrator {state.get('name')!r}: this version of Morelli cannot read it")
