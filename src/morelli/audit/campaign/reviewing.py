"""Which verdicts of an audit a person should look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from morelli.attributors import Verdict
from morelli.audit.campaign.records import Records

__all__ = ["for_review"]

_UNSETTLED: Final = ("conflict", "unknown", "ambiguous", "unreadable")


def for_review(records: Records, claimed: Collection[str]) -> Iterator[Verdict]:
    """Yield the verdicts that need a person, in the order of the files: for a ledger, see `morelli.audit.ledger`.

    Those that settle nothing (conflict, unknown, ambiguous, unreadable), and those that name a candidate which is not
    claimed. An image that is there twice comes once.

    Parameters
    ----------
    records : Records
    claimed : collection of str
    """
    seen: set[str] = set()
    for _, verdict in records.verdicts():
        if verdict.decision not in _UNSETTLED and verdict.label in claimed:
            continue
        if verdict.image_id is not None:
            if verdict.image_id in seen:
                continue
            seen.add(verdict.image_id)
        yield verdict
