"""What to do about references, in words and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from morelli.audit.versions.advising import Advice, ClassAdvice
from morelli.audit.versions.law import Estimate
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["advice_section"]

_WORDS = {
    "enough": "enough",
    "more": "below",
    "far": "out of reach",
    "cannot say": "cannot say",
}
_MOST_NAMES = 6


def advice_section(advice: Advice) -> Section:
    """Return advice as a part of a page; its first sentence is the conclusion."""
    findings = Findings(
        sentences=tuple(_sentences(advice)),
        tables=(_table(advice), *_used(advice)),
        charts=(_chart(advice),),
        notes=(*advice.notes, *_notes(advice)),
        values=advice.to_dict(),
        unanswered=not advice.classes,
    )
    return Section("advice", "References", "Which candidates need more references?", findings)


def _sentences(advice: Advice) -> list[str]:
    by = {word: [one for one in advice.classes if one.advice == word] for word in _WORDS}
    below = len(by["more"]) + len(by["far"])
    sentences = [
        f"The target is that {percent(advice.target)} of 100 images of a candidate are named right. Of "
        f"{len(advice.classes)} candidates {len(by['enough'])} reach it and {below} do not; for "
        f"{len(by['cannot say'])} there are too few images to say.",
        _overall(advice),
    ]
    if by["more"]:
        sentences.append(f"Below the target: {_listed(by['more'], _need)}.")
    if by["far"]:
        most = max(one.needed.most for one in by["far"] if one.needed is not None)
        sentences.append(
            f"Even {most} references are not foreseen to suffice for {_listed(by['far'], _taken)}. Other encoders, or "
            "one name for both, may do more than references."
        )
    if by["cannot say"]:
        sentences.append(_to_know(by["cannot say"], advice.target))
    if advice.usage is not None:
        sentences.append(f"In use, {advice.usage.unknown:,} of {advice.usage.n:,} verdicts are unknown.")
    return sentences


def _overall(advice: Advice) -> str:
    now = (
        f"Over all candidates {percent(advice.recall)} of 100 images are named right by what has not seen their prompts"
    )
    if advice.foreseen is None or advice.steepness is None or advice.known is None:
        return f"{now}."
    if advice.steepness.low <= 0:
        return f"{now}. Whether more references help at all cannot be told from these."
    ahead, twice = advice.foreseen, 2 * advice.n / len(advice.classes)
    taken = [percent(1 - 2.0**-b) for b in (advice.steepness.value, advice.steepness.low, advice.steepness.high)]
    return (
        f"{now} and knows {advice.known:.3g} references of each; with {twice:.3g}, twice as many as there are, "
        f"{percent(ahead.value)} are foreseen (80% interval {percent(ahead.low)} to {percent(ahead.high)}). Doubling "
        f"references takes away {taken[0]} of 100 mistakes (95% interval {taken[1]} to {taken[2]})."
    )


def _listed(of: Sequence[ClassAdvice], say: Callable[[ClassAdvice], str]) -> str:
    more = f", and {len(of) - _MOST_NAMES} more" if len(of) > _MOST_NAMES else ""
    return ", ".join(say(one) for one in of[:_MOST_NAMES]) + more


def _need(one: ClassAdvice) -> str:
    if one.needed is None:
        return _taken(one)
    value, low, high, most = one.needed.value, one.needed.low, one.needed.high, one.needed.most
    if value is None:
        return f"{one.name} (has {one.images}, needs {low} at best and more likely over {most})"
    return f"{one.name} (has {one.images}, needs about {value}, 80% interval {low} to {high or f'over {most}'})"


def _taken(one: ClassAdvice) -> str:
    return one.name if one.rival is None else f"{one.name} (taken for {one.rival})"


def _to_know(of: Sequence[ClassAdvice], target: float) -> str:
    numbers = sorted(one.to_know for one in of if one.to_know is not None)
    never = len(of) - len(numbers)
    sentence = f"Whether the {len(of)} others reach the target" if len(of) > 1 else f"Whether {of[0].name} reaches it"
    if not numbers:
        return f"{sentence} would take over a thousand images of each to say: they are near {percent(target)} of 100."
    span = str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
    beyond = f", and more than a thousand of {never} that are near it" if never else ""
    return f'{sentence} will take about {span} images to say{beyond} (column "to know").'


def _ends(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)


def _table(advice: Advice) -> Table:
    def row(one: ClassAdvice) -> tuple[str | float | None, ...]:
        needed = None if one.needed is None else f"{one.needed.value or f'over {one.needed.most}'}"
        return (
            one.name, one.recall, one.low, one.high, _WORDS[one.advice], one.images,
            one.to_know if one.advice == "cannot say" else None, *_ends(one.foreseen), needed, one.rival, one.lost,
            one.claims, *_ends(one.gained),
        )  # fmt: skip

    columns: tuple[Column, ...] = (
        Column("candidate", "candidate"),
        Column("recall", "named right", "share"),
        Column("low", "95% from", "share"),
        Column("high", "to", "share"),
        Column("advice", "advice"),
        Column("images", "references", "count"),
        Column("to_know", "to know", "count"),
        Column("foreseen", "with twice", "share"),
        Column("foreseen_low", "80% from", "share"),
        Column("foreseen_high", "to", "share"),
        Column("needed", "needed"),
        Column("rival", "taken for"),
        Column("lost", "of 100", "share"),
        Column("claims", "claims of others", "share"),
        Column("gained", "last half bought", "difference"),
        Column("gained_low", "95% from", "difference"),
        Column("gained_high", "to", "difference"),
    )
    rows = [row(one) for one in advice.classes]
    if advice.steepness is None:  # nothing was measured of what references are worth
        kept = [
            i for i, column in enumerate(columns) if column.name.split("_")[0] not in ("foreseen", "needed", "gained")
        ]
        columns, rows = tuple(columns[i] for i in kept), [tuple(one[i] for i in kept) for one in rows]
    return Table(
        "references",
        "Candidates, the worst first",
        columns,
        tuple(rows),
        "Named right: images judged by what had not seen their prompts. Out of reach: even with as many references as "
        "can be foreseen. To know: images with which it can be said whether the target is reached. With twice: named "
        "right, foreseen with twice as many references of all. Needed: references of all with which the target is as "
        "likely reached as not. Both are drawn towards what all candidates do, since the worst of many partly has the "
        "worst luck. Last half bought: points of the probability that the truth is given.",
    )


def _used(advice: Advice) -> list[Table]:
    rows = [(one.name, one.used) for one in advice.classes if one.used is not None]
    if not rows:
        return []
    return [
        Table(
            "used",
            "In use",
            (
                Column("candidate", "candidate"),
                Column("named", "verdicts", "count"),
                Column("ambiguous", "ambiguous", "count"),
                Column("share", "of 100", "share"),
                Column("rival", "with"),
            ),
            tuple(
                (name, used.named, used.ambiguous, used.ambiguous / used.named, used.rival)
                for name, used in sorted(rows, key=lambda row: (-row[1].ambiguous, row[0]))
            ),
            "Verdicts in which a candidate is the most probable one, and how many of them could not exclude another.",
        )
    ]


def _chart(advice: Advice) -> BarChart:
    bars = tuple(Bar(one.name, one.recall, one.low, one.high, group=_WORDS[one.advice]) for one in advice.classes)
    return BarChart("recall", "Images named right", "right, of 100", bars, (Level("target", advice.target),))


def _notes(advice: Advice) -> list[str]:
    notes = [
        "Each interval holds for one candidate by itself: of 40 candidates, one may well lie outside of its own. "
        "The order of candidates with a dozen images each is mostly chance."
    ]
    if advice.steepness is not None:
        notes.append(
            "What is foreseen holds if all candidates get more references, of other prompts and like those that there "
            "are, and if errors go on falling as a power of their number."
        )
    return notes
