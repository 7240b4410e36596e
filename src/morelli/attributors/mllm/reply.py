"""What comes back to a question, before anybody has read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Alternatives", "Reply"]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A token of an answer, and what might have stood in its place.

    Attributes
    ----------
    token : str
    others : tuple of (str, float)
        Tokens, this one usually among them, and their log-probabilities (nats).
    """

    token: str
    others: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came, or why there is none.

    Attributes
    ----------
    text : str or None
    refusal : str or None
        What the model said when it refused.
    finish : str or None
        Why it stopped: ``stop``, ``length``, ``content_filter``.
    tokens : tuple of Alternatives
        Empty where the endpoint gives no log-probabilities.
    tokens_in, tokens_out : int or None
        Read and written, as reported; None where nothing was.
    images : int
        In the question.
    failure : str or None
        ``filtered``, ``rejected`` or ``failed``, a word of `morelli.attributors.answers.NO_ANSWER`, where no answer
        came.
    detail : str
        What was said about it.
    """

    text: str | None = None
    refusal: str | None = None
    finish: str | None = None
    tokens: tuple[Alternatives, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    images: int = 0
    failure: str | None = None
    detail: str = ""

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Reply:
        """Rebuild what `to_json` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            It is not that.
        """
        values: dict[str, Any] = json.loads(text)
        tokens = tuple(
            Alternatives(str(one["token"]), tuple((str(token), float(value)) for token, value in one["others"]))
            for one in values.pop("tokens")
        )
        return cls(tokens=tokens, **values)
