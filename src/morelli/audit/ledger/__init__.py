"""The ledger: verdicts and what people decided about them, in a chain that only grows and shows what was changed."""

from __future__ import annotations

from importlib.util import find_spec

from morelli.errors import MissingExtraError

if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
    raise MissingExtraError("The ledger", "audit")

from morelli.audit.ledger.agreement import (
    Agreement,
    MachineAgreement,
    PairAgreement,
    agreement_of,
    cohen_kappa,
    krippendorff_alpha,
)
from morelli.audit.ledger.entry import KINDS, Entry, Head
from morelli.audit.ledger.exporting import REASONS, Exported, Left, export
from morelli.audit.ledger.incident import RULINGS, STATUSES, Attachment, Decision, Incident, Note
from morelli.audit.ledger.ledger import Added, Ledger, upgrade
from morelli.audit.ledger.reader import LedgerReader, Queued
from morelli.audit.ledger.redacting import Redaction
from morelli.audit.ledger.verifying import Problem, Verification

__all__ = [
    "KINDS",
    "REASONS",
    "RULINGS",
    "STATUSES",
    "Added",
    "Agreement",
    "Attachment",
    "Decision",
    "Entry",
    "Exported",
    "Head",
    "Incident",
    "Ledger",
    "LedgerReader",
    "Left",
    "MachineAgreement",
    "Note",
    "PairAgreement",
    "Problem",
    "Queued",
    "Redaction",
    "Verification",
    "agreement_of",
    "cohen_kappa",
    "export",
    "krippendorff_alpha",
    "upgrade",
]
