"""The state of a training in a file: safetensors, written at once or not at all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli.errors import MorelliError

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
    from safetensors.numpy import save

    arrays = {
        f"{part}/{name}": np.ascontiguousarray(array) for part in _PARTS for name, array in getattr(state, part).items()
    }
    data = save(arrays, metadata={"format": _FORMAT, "signature": signature, "step": str(state.step)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_checkpoint(path: Path, signature: str) -> State | None:
    """Return the state in a file, or None where there is no file.

    Raises
    ------
    MorelliError
        It is no checkpoint, a damaged one, or one of another training.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    parts: dict[str, Weights] = {part: {} for part in _PARTS}
    try:
        with safe_open(path, framework="numpy") as file:
            known = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118  (it is no mapping)
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
        step = int(known["step"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MorelliError(
            f"{path} is no checkpoint of a fingerprint training, or a damaged one; delete it."
        ) from error
    if known.get("format") != _FORMAT or known.get("signature") != signature:
        raise MorelliError(
            f"{path} is the checkpoint of a training with other images, settings or seed. Name another file, or delete "
            "it to begin anew."
        )
    return State(step, **parts)
