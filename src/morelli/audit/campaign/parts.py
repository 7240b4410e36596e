"""A campaign divided by vendor, folder, month: which parts there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["by_month"]

_DAY: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ].*)?")


def by_month(codes: NDArray[np.int32], names: Sequence[str]) -> tuple[NDArray[np.int32], list[str]]:
    """Join the days of a month where all parts are dates, and leave other parts as they are.

    Parameters
    ----------
    codes : ndarray of int32, shape (n,)
        Numbers of `names`.
    names : sequence of str
        Empty where nothing is said.

    Returns
    -------
    ndarray of int32, shape (n,)
        Numbers of the names that are returned.
    list of str
        ``YYYY-MM`` where all given names are ISO dates, with or without a time; else `names`.
    """
    matches = [_DAY.fullmatch(name) for name in names]
    if not any(names) or any(name and match is None for name, match in zip(names, matches, strict=True)):
        return codes, list(names)
    months = [f"{match[1]}-{match[2]}" if match else "" for match in matches]
    distinct = list(dict.fromkeys(months))
    own = np.array([distinct.index(month) for month in months], dtype=np.int32)
    return own[codes], distinct
