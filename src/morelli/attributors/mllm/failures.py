"""What went wrong with a request: whether to send it again, to do without, or to stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from morelli.attributors.mllm.retrying import retry_after

__all__ = ["Failure", "failure_of"]

_STOP: Final[dict[int, str]] = {
    401: "does not accept the key",
    402: "wants to be paid first",
    403: "does not allow this",
    404: "knows no such model or address",
}
_AGAIN: Final = {408, 409, 425, 429}
_FILTERS: Final = ("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "safety")
_SPENT: Final = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_UNSENT: Final = {"ConnectError", "ConnectTimeout"}
"""Errors of the HTTP library after which nothing has reached the service."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong.

    Attributes
    ----------
    then : {"again", "skip", "stop"}
        Send it again; do without this answer; send nothing more at all.
    outcome : str
        What it counts as if it was the last attempt, a word of `morelli.attributors.answers.NO_ANSWER`.
    billed : bool
        Whether it may have cost something.
    sentence : str
        For people.
    wait : float or None
        Seconds that the service asks for.
    unreached : bool
        Whether no connection came about, so that nobody has said anything.
    """

    then: Literal["again", "skip", "stop"]
    outcome: str
    billed: bool
    sentence: str
    wait: float | None = None
    unreached: bool = False


def failure_of(error: Exception, censor: Callable[[str], str]) -> Failure | None:
    """Say what an exception of the official client means; None where it is none that a request can end in.

    Parameters
    ----------
    error : Exception
    censor : callable
        Takes the key out of a text: services repeat it.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        unreached = type(error.__cause__).__name__ in _UNSENT
        return Failure("again", "failed", not unreached, "there was no answer in time", unreached=unreached)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, censor)
    if isinstance(error, openai.APIConnectionError):
        unreached = type(error.__cause__).__name__ in _UNSENT
        sentence = f"the connection failed ({censor(str(error.__cause__ or error))})"
        return Failure("again", "failed", not unreached, sentence, unreached=unreached)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | openai.APIResponseValidationError):
        return Failure("again", "failed", True, f"what came back is no JSON ({censor(str(error))})")
    return None


def _of_status(error: Any, censor: Callable[[str], str]) -> Failure:
    status, code, said = int(error.status_code), _code(error), censor(_message(error))
    if status == 429 and code in _SPENT:
        return Failure("stop", "failed", False, f"has no quota left for this key: {said}")
    if status in _STOP:
        return Failure("stop", "failed", False, f"{_STOP[status]} ({status}): {said}")
    if status in _AGAIN or status >= 500:
        return Failure("again", "failed", False, f"status {status}: {said}", retry_after(error.response.headers))
    if code in _FILTERS:
        return Failure("skip", "filtered", False, said)
    return Failure("skip", "rejected", False, f"status {status}: {said}")


def _code(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(error.code or body.get("code") or body.get("type") or "").lower()


def _message(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message or "no reason given")
    return " ".join(text.split())[:300]
