"""When a question is sent again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["RetryPolicy", "retry_after"]

_FARTHEST: Final = 3600.0
"""Seconds: no service is waited for longer, whatever it says."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter (Brooker 2015, "Exponential backoff and jitter", AWS architecture blog).

    Parameters
    ----------
    attempts : int
        How often a question is sent at most.
    patience : float
        Seconds of waiting in all.
    base : float
        Seconds that the wait after the first attempt is at most.
    longest : float
        Seconds that any wait is at most, unless the service asks for more.
    """

    attempts: int = 6
    patience: float = 300.0
    base: float = 1.0
    longest: float = 60.0

    def wait(self, attempt: int, waited: float, asked: float | None, rng: random.Random) -> float | None:
        """Return how long to wait before the next attempt, or None where there shall be none.

        Parameters
        ----------
        attempt : int
            Attempts made so far, from 1.
        waited : float
            Seconds waited so far.
        asked : float or None
            Seconds that the service asks for, which are kept to the full.
        rng : random.Random
            Decides the jitter.
        """
        if attempt >= self.attempts:
            return None
        jitter = rng.uniform(0.0, min(self.longest, self.base * 2.0 ** (attempt - 1)))
        seconds = jitter if asked is None else asked + min(jitter, 1.0)
        return None if waited + seconds > self.patience else seconds


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a service asks to be left alone for, or None where it asks for nothing.

    Reads ``Retry-After-Ms``, and ``Retry-After`` as seconds or as a date (RFC 9110, 10.2.3). What makes no sense is no
    request.

    Examples
    --------
    >>> retry_after({"retry-after": "7"})
    7.0
    >>> retry_after({"retry-after": "soon"}) is None
    True
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(found[name]) * scale
        except (KeyError, ValueError):
            continue
        if 0.0 <= seconds < float("inf"):
            return min(seconds, _FARTHEST)
    try:
        moment = parsedate_to_datetime(found["retry-after"])
    except (KeyError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), _FARTHEST)
