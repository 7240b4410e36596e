"""Verification: whether the chain holds, and where it breaks first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from morelli.audit.ledger._content import NOTHING, is_intact, link_hash
from morelli.audit.ledger._database import reading
from morelli.audit.ledger._tables import CONTENTS, ENTRIES
from morelli.audit.ledger.attachments import check_files
from morelli.audit.ledger.entry import ABOUT_IMAGES, KINDS, Head
from morelli.audit.verdicts import place_in_queue

__all__ = ["Problem", "Verification", "verify"]

_PAGE: Final = 100
_SHOWN: Final = 20
_LINKED: Final = ("seq", "at", "kind", "actor", "subject", "bundle", "about", "content", "previous")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold.

    Attributes
    ----------
    seq : int or None
        The entry; None where it is about none in particular.
    kind : str
        ``edited``, ``missing``, ``moved``, ``forked``, ``broken``, ``content-edited``, ``content-missing``,
        ``content-left`` (redacted, yet there), ``index``, ``stray``, ``truncated``, ``rewritten`` or ``file``.
    detail : str
        One sentence.
    """

    seq: int | None
    kind: str
    detail: str


@dataclass(slots=True)
class Verification:
    """The result of `verify`.

    Attributes
    ----------
    entries : int
        Entries that were looked at.
    redacted : int
        Entries whose content was removed by a redaction that the chain records.
    files : int
        Attachments whose files were looked at.
    head : Head
        The last entry.
    problems : list of Problem
        The first twenty, in the order of the chain.
    n_problems : int
        All.
    """

    entries: int = 0
    redacted: int = 0
    files: int = 0
    head: Head = field(default_factory=lambda: Head(0, NOTHING))
    problems: list[Problem] = field(default_factory=list)
    n_problems: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.n_problems == 0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "redacted": self.redacted,
            "files": self.files,
            "head": str(self.head),
            "n_problems": self.n_problems,
            "problems": [{"seq": one.seq, "kind": one.kind, "detail": one.detail} for one in self.problems],
        }

    def add(self, seq: int | None, kind: str, detail: str) -> None:
        """Note a problem."""
        self.n_problems += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(Problem(seq, kind, detail))


def verify(engine: sa.Engine, name: str, *, kept: Head | None, files: Path | None) -> Verification:
    """Walk the chain from its first entry to its last.

    Everything is computed from what is stored: the hash of every entry over its fields and the hash before; the
    commitment of every content; that content is missing only where a later redaction of that image is in the chain.
    Memory does not grow with the number of entries.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
    kept : Head or None
        A head that was kept elsewhere. Without one, nothing tells a chain from one that was cut off at its end, or
        written anew as a whole.
    files : pathlib.Path or None
        Folder of attachments, to hash all files too.
    """
    found = Verification()
    reached = kept is None
    for row in _rows(engine, name):
        _check_place(engine, name, row, found)
        _check_content(row, found)
        found.entries += 1
        found.head = Head(row.seq, row.hash)
        reached = reached or (kept is not None and row.hash == kept.hash and kept.seq in (0, row.seq))
        if kept is not None and row.seq == kept.seq and row.hash != kept.hash:
            found.add(row.seq, "rewritten", f"Entry {row.seq} is not the one whose hash you kept: {kept.hash}.")
            reached = True
    if found.entries == 0:
        found.add(None, "truncated", "There is no entry at all; every ledger begins with one.")
    if not reached and kept is not None:
        what = f"entry {kept.seq}" if kept.seq else "an entry with the hash"
        found.add(
            None, "truncated", f"The chain ends at entry {found.head.seq} and does not hold {what} that you kept."
        )
    _check_strays(engine, name, found)
    if files is not None:
        for seq, problem in check_files(engine, name, files):
            found.files += 1
            if problem is not None:
                found.add(seq, "file", problem)
    return found


