"""What candidates meet in use: counted in verdicts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import IO

from morelli.audit.verdicts import machine_answer, read_verdicts

__all__ = ["Usage", "Used", "count_verdicts"]


@dataclass(frozen=True, slots=True)
class Used:
    """What one candidate meets in use.

    Attributes
    ----------
    named, ambiguous : int
        Verdicts in which it is the most probable candidate, and those of them with several that cannot be excluded.
    rival : str or None
        Who most often stands beside it then.
    """

    named: int
    ambiguous: int
    rival: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was found in a file of verdicts.

    Attributes
    ----------
    candidates : dict of str to Used
        Who was named.
    n, unknown : int
        Verdicts that name somebody or nobody, and those of them that are ``unknown``.
    silent : int
        Verdicts without an answer: conflicts, and images that could not be read.
    problems : int
        Lines that are no verdicts.
    """

    candidates: dict[str, Used]
    n: int
    unknown: int
    silent: int
    problems: int


def count_verdicts(stream: IO[bytes]) -> Usage:
    """Count what candidates meet in use.

    Parameters
    ----------
    stream : binary file
        Verdicts as from ``morelli attribute --json``, one a line; a line at a time is held in memory. Pooled verdicts
        are passed over.
    """
    named: Counter[str] = Counter()
    ambiguous: Counter[str] = Counter()
    beside: dict[str, Counter[str]] = {}
    unknown = silent = problems = 0
    for line in read_verdicts(stream):
        problems += line.problem is not None
        if line.filed is None:
            continue
        verdict = line.filed.verdict
        answer = machine_answer(verdict)
        if answer is None:
            silent += 1
        elif answer[0] is None:
            unknown += 1
        else:
            label = answer[0]
            named[label] += 1
            if verdict["decision"] == "ambiguous":
                ambiguous[label] += 1
                others = (str(one) for one in verdict["prediction_set"] if one != label)
                beside.setdefault(label, Counter()).update(others)
    rivals = {label: max(sorted(names), key=names.__getitem__) for label, names in beside.items() if names}
    found = {label: Used(count, ambiguous[label], rivals.get(label)) for label, count in sorted(named.items())}
    return Usage(found, named.total() + unknown, unknown, silent, problems)
