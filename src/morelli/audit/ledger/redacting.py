"""Redaction: the content of an image's entries is removed, and the chain still verifies.

The chain covers commitments to contents, see `commitment_to`; an entry of the kind ``redaction`` says who removed what
and why. What stays is that there was a verdict for an image with this hash, when, by which bundle, and who decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from morelli._sqlite import PATIENCE
from morelli.audit.ledger._appending import Draft, append
from morelli.audit.ledger._database import writing
from morelli.audit.ledger._tables import CONTENTS, ENTRIES, NAMES
from morelli.audit.ledger.attachments import file_of
from morelli.audit.ledger.entry import ABOUT_IMAGES, stamp
from morelli.errors import LedgerError

__all__ = ["Redaction", "redact", "redact_subjects", "subjects_older_than", "wipe"]

WIPE_PATIENCE: Final = 5.0
"""Seconds to wait for readers to finish, so that the journal can be cut."""

_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was removed.

    Attributes
    ----------
    images : int
        Images whose content was removed.
    contents : int
        Entries that lost their content.
    files : int
        Attached files that were removed; one that another image has too stays.
    wiped : bool or None
        Whether the old bytes are out of the database's own files. A reader that is at work hinders that in SQLite;
        None where a server decides, as PostgreSQL does: see the guide.
    """

    images: int = 0
    contents: int = 0
    files: int = 0
    wiped: bool | None = False

    def plus(self, other: Redaction) -> Redaction:
        """Return both together."""
        return Redaction(self.images + other.images, self.contents + other.contents, self.files + other.files)


def redact(
    connection: sa.Connection, subject: str, *, actor: str, reason: str, files: Path | None, at: str
) -> Redaction:
    """Remove the content of one image's entries, in the transaction of the only writer.

    Raises
    ------
    LedgerError
        There is nothing to remove, or there are attachments and the folder that they lie in is not known.
    """
    theirs = sa.select(ENTRIES.c.content).where(ENTRIES.c.subject == subject, ENTRIES.c.kind.in_(ABOUT_IMAGES))
    inside = CONTENTS.c.commitment.in_(theirs)
    digests = set(connection.execute(sa.select(CONTENTS.c.file).where(inside, CONTENTS.c.file.is_not(None))).scalars())
    if digests and files is None:
        raise LedgerError("There are attached files to be removed; name the folder that they lie in with --files.")
    removed = connection.execute(CONTENTS.delete().where(inside)).rowcount
    if removed == 0:
        raise LedgerError(f"There is no content of the image {subject} in this ledger.")
    connection.execute(NAMES.delete().where(NAMES.c.subject == subject))
    unused = [digest for digest in sorted(digests) if not _is_used(connection, digest)]
    payload = {"reason": reason, "contents": removed, "files": len(unused)}
    append(connection, Draft("redaction", actor, payload, subject=subject), at)
    # Before COMMIT and not after it, when another writer might attach the same bytes again. If this process is killed
    # in between, the content is still recorded, verification misses the file, and the same command removes the rest.
    for digest in unused:
        assert files is not None
        file_of(files, digest).unlink(missing_ok=True)
    return Redaction(1, removed, len(unused))


def _is_used(connection: sa.Connection, digest: str) -> bool:
    return (
        connection.execute(sa.select(CONTENTS.c.commitment).where(CONTENTS.c.file == digest).limit(1)).first()
        is not None
    )


def subjects_older_than(connection: sa.Connection, cutoff: str, *, after: str = "", limit: int = _BATCH) -> list[str]:
    """Return images that have content and of which nothing was recorded since a moment, in the order of their ids."""
    query = (
        sa.select(ENTRIES.c.subject)
        .select_from(ENTRIES.join(CONTENTS, CONTENTS.c.commitment == ENTRIES.c.content))
        .where(ENTRIES.c.subject > after, ENTRIES.c.kind.in_(ABOUT_IMAGES))
        .group_by(ENTRIES.c.subject)
        .having(sa.func.max(ENTRIES.c.at) < cutoff)
        .order_by(ENTRIES.c.subject)
        .limit(limit)
    )
    return [str(subject) for subject in connection.execute(query).scalars()]


def redact_subjects(
    engine: sa.Engine,
    name: str,
    older_than: timedelta,
    *,
    actor: str,
    reason: str,
    files: Path | None,
    clock: Callable[[], datetime],
    progress: Callable[[int], None] | None = None,
) -> Redaction:
    """Redact all images of which nothing was recorded for so long, some hundred in a transaction."""
    total, after = Redaction(), ""
    cutoff = stamp(clock() - older_than)
    while True:
        with writing(engine, name) as connection:
            subjects = subjects_older_than(connection, cutoff, after=after)
            for subject in subjects:
                one = redact(connection, subject, actor=actor, reason=reason, files=files, at=stamp(clock()))
                total = total.plus(one)
        if not subjects:
            return replace(total, wiped=total.images == 0 or wipe(engine, name))
        after = subjects[-1]
        if progress is not None:
            progress(total.images)


def wipe(engine: sa.Engine, name: str) -> bool | None:
    """Get removed content out of SQLite's journal; say whether that was possible, None where a server decides.

    Pages of the file itself are overwritten when content is removed (``secure_delete``), but the journal still holds
    their former states until it is cut to nothing.
    """
    if engine.dialect.name != "sqlite":
        return None
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute(f"PRAGMA busy_timeout = {round(1000 * WIPE_PATIENCE)}")
        busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        raw.execute(f"PRAGMA busy_timeout = {round(1000 * PATIENCE)}")
    return not busy
