"""What statements about sets ask of answers and rehearsals, whatever they go on to do with them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.rehearsal import Rehearsal
from morelli.errors import MorelliError

__all__ = ["LEAST_HIDDEN", "check_shape", "enough_hidden", "proba_among"]

Float = NDArray[np.float64]

LEAST_HIDDEN: Final = 30
"""Fewest images by hidden models from which it is learned what images by unknown models look like."""

_LEAST_PROBA = 1e-12


def check_shape(log_proba: Float, open_set_p: Float, k: int) -> None:
    """Raise MorelliError unless there are answers among `k` candidates, and a p-value for each."""
    if log_proba.ndim != 2 or log_proba.shape[1:] != (k,) or open_set_p.shape != log_proba.shape[:1]:
        raise MorelliError(
            f"Answers of shape {log_proba.shape} and p-values of shape {open_set_p.shape} do not fit {k} candidates."
        )


def proba_among(log_proba: Float, chosen: NDArray[np.integer]) -> Float:
    """Return probabilities among some of the candidates, shape (n, len(chosen)), none of them 0."""
    part = np.maximum(np.exp(log_proba)[:, chosen], _LEAST_PROBA)
    return np.asarray(part / part.sum(axis=1, keepdims=True))


def enough_hidden(rehearsal: Rehearsal) -> bool:
    """Say whether images of two models or more, and enough of them, had their models hidden."""
    return len(rehearsal.hidden_codes) >= LEAST_HIDDEN and len(np.unique(rehearsal.hidden_codes)) >= 2