def _rows(engine: sa.Engine, name: str) -> Iterator[Any]:
    """Yield entries with their contents, and whether a later redaction covers them.

    Pages begin after a number and a hash: where somebody has made the table anew, a number may occur twice.
    """
    later = ENTRIES.alias()
    covered = sa.exists().where(
        later.c.subject == ENTRIES.c.subject,
        later.c.kind == "redaction",
        later.c.seq > ENTRIES.c.seq,
        ENTRIES.c.kind.in_(ABOUT_IMAGES),
    )
    content = [column for column in CONTENTS.c if column.name != "seq"]
    base = sa.select(ENTRIES, *content, CONTENTS.c.seq.label("its_seq"), covered.label("covered")).select_from(
        ENTRIES.outerjoin(CONTENTS, CONTENTS.c.commitment == ENTRIES.c.content)
    )
    seq, digest = -(1 << 62), ""
    while True:
        query = (
            base.where(ENTRIES.c.seq >= seq, sa.or_(ENTRIES.c.seq > seq, ENTRIES.c.hash > digest))
            .order_by(ENTRIES.c.seq, ENTRIES.c.hash)
            .limit(_PAGE)
        )
        with reading(engine, name) as connection:
            page = connection.execute(query).all()
        if not page:
            return
        yield from page
        seq, digest = page[-1].seq, page[-1].hash


def _check_place(engine: sa.Engine, name: str, row: Any, found: Verification) -> None:
    """Check an entry's number, its own hash, and that it follows the entry before it."""
    before, number = found.head, row.seq
    fields = {column: getattr(row, column) for column in _LINKED}
    intact = link_hash(fields) == row.hash
    if number == before.seq and found.entries:
        found.add(number, "forked", f"There are two entries with the number {number}.")
        return
    if number != before.seq + 1:
        first, last = before.seq + 1, number - 1
        which = f"Entry {first} is" if first == last else f"Entries {first} to {last} are"
        found.add(first, "missing", f"{which} missing, before entry {number}.")
    if intact and (row.previous == before.hash or number != before.seq + 1):
        if row.kind not in KINDS or (number == 1) != (row.kind == "opened"):
            found.add(number, "broken", f"Entry {number} cannot be of the kind {row.kind!r}.")
        return
    if not intact:
        place = _position_of(engine, name, row.previous) + 1
        if place != number and link_hash({**fields, "seq": place}) == row.hash:
            found.add(number, "moved", f"Entry {number} stood at {place} when it was written.")
        else:
            found.add(number, "edited", f"Entry {number} was changed after it was written: its hash does not match.")
        return
    place = _position_of(engine, name, row.previous)
    if 0 < place < number:
        found.add(number, "forked", f"Entry {number} follows entry {place}, and so does entry {place + 1}.")
    else:
        found.add(number, "broken", f"Entry {number} does not follow entry {before.seq}: it names another hash.")


def _position_of(engine: sa.Engine, name: str, digest: str) -> int:
    """Return the number of the entry with a hash; 0 for the hash before the first, -1 where there is none."""
    if digest == NOTHING:
        return 0
    with reading(engine, name) as connection:
        seq = connection.execute(sa.select(ENTRIES.c.seq).where(ENTRIES.c.hash == digest).limit(1)).scalar()
    return -1 if seq is None else int(seq)


def _check_content(row: Any, found: Verification) -> None:
    """Check that an entry's content is what the chain says, or was redacted."""
    if row.payload is None:
        if row.covered:
            found.redacted += 1
        else:
            found.add(row.seq, "content-missing", f"The content of entry {row.seq} is gone, and no redaction says so.")
        return
    if not is_intact(row.content, row.salt, row.payload):
        found.add(row.seq, "content-edited", f"The content of entry {row.seq} was changed after it was written.")
    elif row.covered:
        found.add(row.seq, "content-left", f"The content of entry {row.seq} was redacted, and is there nevertheless.")
    elif row.its_seq != row.seq or (row.priority, row.score, row.file) != _indexed(row.kind, row.payload):
        found.add(row.seq, "index", f"What queries use of entry {row.seq} does not match its content.")


def _indexed(kind: str, payload: str) -> tuple[int | None, float | None, str | None] | None:
    """Return what has to stand beside a payload for queries; None where the payload is not what its kind needs."""
    try:
        values = json.loads(payload)
        if kind == "verdict":
            return *place_in_queue(values["verdict"]), None
        return None, None, values["file"] if kind == "attachment" else None
    except (ValueError, KeyError, TypeError):
        return None


def _check_strays(engine: sa.Engine, name: str, found: Verification) -> None:
    query = sa.select(sa.func.count()).select_from(
        CONTENTS.outerjoin(ENTRIES, ENTRIES.c.content == CONTENTS.c.commitment)
    )
    with reading(engine, name) as connection:
        strays = connection.execute(query.where(ENTRIES.c.seq.is_(None))).scalar_one()
    if strays:
        found.add(None, "stray", f"{strays} contents belong to no entry: their entries were removed.")
