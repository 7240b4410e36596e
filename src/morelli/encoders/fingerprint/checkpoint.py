"""The state of a training in a file: safetensors, written at once or not at all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.encoders import checkpoints

__all__ = ["State", "read_checkpoint", "write_checkpoint"]

Weights = dict[str, NDArray[np.float32]]

_FORMAT = "morelli-fingerprint-training/1"


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that the next step depends on, besides images, settings and seed.

    Attributes
    ----------
    step : int
        Steps done.
    weights, running : dict of str to ndarray of float32
        See `morelli.encoders.fingerprint.architecture.Architecture.start`.
    mean_weights, mean_running : dict of str to ndarray of float32
        Averages over the last steps: what is kept in the end.
    first_moments, second_moments : dict of str to ndarray of float32
        Of AdamW; empty before the first step.
    """

    step: int
    weights: Weights
    running: Weights
    mean_weights: Weights
    mean_running: Weights
    first_moments: Weights
    second_moments: Weights

    @classmethod
    def fresh(cls, weights: Weights, running: Weights) -> State:
        """Return the state before the first step."""
        return cls(0, weights, running, weights, running, {}, {})


_PARTS = tuple(each.name for each in fields(State) if each.name != "step")


def write_checkpoint(path: Path, state: State, signature: str) -> None:
    """Write a state; an interruption leaves the file that was there before.

    Parameters
    ----------
    path : Path
    state : State
    signature : str
        What the training is about: `read_checkpoint` wants the same.
    """
    facts = {"format": _FORMAT, "signature": signature, "step": str(state.step)}
    checkpoints.write_checkpoint(path, {part: getattr(state, part) for part in _PARTS}, facts)


def read_checkpoint(path: Path, signature: str) -> State | None:
    """Return the state in a file, or None where there is no file.

    Raises
    ------
    MorelliError
        It is no checkpoint, a damaged one, or one of another training.
    """
    read = checkpoints.read_checkpoint(path, _PARTS, format=_FORMAT, signature=signature, what="fingerprint")
    return None if read is None else State(int(read[1]["step"]), **read[0])
