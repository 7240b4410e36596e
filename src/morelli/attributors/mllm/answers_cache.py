"""Answers that were paid for once: a question that was asked before is not asked again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from morelli.attributors.mllm.database import Database
from morelli.attributors.mllm.reply import Reply

__all__ = ["AnswersCache", "key_of"]


def key_of(account: str, request: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that an answer is a function of.

    Parameters
    ----------
    account : str
        Who is asked.
    request : mapping
        All that is sent, JSON-able, images included; never the key to the service.
    """
    text = json.dumps({"account": account, "request": request}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class AnswersCache:
    """Answers by a hash of the question, in a database that may be shared.

    Parameters
    ----------
    database : Database
    account : str
        Who is asked.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database, self._account = database, account

    def get(self, key: str) -> Reply | None:
        """Return the answer, or None where there is none or it cannot be read."""
        with self._database.transaction(reading=True) as connection:
            row = connection.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            return Reply.from_json(row[0])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # asked for again, and written over

    def put(self, key: str, reply: Reply) -> None:
        """Keep an answer."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, self._account, reply.to_json()))
