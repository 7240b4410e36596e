"""The registry of forensic families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Planes

__all__ = ["Family", "get_family", "list_families", "register_family"]

Measure = Callable[[Planes], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of trace measured from pixels.

    Attributes
    ----------
    name : str
        As written in evidence and on the command line.
    version : int
        Raised whenever the numbers change; part of the recipe of every cached feature.
    summary : str
        One sentence for people.
    measure : callable
        ``Planes -> float32 array of shape (regions, features)``; features do not depend on the size of the image.
    """

    name: str
    version: int
    summary: str
    measure: Measure


_FAMILIES: dict[str, Family] = {}


def register_family(name: str, *, version: int, summary: str) -> Callable[[Measure], Measure]:
    """Register the decorated function as a family; a second family of the same name is an error."""

    def decorate(measure: Measure) -> Measure:
        if name in _FAMILIES:
            raise ValueError(f"a family named {name!r} is already registered")
        _FAMILIES[name] = Family(name, version, summary, measure)
        return measure

    return decorate


def list_families() -> list[Family]:
    """Return all registered families in the order of their registration."""
    return list(_FAMILIES.values())


def get_family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    KeyError
        With the known names in the message.
    """
    try:
        return _FAMILIES[name]
    except KeyError:
        raise KeyError(f"no family is called {name!r}; there are: {', '.join(_FAMILIES)}") from None
