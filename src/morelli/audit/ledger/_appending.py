"""Adding entries to the chain, inside the transaction of the only writer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from morelli.audit.ledger._content import NOTHING, canonical_json, commitment_to, link_hash, new_salt
from morelli.audit.ledger._tables import CONTENTS, ENTRIES
from morelli.audit.ledger.entry import Entry, Head
from morelli.errors import LedgerError

__all__ = ["Draft", "append", "append_all", "entry_of", "head_of"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to be recorded; `priority`, `score` and `file` are what queries need of the payload."""

    kind: str
    actor: str
    payload: Mapping[str, Any]
    subject: str | None = None
    bundle: str | None = None
    about: int | None = None
    priority: int | None = None
    score: float | None = None
    file: str | None = None


def head_of(connection: sa.Connection) -> Head:
    """Return the last entry's number and hash; 0 and zeros where there is none."""
    row = connection.execute(sa.select(ENTRIES.c.seq, ENTRIES.c.hash).order_by(ENTRIES.c.seq.desc()).limit(1)).first()
    return Head(0, NOTHING) if row is None else Head(row.seq, row.hash)


def append(connection: sa.Connection, draft: Draft, at: str) -> Entry:
    """Add one entry, see `append_all`."""
    return append_all(connection, [draft], lambda: at)[0]


def append_all(connection: sa.Connection, drafts: Sequence[Draft], clock: Callable[[], str]) -> list[Entry]:
    """Add entries, one behind the other.

    The connection has to be that of `writing`: between the head and its successor nobody may come.

    Raises
    ------
    LedgerError
        A payload is no JSON, or too long.
    """
    if not drafts:
        return []
    head = head_of(connection)
    contents, rows, entries = [], [], []
    for draft in drafts:
        payload, salt = canonical_json(draft.payload), new_salt()
        fields: dict[str, str | int | None] = {
            "seq": head.seq + 1,
            "at": clock(),
            "kind": draft.kind,
            "actor": draft.actor,
            "subject": draft.subject,
            "bundle": draft.bundle,
            "about": draft.about,
            "content": commitment_to(salt, payload),
            "previous": head.hash,
        }
        head = Head(head.seq + 1, link_hash(fields))
        rows.append({**fields, "hash": head.hash})
        contents.append(
            {
                "commitment": fields["content"],
                "salt": salt,
                "payload": payload,
                "seq": head.seq,
                "priority": draft.priority,
                "score": draft.score,
                "file": draft.file,
            }
        )
        entries.append(entry_of(rows[-1], payload))
    connection.execute(CONTENTS.insert(), contents)
    connection.execute(ENTRIES.insert(), rows)
    return entries


def entry_of(row: Mapping[Any, Any], payload: str | None) -> Entry:
    """Return an entry from its columns and the text of its content, which is intact.

    Raises
    ------
    LedgerError
        The content is nested more deeply than it can be read.
    """
    try:
        values = None if payload is None else json.loads(payload)
    except RecursionError as error:
        raise LedgerError(f"The content of entry {row['seq']} is nested too deeply to be read.") from error
    return Entry(
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        subject=row["subject"],
        bundle=row["bundle"],
        about=row["about"],
        content=row["content"],
        previous=row["previous"],
        hash=row["hash"],
        payload=values,
    )
