"""Reading a ledger page by page: never more than a page is in memory, and no transaction stays open between pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from morelli.audit.ledger._appending import entry_of
from morelli.audit.ledger._content import is_intact
from morelli.audit.ledger._database import reading
from morelli.audit.ledger._tables import CONTENTS, ENTRIES
from morelli.audit.ledger.entry import Entry
from morelli.audit.ledger.incident import Incident, build_incident
from morelli.errors import LedgerError

__all__ = [
    "PAGE",
    "entries",
    "incidents",
    "incidents_of",
    "is_decided",
    "next_in_queue",
    "paged",
    "subject_with",
    "verdict_with",
]

PAGE: Final = 100
"""Entries that are read at once; their contents are at most 1 MiB each, and some 3 KiB mostly."""

_START: Final = re.compile(r"(?:file-)?[0-9a-f]{6,64}")
Condition = sa.ColumnElement[bool]
T = TypeVar("T")
_WITH_CONTENT: Final = ENTRIES.outerjoin(CONTENTS, CONTENTS.c.commitment == ENTRIES.c.content)
_DECISIONS: Final = ENTRIES.alias("decisions")
_OTHERS: Final = ("decision", "attachment", "note")


def _select(*conditions: Condition) -> sa.Select[Any]:
    return sa.select(ENTRIES, CONTENTS.c.payload, CONTENTS.c.salt).select_from(_WITH_CONTENT).where(*conditions)


def _entry(row: Any) -> Entry:
    """Return an entry, as it was written: what is shown and decided about is never what somebody made of it since."""
    if row.payload is not None and not is_intact(row.content, row.salt, row.payload):
        raise LedgerError(f"The content of entry {row.seq} was damaged or changed; `morelli ledger verify` says more.")
    return entry_of(row._mapping, row.payload)


def entries(engine: sa.Engine, name: str, *, after: int = 0, where: Iterable[Condition] = ()) -> Iterator[Entry]:
    """Yield entries in the order of the chain."""

    def made(_: sa.Connection, rows: Sequence[Any]) -> list[Entry]:
        return [_entry(row) for row in rows]

    yield from paged(engine, name, _select(*where), made, after=after)


def paged(
    engine: sa.Engine,
    name: str,
    query: sa.Select[Any],
    made: Callable[[sa.Connection, Sequence[Any]], Iterable[T]],
    *,
    after: int = 0,
    size: int = PAGE,
) -> Iterator[T]:
    """Yield what is made of rows in the order of the chain, a page at a time, so that nobody is kept from writing.

    Parameters
    ----------
    engine, name
    query : Select
        Of `ENTRIES`, with the column ``seq``.
    made : callable
        Is given a connection that sees what the page was read from, and the rows of the page.
    after : int
        Number of the entry that the first page begins behind.
    size : int
        Rows of a page.
    """
    query = query.order_by(ENTRIES.c.seq).limit(size)
    while True:
        with reading(engine, name) as connection:
            rows = connection.execute(query.where(ENTRIES.c.seq > after)).all()
            page = list(made(connection, rows))
        if not rows:
            return
        yield from page
        after = rows[-1].seq


def incidents(engine: sa.Engine, name: str, *, after: int = 0, where: Iterable[Condition] = ()) -> Iterator[Incident]:
    """Yield incidents in the order in which their verdicts were added."""

    def made(connection: sa.Connection, rows: Sequence[Any]) -> list[Incident]:
        return incidents_of(connection, [_entry(row) for row in rows])

    yield from paged(engine, name, _select(*where, ENTRIES.c.kind == "verdict"), made, after=after)


def incidents_of(connection: sa.Connection, verdicts: list[Entry]) -> list[Incident]:
    """Return what was recorded about some verdicts."""
    about: dict[int, list[Entry]] = {verdict.seq: [] for verdict in verdicts}
    query = _select(ENTRIES.c.about.in_(list(about)), ENTRIES.c.kind.in_(_OTHERS)).order_by(ENTRIES.c.seq)
    for row in connection.execute(query) if about else ():
        entry = _entry(row)
        about[entry.about or 0].append(entry)
    return [build_incident(verdict, about[verdict.seq]) for verdict in verdicts]


def verdict_with(connection: sa.Connection, seq: int) -> Entry | None:
    """Return the entry of the verdict with this number."""
    row = connection.execute(_select(ENTRIES.c.kind == "verdict", ENTRIES.c.seq == seq)).first()
    return None if row is None else _entry(row)


def is_decided() -> sa.Exists:
    """Return the condition that a verdict has a decision."""
    return sa.exists().where(_DECISIONS.c.about == ENTRIES.c.seq, _DECISIONS.c.kind == "decision")


def subject_with(connection: sa.Connection, image: str, name: str) -> str:
    """Return the id of the image that begins so.

    Raises
    ------
    LedgerError
        There is none, or there are several; or fewer than six digits are given.
    """
    if not _START.fullmatch(image):
        raise LedgerError("Name an image by its SHA-256, or by at least six of its first digits (0-9, a-f).")
    # Not LIKE: a range of the index, the same in all databases. "g" follows all hexadecimal digits.
    query = (
        sa.select(ENTRIES.c.subject)
        .where(ENTRIES.c.kind == "verdict", ENTRIES.c.subject >= image, ENTRIES.c.subject < f"{image}g")
        .distinct()
        .order_by(ENTRIES.c.subject)
        .limit(2)
    )
    found = connection.execute(query).scalars().all()
    if len(found) > 1:
        raise LedgerError(f"Several images in {name} begin with {image}; give more digits.")
    if not found:
        raise LedgerError(f"There is no verdict for an image {image} in {name}.")
    return str(found[0])


def next_in_queue(
    connection: sa.Connection,
    reviewer: str,
    *,
    second: bool,
    below: float,
    lowest: int,
    after: tuple[int, float, int] | None,
) -> tuple[tuple[int, float, int], Incident] | None:
    """Return the next incident for a reviewer, and its place in the queue; None at its end.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    reviewer : str
    second : bool
        Look for incidents that others have decided and this reviewer has not, instead of those that nobody has.
    below : float
        Of the incidents with the priority `lowest`, those with a smaller score.
    lowest : int
        The last priority in the queue.
    after : tuple, optional
        The place of the incident before.
    """
    place = (CONTENTS.c.priority, CONTENTS.c.score, CONTENTS.c.seq)
    query = sa.select(*place).order_by(*place).limit(1)
    query = query.where(CONTENTS.c.priority <= lowest, sa.or_(CONTENTS.c.priority < lowest, CONTENTS.c.score < below))
    if after is not None:
        query = query.where(sa.tuple_(*place) > sa.tuple_(*after))
    if second:
        # There are far fewer decisions than verdicts: begin with them.
        others = sa.select(_DECISIONS.c.about).where(_DECISIONS.c.kind == "decision", _DECISIONS.c.actor != reviewer)
        query = query.where(CONTENTS.c.seq.in_(others), ~_has_decision(_DECISIONS.c.actor == reviewer))
    else:
        query = query.where(~_has_decision())
    row = connection.execute(query).first()
    if row is None:
        return None
    entry = verdict_with(connection, row.seq)
    if entry is None:
        raise LedgerError(f"The queue names entry {row.seq}, which is no verdict; `morelli ledger verify` says more.")
    return (row.priority, row.score, row.seq), incidents_of(connection, [entry])[0]


def _has_decision(*conditions: Condition) -> sa.Exists:
    return sa.exists().where(_DECISIONS.c.about == CONTENTS.c.seq, _DECISIONS.c.kind == "decision", *conditions)
