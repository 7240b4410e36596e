"""The state of a training in a file: named groups of arrays as safetensors, written at once or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli.errors import MorelliError

__all__ = ["Arrays", "read_checkpoint", "write_checkpoint"]

Arrays = dict[str, NDArray[Any]]


def write_checkpoint(path: Path, parts: Mapping[str, Arrays], facts: Mapping[str, str]) -> None:
    """Write groups of arrays; an interruption leaves the file that was there before.

    Parameters
    ----------
    path : Path
    parts : mapping of str to dict of str to ndarray
        Groups by name, which holds no slash.
    facts : mapping of str to str
        What the file says about itself; ``format`` and ``signature`` belong to it.
    """
    from safetensors.numpy import save

    arrays = {
        f"{part}/{name}": np.ascontiguousarray(array) for part, group in parts.items() for name, array in group.items()
    }
    data = save(arrays, metadata=dict(facts))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_checkpoint(
    path: Path, names: Sequence[str], *, format: str, signature: str, what: str
) -> tuple[dict[str, Arrays], dict[str, str]] | None:
    """Return the groups of arrays and the facts in a file, or None where there is no file.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Groups that there may be; one without arrays is empty.
    format, signature : str
        What the file has to say of itself.
    what : str
        Kind of training, for messages.

    Raises
    ------
    MorelliError
        It is no checkpoint, a damaged one, or one of another training.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    parts: dict[str, Arrays] = {name: {} for name in names}
    try:
        with safe_open(path, framework="numpy") as file:
            known = dict(file.metadata() or {})
            for key in file.keys():  # noqa: SIM118  (it is no mapping)
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
        int(known["step"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MorelliError(f"{path} is no checkpoint of a {what} training, or a damaged one; delete it.") from error
    if known.get("format") != format or known.get("signature") != signature:
        raise MorelliError(
            f"{path} is the checkpoint of a training with other images, settings or seed. Name another file, or delete "
            "it to begin anew."
        )
    return parts, known
