"""Verdicts from files that anybody may have written: checked, and filed as a ledger files them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from morelli.errors import LedgerError

if TYPE_CHECKING:
    from morelli.attributors import Verdict

__all__ = ["PRIORITY", "Filed", "Line", "check_verdict", "machine_answer", "place_in_queue", "read_verdicts"]

PRIORITY: Final = {"conflict": 0, "unknown": 1, "ambiguous": 2, "unreadable": 3, "attributed": 4}
"""Decisions of a verdict, and their place in the queue of reviewers: first what the machine is least sure of."""

_IMAGE_ID: Final = re.compile(r"[0-9a-f]{64}")
_BUNDLE_ID: Final = re.compile(r"[!-~]{0,200}")
_LONGEST_LINE: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Filed:
    """What a ledger files a verdict under.

    Attributes
    ----------
    verdict : dict
        As it was given, with fields that this Morelli does not know.
    image_id : str or None
    bundle : str
        Id of the bundle; empty where none is named.
    priority : int
    score : float
        Among verdicts of one priority the lowest comes first: the probability of the answer, where there is one.
    """

    verdict: dict[str, Any]
    image_id: str | None
    bundle: str
    priority: int
    score: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file of verdicts: its number, and the verdict or the problem; neither for a pooled verdict."""

    number: int
    filed: Filed | None = None
    problem: str | None = None


def check_verdict(verdict: Verdict | Mapping[str, Any]) -> Filed:
    """Check a verdict, and say what it is filed under.

    Parameters
    ----------
    verdict : Verdict or mapping
        As from `Verdict.to_dict`. A field ``provenance`` with facts that others found is kept like all others.

    Raises
    ------
    LedgerError
        Something in it is not what it should be; the sentence names the field.
    """
    from morelli.attributors import Verdict  # here, because it takes a second that other commands do not need

    values = verdict.to_dict() if isinstance(verdict, Verdict) else dict(verdict)
    try:
        known = Verdict.from_dict(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"This is no verdict ({type(error).__name__}: {error}).") from error
    _expect(isinstance(known.uri, str), "uri is a text")
    _expect(
        known.image_id is None or (isinstance(known.image_id, str) and bool(_IMAGE_ID.fullmatch(known.image_id))),
        "image_id is a SHA-256 (64 hexadecimal digits) or null",
    )
    _expect(isinstance(known.decision, str) and known.decision in PRIORITY, f"decision is one of {', '.join(PRIORITY)}")
    _expect(isinstance(known.label, str | None), "label is a text or null")
    _expect(known.probability is None or _is_share(known.probability), "probability is from 0 to 1, or null")
    _expect(known.open_set_p is None or _is_share(known.open_set_p), "open_set_p is from 0 to 1, or null")
    for candidate in known.candidates:
        _expect(isinstance(candidate.model, str), "a candidate's model is a text")
        _expect(_is_share(candidate.probability), "a candidate's probability is from 0 to 1")
    _expect(all(isinstance(name, str) for name in known.prediction_set), "prediction_set holds names")
    _expect(
        isinstance(known.evidence, dict)
        and all(
            isinstance(row, dict) and all(_is_number(value) for value in row.values())
            for row in known.evidence.values()
        ),
        "evidence holds numbers by family and candidate",
    )
    _expect(isinstance(known.quality, dict) and isinstance(known.bundle, dict), "quality and bundle are objects")
    _expect(isinstance(known.error, str | None), "error is a text or null")
    _expect(isinstance(values.get("provenance"), dict | None), "provenance is an object")
    _expect(known.decision not in ("attributed", "ambiguous") or known.label is not None, "an answer has a label")
    bundle = known.bundle.get("id", "")
    _expect(isinstance(bundle, str) and bool(_BUNDLE_ID.fullmatch(bundle)), "the id of a bundle is a plain short text")
    return Filed(values, known.image_id, bundle, *place_in_queue(values))


def place_in_queue(verdict: Mapping[str, Any]) -> tuple[int, float]:
    """Return a verdict's priority and its score, see `Filed`."""
    probability = verdict.get("probability")
    answers = verdict["decision"] in ("attributed", "ambiguous") and probability is not None
    return PRIORITY[verdict["decision"]], float(probability) if answers and probability is not None else 0.0


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise LedgerError(f"This is no verdict: {what}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and 0.0 <= value <= 1.0


def read_verdicts(stream: IO[bytes]) -> Iterator[Line]:
    """Read verdicts, one JSON object a line, as ``morelli attribute --json`` writes them.

    Blank lines are passed over. Pooled verdicts, which are about several images, come as lines with neither verdict nor
    problem.

    Parameters
    ----------
    stream : binary file
        No more than one line is held in memory, and no line longer than 8 MiB.
    """
    number = 0
    while raw := stream.readline(_LONGEST_LINE):
        number += 1
        if not raw.endswith(b"\n") and len(raw) == _LONGEST_LINE:
            while (rest := stream.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, problem=f"The line is longer than {_LONGEST_LINE} bytes.")
            continue
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if raw.strip():
            yield _read_line(number, raw)


def _read_line(number: int, raw: bytes) -> Line:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Line(number, problem=f"The line is not JSON ({error}).")
    if not isinstance(values, dict):
        return Line(number, problem="The line is no JSON object.")
    if values.get("kind") == "pooled":
        return Line(number)
    try:
        return Line(number, check_verdict(values))
    except LedgerError as error:
        return Line(number, problem=str(error))


def machine_answer(verdict: Mapping[str, Any]) -> tuple[str | None] | None:
    """Return what the machine answered: a candidate, or None for "none of the candidates", in a tuple; or nothing.

    A conflict and an unreadable image are no answer. Of an ambiguous verdict it is the most probable candidate.

    Examples
    --------
    >>> machine_answer({"decision": "unknown", "label": None})
    (None,)
    >>> machine_answer({"decision": "conflict", "label": "a"}) is None
    True
    """
    if verdict["decision"] == "unknown":
        return (None,)
    return (str(verdict["label"]),) if verdict["decision"] in ("attributed", "ambiguous") else None
