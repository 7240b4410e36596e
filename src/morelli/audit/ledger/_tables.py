"""The tables of a ledger as they are now. How they came to be so is in `migrations`."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

__all__ = ["CONTENTS", "ENTRIES", "METADATA", "NAMES", "REVISION", "VERSION_TABLE"]

REVISION: Final = "0001"
"""The newest migration: a ledger of another revision is not opened."""

VERSION_TABLE: Final = "ledger_version"
"""Where Alembic notes the revision. Not its default name, which another application of the same database may use."""

METADATA: Final = sa.MetaData()

ENTRIES: Final = sa.Table(
    "ledger_entries",
    METADATA,
    # Numbers are given by us: a sequence of the database has gaps where transactions were rolled back.
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("bundle", sa.Text),
    sa.Column("about", sa.BigInteger),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""The chain. Rows are only ever added.

============  ==========================================================================================================
column        meaning
============  ==========================================================================================================
``seq``       1, 2, 3, ...
``at``        UTC, ISO 8601 with microseconds
``kind``      see `morelli.audit.ledger.KINDS`
``actor``     who, as they say
``subject``   the image: SHA-256 of its file, or ``file-`` and random digits where its bytes could not be read
``bundle``    id of the bundle that judged it; of verdicts only
``about``     the number of the verdict that a decision, attachment or note belongs to
``content``   commitment to the content, see `commitment_to`
``previous``  `hash` of the entry before
``hash``      over all of the above
============  ==========================================================================================================
"""

CONTENTS: Final = sa.Table(
    "ledger_contents",
    METADATA,
    sa.Column("commitment", sa.Text, primary_key=True),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    # What queries need of the entry and its payload. Verification compares them.
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("priority", sa.Integer),
    sa.Column("score", sa.Float),
    sa.Column("file", sa.Text),
)
"""What entries say. Rows are added, and removed by redaction.

``priority``, ``score`` and ``seq``, the entry's number, order the queue of reviewers (the first two of verdicts only);
one table has them all, so that an index gives the queue in its order. ``file`` is the SHA-256 of an attachment.
"""

NAMES: Final = sa.Table(
    "ledger_names",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
)
"""SHA-256 of the names of files without readable bytes, and the subject that stands for each; removed by redaction."""
