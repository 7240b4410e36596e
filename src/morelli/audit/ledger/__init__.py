"""The ledger: verdicts and what people decided about them, in a chain that only grows and shows what was changed."""

from __future__ import annotations

from importlib.util import find_spec

from morelli.errors import MissingExtraError

if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
    raise MissingExtraError("The ledger", "audit")

from morelli.audit.ledger.entry import KINDS, Entry, Head
from morelli.audit.ledger.incident import RULINGS, STATUSES, Attachment, Decision, Incident, Note
from morelli.audit.ledger.ledger import Added, Ledger, Queued, upgrade
from morelli.audit.ledger.redacting import Redaction
from morelli.audit.ledger.verdicts import PRIORITY, Filed, Line, check_verdict, machine_answer, read_verdicts
from morelli.audit.ledger.verifying import Problem, Verification

__all__ = [
    "KINDS",
    "PRIORITY",
    "RULINGS",
    "STATUSES",
    "Added",
    "Attachment",
    "Decision",
    "Entry",
    "Filed",
    "Head",
    "Incident",
    "Ledger",
    "Line",
    "Note",
    "Problem",
    "Queued",
    "Redaction",
    "Verification",
    "check_verdict",
    "machine_answer",
    "read_verdicts",
    "upgrade",
]
