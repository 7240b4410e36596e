"""Reading answers strictly: what is not exactly an answer is none, and why is told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from morelli.attributors.mllm.reply import Reply

__all__ = ["Reading", "read_reply"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says.

    Attributes
    ----------
    values : mapping of str to str
        The answer to each key; empty where there is none.
    reason : str or None
        Why there is none, a word of `morelli.attributors.answers.NO_ANSWER`.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None


def read_reply(reply: Reply, answers: Mapping[str, Sequence[str]]) -> Reading:
    """Read a reply.

    Parameters
    ----------
    reply : Reply
    answers : mapping of str to sequence of str
        Keys that the JSON object must have, and the words that each may hold. Nothing is trimmed, completed or
        corrected.

    Returns
    -------
    Reading
    """
    reason = _silence(reply)
    if reason is not None:
        return Reading(reason=reason)
    try:
        found = json.loads(reply.text or "", object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        return Reading(reason="malformed")
    if not isinstance(found, dict) or set(found) != set(answers):
        return Reading(reason="malformed")
    if not all(isinstance(value, str) for value in found.values()):
        return Reading(reason="malformed")
    if any(found[key] not in words for key, words in answers.items()):
        return Reading(reason="wrong-label")
    return Reading({key: found[key] for key in answers})


def _silence(reply: Reply) -> str | None:
    """Say why there is nothing to be read, as far as the endpoint says so itself."""
    if reply.failure is not None:
        return reply.failure
    if reply.refusal:
        return "refused"
    if reply.finish == "content_filter":
        return "filtered"
    if reply.finish == "length":
        return "truncated"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a key twice: which of the two is meant cannot be told."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
