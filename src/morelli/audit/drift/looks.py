"""Looking again and again: how the false-alarm rate of a watch over a model is spent on its looks.

Whoever tests every month at 0.05 will find a change in a model that never changes. Look number k is tested at
``rate * 6 / (pi^2 k^2)``; these add up to the rate over however many looks there will be, and by Boole's inequality the
chance of ever raising a false alarm is below it, whatever images the looks have in common. Group-sequential boundaries
(Lan & DeMets 1983) spend it more cleverly where it is known beforehand how many looks there will be; here it is not.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from morelli._files import write_text
from morelli.errors import MorelliError

__all__ = ["Look", "add_look", "level_of_look", "read_looks", "write_looks"]

SCHEMA_VERSION: Final = 1
_KIND: Final = "morelli drift history"
_MAX_BYTES: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a model.

    Attributes
    ----------
    key : str
        Tells what was looked at and how; the same look is not counted twice.
    reference, new : int
        Images compared.
    p, level : float
    changed : bool
    """

    key: str
    reference: int
    new: int
    p: float
    level: float
    changed: bool


def level_of_look(number: int, rate: float = 0.05) -> float:
    """Return the level of a look, counted from 1.

    Raises
    ------
    MorelliError
        The number is not positive, or the rate is not between 0 and 1.
    """
    if number < 1 or not 0 < rate < 1:
        raise MorelliError(f"Look {number} at a false-alarm rate of {rate:g} is none: looks count from 1.")
    return rate * 6 / (math.pi**2 * number**2)


def read_looks(path: str | os.PathLike[str], rate: float) -> list[Look]:
    """Return the looks that a file holds; none where there is no file yet.

    Raises
    ------
    MorelliError
        The file is no history, is damaged, or was kept for another rate, which cannot be changed on the way.
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != _KIND or document["schema_version"] != SCHEMA_VERSION:
            raise ValueError("it is something else")
        kept = float(document["rate"])
        looks = [_look(entry, number, kept) for number, entry in enumerate(document["looks"], 1)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MorelliError(
            f"{path}: no history of looks, or a damaged one ({type(error).__name__}: {error})."
        ) from error
    if kept != rate:
        raise MorelliError(
            f"{path}: kept for a false-alarm rate of {kept:g}, and not {rate:g}; a rate that changes on the way holds "
            "no longer. Start another history."
        )
    return looks


def add_look(looks: Sequence[Look], look: Look) -> list[Look]:
    """Return the looks with another one; one with the same key keeps its place and takes the new result."""
    others = [look if one.key == look.key else one for one in looks]
    return others if look in others else [*others, look]


def write_looks(path: str | os.PathLike[str], looks: Sequence[Look], rate: float) -> None:
    """Write a history atomically."""
    document = {
        "kind": _KIND,
        "schema_version": SCHEMA_VERSION,
        "rate": rate,
        "looks": [asdict(look) for look in looks],
    }
    write_text(Path(path), json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _look(entry: Mapping[str, Any], number: int, rate: float) -> Look:
    if set(entry) != {one.name for one in fields(Look)}:
        raise ValueError("a look has other entries")
    look = Look(
        str(entry["key"]), int(entry["reference"]), int(entry["new"]), float(entry["p"]), float(entry["level"]),
        bool(entry["changed"]),
    )  # fmt: skip
    if not 0 <= look.p <= 1 or not math.isclose(look.level, level_of_look(number, rate), rel_tol=1e-9):
        raise ValueError(f"look {number} has a p-value or a level that it cannot have")
    return look
