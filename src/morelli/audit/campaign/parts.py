"""A campaign divided by vendor, folder, month: which parts there are, and correction for testing them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["by_month", "holm"]

_DAY: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ].*)?")


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values corrected for their number: below a level, the chance of any false alarm is no more than it.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.

    Parameters
    ----------
    p_values : sequence of float, length m

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    return corrected


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
