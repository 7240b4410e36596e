"""An incident: a verdict for an image, and all that was recorded about it since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from morelli.audit.ledger.entry import Entry

__all__ = ["RULINGS", "STATUSES", "Attachment", "Decision", "Incident", "Note", "build_incident"]

RULINGS: Final = {
    "confirm": "confirms the answer",
    "relabel": "names another maker",
    "none": "none of the candidates",
}
"""What a reviewer can decide, and the words for it."""

STATUSES: Final = ("open", "decided", "disputed", "redacted")
"""Nobody decided; all who did agree; they do not; the content was removed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reviewer decided last about an image.

    Attributes
    ----------
    seq : int
    at, reviewer, ruling : str
    label : str or None
        The maker; None where it is none of the candidates.
    reason : str
    """

    seq: int
    at: str
    reviewer: str
    ruling: str
    label: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that was attached: its SHA-256 and length, the name it had, and a comment."""

    seq: int
    at: str
    actor: str
    file: str
    bytes: int
    name: str
    comment: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark."""

    seq: int
    at: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Incident:
    """A verdict and what was recorded about it.

    Attributes
    ----------
    seq : int
        Number of the verdict's entry: the incident's number.
    at, actor : str
        When it was added, and by whom.
    subject : str
        The image, see `Entry`.
    bundle : str
    verdict : dict or None
        None where it was redacted.
    folder : str or None
        The folder that a relative path of the image starts from.
    decisions : tuple of Decision
        The last of each reviewer, in the order in which they were made.
    attachments, notes : tuple
    """

    seq: int
    at: str
    actor: str
    subject: str
    bundle: str
    verdict: Mapping[str, Any] | None
    folder: str | None
    decisions: tuple[Decision, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        if self.verdict is None:
            return "redacted"
        if not self.decisions:
            return "open"
        return "decided" if len({decision.label for decision in self.decisions}) == 1 else "disputed"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        values = asdict(self)
        return {**values, "status": self.status}


def build_incident(verdict: Entry, others: Sequence[Entry]) -> Incident:
    """Put an incident together from the entry of a verdict and those about it, in the order of the chain."""
    decisions: dict[str, Decision] = {}
    attachments, notes = [], []
    for entry in others:
        said = entry.payload
        if said is None:
            continue
        if entry.kind == "decision":
            decisions.pop(entry.actor, None)  # the later one counts, and stands where it was made
            decisions[entry.actor] = Decision(
                entry.seq, entry.at, entry.actor, said["ruling"], said["label"], said["reason"]
            )
        elif entry.kind == "attachment":
            facts = (said["file"], said["bytes"], said["name"], said["comment"])
            attachments.append(Attachment(entry.seq, entry.at, entry.actor, *facts))
        elif entry.kind == "note":
            notes.append(Note(entry.seq, entry.at, entry.actor, said["text"]))
    payload = verdict.payload
    return Incident(
        seq=verdict.seq,
        at=verdict.at,
        actor=verdict.actor,
        subject=verdict.subject or "",
        bundle=verdict.bundle or "",
        verdict=None if payload is None else payload["verdict"],
        folder=None if payload is None else payload["folder"],
        decisions=tuple(decisions.values()),
        attachments=tuple(attachments),
        notes=tuple(notes),
    )
