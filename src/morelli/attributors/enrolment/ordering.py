"""Candidates of a fitted attributor in another order: whoever reads a bundle finds them sorted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.calibrator_choice import CalibratorChoice
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.discriminant import Discriminant
from morelli.attributors.fused import FusedAttributor
from morelli.attributors.rehearsal import Rehearsal
from morelli.attributors.rejection import Rejector

__all__ = ["class_order", "reordered"]

Ints = NDArray[np.int64]


def class_order(classes: NDArray[Any]) -> Ints:
    """Return the places of the candidates in sorted order."""
    return np.argsort(classes, kind="stable").astype(np.int64)


def reordered(attributor: FusedAttributor, order: Ints) -> FusedAttributor:
    """Put the candidates of an attributor into another order, in place; return it.

    Parameters
    ----------
    attributor : FusedAttributor
    order : ndarray of int, shape (K,)
        Where each candidate stands now, in the order that is wanted.
    """
    attributor.classes_ = attributor.classes_[order]
    attributor.discriminants_ = {
        name: _discriminant(discriminant, order) for name, discriminant in attributor.discriminants_.items()
    }
    attributor.calibration_ = _calibration(attributor.calibration_, order)
    attributor.conformal_ = conformal_reordered(attributor.conformal_, order)
    attributor.rejector_ = _rejector(attributor.rejector_, order)
    attributor.rehearsal_ = _rehearsal(attributor.rehearsal_, order)
    images = attributor.training_.n_images
    attributor.training_ = replace(
        attributor.training_, n_images={str(name): images[str(name)] for name in attributor.classes_}
    )
    return attributor


def conformal_reordered(conformal: SplitConformal, order: Ints) -> SplitConformal:
    """Return the same sets for candidates in another order."""
    state = conformal.to_dict()
    back = np.argsort(order)
    state["thresholds"] = [state["thresholds"][place] for place in order]
    state["fallback_classes"] = sorted(int(back[place]) for place in state["fallback_classes"])
    return SplitConformal.from_dict(state)


def _discriminant(discriminant: Discriminant, order: Ints) -> Discriminant:
    return replace(discriminant, means=np.ascontiguousarray(discriminant.means[order]))


def _calibration(choice: CalibratorChoice, order: Ints) -> CalibratorChoice:
    state = choice.calibrator.to_dict()
    state["bias"] = [state["bias"][place] for place in order]
    return replace(choice, calibrator=type(choice.calibrator).from_dict(state))


def _rejector(rejector: Rejector, order: Ints) -> Rejector:
    frame, back = rejector.frame, np.argsort(order)
    if frame.profile is None:
        return rejector
    columns = frame.columns
    if columns is None and not np.array_equal(order, np.arange(len(order))):
        columns = np.arange(len(order))
    # The columns of a profile keep their order, which is that of its features; only their names change.
    columns = None if columns is None else back[columns]
    return replace(rejector, frame=replace(frame, profile=_discriminant(frame.profile, order), columns=columns))


def _rehearsal(rehearsal: Rehearsal, order: Ints) -> Rehearsal:
    back = np.argsort(order)
    return replace(
        rehearsal,
        log_proba=rehearsal.log_proba[:, order],
        codes=back[rehearsal.codes],
        hidden_log_proba=rehearsal.hidden_log_proba[:, order],
        hidden_codes=back[rehearsal.hidden_codes],
    )
