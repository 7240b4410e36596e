"""What an entry of a ledger is, and what it may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from morelli.errors import LedgerError

__all__ = ["ABOUT_IMAGES", "KINDS", "Entry", "Head", "check_actor", "check_subject", "stamp"]

KINDS: Final = ("opened", "verdict", "decision", "attachment", "note", "redaction", "export")
"""What an entry can be. ``opened`` is the first of every ledger and holds its random name."""

ABOUT_IMAGES: Final = ("verdict", "decision", "attachment", "note")
"""Kinds whose content a redaction removes."""

_IMAGE: Final = re.compile(r"[0-9a-f]{64}|file-[0-9a-f]{16}")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a ledger: whoever keeps it elsewhere can show later that nothing before it was changed.

    Attributes
    ----------
    seq : int
    hash : str
    """

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what ``morelli ledger head`` printed; a bare hash has the number 0, for "anywhere".

        Raises
        ------
        LedgerError
            It is neither.
        """
        found = re.fullmatch(r"(?:([0-9]{1,18}):)?([0-9a-f]{64})", text.strip())
        if found is None:
            raise LedgerError(
                "A head is a number, a colon and 64 hexadecimal digits, as `morelli ledger head` prints it."
            )
        return cls(int(found[1] or 0), found[2])


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes
    ----------
    seq : int
        1, 2, 3, ...
    at : str
        UTC, such as ``2026-03-01T09:30:00.000000Z``.
    kind : str
        One of `KINDS`.
    actor : str
        Who, as they said.
    subject : str or None
        The image: SHA-256 of its file, or ``file-`` and random digits where its bytes could not be read.
    bundle : str or None
        Id of the bundle that judged it; of verdicts only.
    about : int or None
        Number of the verdict that this belongs to.
    content : str
        Commitment to the payload.
    previous, hash : str
        Hash of the entry before, and of this one.
    payload : dict or None
        What it says; None where that was redacted.
    """

    seq: int
    at: str
    kind: str
    actor: str
    subject: str | None
    bundle: str | None
    about: int | None
    content: str
    previous: str
    hash: str
    payload: Mapping[str, Any] | None

    @property
    def redacted(self) -> bool:
        """Whether its content is gone."""
        return self.payload is None


def stamp(moment: datetime) -> str:
    """Return a moment as it is recorded: UTC, microseconds, always of the same length, so that text sorts as time.

    Raises
    ------
    LedgerError
        It has no time zone.
    """
    if moment.tzinfo is None:
        raise LedgerError("A ledger's clock has to name its time zone: use datetime.now(UTC).")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_actor(name: str) -> str:
    """Return who acts, spaces around it aside.

    Raises
    ------
    LedgerError
        The name is empty, has more than 200 characters, or characters that cannot be printed.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise LedgerError("A name of a person or program has 1 to 200 characters, all of them printable.")
    return name


def check_subject(subject: str) -> str:
    """Return an image's id as it stands in a ledger.

    Raises
    ------
    LedgerError
        It is none.
    """
    if not _IMAGE.fullmatch(subject):
        raise LedgerError("An image is named by the SHA-256 of its file: 64 hexadecimal digits (0-9, a-f).")
    return subject
