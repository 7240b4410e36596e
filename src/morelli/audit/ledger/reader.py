"""The side of a ledger that only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from morelli.audit.ledger import _reading
from morelli.audit.ledger._appending import head_of
from morelli.audit.ledger._database import reading
from morelli.audit.ledger._tables import CONTENTS, ENTRIES
from morelli.audit.ledger.agreement import Agreement, agreement_of
from morelli.audit.ledger.entry import Entry, Head, check_actor
from morelli.audit.ledger.incident import STATUSES, Incident
from morelli.audit.ledger.verifying import Verification, verify
from morelli.audit.verdicts import PRIORITY
from morelli.errors import LedgerError

__all__ = ["LedgerReader", "Queued"]


@dataclass(frozen=True, slots=True)
class Queued:
    """An incident in the queue, and its place, from which the queue goes on."""

    place: tuple[int, float, int]
    incident: Incident


class LedgerReader:
    """What can be asked of a ledger. `Ledger`, which also adds to it, is what people open.

    All that may be long is read page by page: memory does not grow with the ledger.
    """

    def __init__(self, engine: sa.Engine, name: str, files: Path | None, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self.name = name
        self.files = files

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """Its random name, from its first entry; empty where that was removed."""
        first = next(self.entries(), None)
        return str(first.payload.get("ledger", "")) if first is not None and first.payload is not None else ""

    def head(self) -> Head:
        """Return the number and hash of the last entry."""
        with reading(self._engine, self.name) as connection:
            return head_of(connection)

    def entries(self, *, after: int = 0, kind: str | None = None, subject: str | None = None) -> Iterator[Entry]:
        """Yield entries in the order of the chain, a page in memory.

        Parameters
        ----------
        after : int
            Begin behind this number.
        kind : str, optional
            Only entries of this kind.
        subject : str, optional
            Only entries about this image.
        """
        where = []
        if kind is not None:
            where.append(ENTRIES.c.kind == kind)
        if subject is not None:
            where.append(ENTRIES.c.subject == subject)
        return _reading.entries(self._engine, self.name, after=after, where=where)

    def incidents(
        self,
        *,
        decision: str | None = None,
        status: str | None = None,
        subject: str | None = None,
        decided: bool = False,
    ) -> Iterator[Incident]:
        """Yield incidents in the order in which they were added, a page in memory.

        Parameters
        ----------
        decision : str, optional
            Only those that the machine decided so, one of `PRIORITY`.
        status : str, optional
            One of `STATUSES`.
        subject : str, optional
            Only those about this image.
        decided : bool, default False
            Only those that somebody has decided.

        Raises
        ------
        LedgerError
            There is no such decision or status.
        """
        if decision is not None and decision not in PRIORITY:
            raise LedgerError(f"A verdict's decision is one of {', '.join(PRIORITY)}, not {decision!r}.")
        if status is not None and status not in STATUSES:
            raise LedgerError(f"A status is one of {', '.join(STATUSES)}, not {status!r}.")
        where = []
        if decision is not None:
            where.append(CONTENTS.c.priority == PRIORITY[decision])
        if subject is not None:
            where.append(ENTRIES.c.subject == subject)
        if decided or status in ("decided", "disputed"):
            where.append(_reading.is_decided())
        elif status == "open":
            where.append(~_reading.is_decided())
        found = _reading.incidents(self._engine, self.name, where=where)
        return (incident for incident in found if status in (None, incident.status))

    def incident(self, seq: int) -> Incident:
        """Return one incident.

        Raises
        ------
        LedgerError
            There is none with this number.
        """
        with reading(self._engine, self.name) as connection:
            entry = _reading.verdict_with(connection, seq)
            if entry is None:
                raise LedgerError(f"There is no incident {seq} in {self.name}; `morelli ledger list` names them.")
            return _reading.incidents_of(connection, [entry])[0]

    def find(self, image: str) -> list[Incident]:
        """Return the incidents of an image, named by its SHA-256 or at least six of its first digits.

        Raises
        ------
        LedgerError
            There is no such image, or several begin so.
        """
        subject = self.subject(image)
        return list(self.incidents(subject=subject))

    def subject(self, image: str) -> str:
        """Return the whole id of an image. Raises as `find` does."""
        with reading(self._engine, self.name) as connection:
            return _reading.subject_with(connection, image, self.name)

    def next_for_review(
        self, reviewer: str, *, second: bool = False, below: float = 0.9, after: Queued | None = None
    ) -> Queued | None:
        """Return the next incident for a reviewer; None at the end of the queue.

        First conflicts, then unknown, ambiguous and unreadable images, then attributed ones, least probable first.

        Parameters
        ----------
        reviewer : str
        second : bool, default False
            Of the incidents that others have decided, and this reviewer has not; else of those that nobody has.
        below : float, default 0.9
            Attributed images with a smaller probability; from 1 on, all.
        after : Queued, optional
            The one before, decided or passed over.
        """
        with reading(self._engine, self.name) as connection:
            found = _reading.next_in_queue(
                connection,
                check_actor(reviewer),
                second=second,
                below=below if below < 1.0 else 2.0,
                lowest=max(PRIORITY.values()),
                after=None if after is None else after.place,
            )
        return None if found is None else Queued(*found)

    def verify(self, *, head: Head | str | None = None, attachments: bool = False) -> Verification:
        """Walk the whole chain and say what does not hold.

        Parameters
        ----------
        head : Head or str, optional
            One that was kept elsewhere. Without it, nothing tells whether entries at the end were removed, or the
            whole chain was written anew.
        attachments : bool, default False
            Hash all attached files too.

        Raises
        ------
        LedgerError
            The head is none, or attachments shall be looked at and no folder for files is known.
        """
        kept = Head.parse(head) if isinstance(head, str) else head
        if attachments and self.files is None:
            raise LedgerError("Say where attached files are kept: --files on the command line, files= in Python.")
        return verify(self._engine, self.name, kept=kept, files=self.files if attachments else None)

    def agreement(self, *, n_boot: int = 2000, seed: int = 0) -> Agreement:
        """Return how far reviewers agree, see `agreement_of`."""
        return agreement_of(self.incidents(decided=True), n_boot=n_boot, seed=seed)
