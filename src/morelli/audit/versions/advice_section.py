"""What to do about references, in words and tables."""

from __future__ import annotations

from morelli.audit.versions.advising import Advice, ClassAdvice
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["advice_section"]

_WORDS = {
    "enough": "enough",
    "more": "more references",
    "others": "more of the same will hardly help",
    "cannot say": "not enough data to say",
}
_MOST_NAMES = 8


def advice_section(advice: Advice, in_use: tuple[int, int] | None = None) -> Section:
    """Return advice as a part of a page; its first sentence is the conclusion.

    Parameters
    ----------
    advice : Advice
    in_use : tuple of int, optional
        Verdicts that were counted, and those of them that are ``unknown``.
    """
    findings = Findings(
        sentences=tuple(_sentences(advice, in_use)),
        tables=(_table(advice), *_used(advice)),
        charts=(_chart(advice),),
        notes=(*advice.notes, *_notes(advice)),
        values=advice.to_dict(),
        unanswered=not advice.classes,
    )
    return Section("advice", "References", "Which candidates need more references?", findings)


def _sentences(advice: Advice, in_use: tuple[int, int] | None) -> list[str]:
    by = {word: [one for one in advice.classes if one.advice == word] for word in _WORDS}
    total = len(advice.classes)
    sentences = [
        f"{len(by['enough'])} of {total} candidates are surely named right for {percent(advice.target)} of 100 images "
        f"or more, {len(by['more']) + len(by['others'])} surely not, and of {len(by['cannot say'])} it cannot be said."
    ]
    if by["more"]:
        names = [_need(one) for one in by["more"][:_MOST_NAMES]]
        more = f", and {len(by['more']) - _MOST_NAMES} others" if len(by["more"]) > _MOST_NAMES else ""
        sentences.append(f"More references: {'; '.join(names)}{more}.")
    if by["others"]:
        names = [f"{one.name} (taken for {one.rival})" for one in by["others"][:_MOST_NAMES]]
        sentences.append(f"More of the same will hardly help: {', '.join(names)}.")
    if advice.steepness is not None:
        half = percent(1 - 2.0**-advice.steepness)
        sure = advice.steepness_low is not None and advice.steepness_low > 0
        sentences.append(
            f"Twice as many references take away {half} of 100 of what is missing, over all candidates "
            f"(exponent {advice.steepness:.2f}, 95% interval {advice.steepness_low:.2f} to "
            f"{advice.steepness_high:.2f})."
            if sure
            else "Whether more references help at all cannot be told from these."
        )
    if in_use is not None:
        n, unknown = in_use
        sentences.append(f"In use, {unknown:,} of {n:,} verdicts are unknown.")
    return sentences


def _need(one: ClassAdvice) -> str:
    if one.needed is None:
        return f"{one.name} (has {one.images}; how many it takes cannot be said)"
    low = "?" if one.needed_low is None else str(one.needed_low)
    high = "?" if one.needed_high is None else str(one.needed_high)
    return f"{one.name} (has {one.images}, about {one.needed}, 80% interval {low} to {high})"


def _table(advice: Advice) -> Table:
    return Table(
        "references",
        "Candidates, the worst first",
        (
            Column("candidate", "candidate"),
            Column("recall", "named right", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("advice", "advice"),
            Column("images", "references", "count"),
            Column("needed", "needed", "count"),
            Column("gained", "last half bought", "difference"),
            Column("gained_low", "95% from", "difference"),
            Column("gained_high", "to", "difference"),
            Column("claims", "claims of others", "share"),
            Column("rival", "taken for"),
            Column("lost", "of 100", "share"),
        ),
        tuple(
            (one.name, one.recall, one.low, one.high, _WORDS[one.advice], one.images, one.needed, one.gained,
             one.gained_low, one.gained_high, one.claims, one.rival, one.lost)
            for one in advice.classes
        ),
        "Named right: images judged by what had not seen their prompts. What the last half bought is in points of the "
        "probability that the truth is given. Needed: references at which the target is foreseen, if errors go on "
        "falling as a power of their number.",
    )  # fmt: skip


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
        "An interval of a dozen images is wide: most of what such a table says of single candidates is chance, and "
        "what is certain is said in words."
    ]
    if advice.steepness is not None:
        notes.append(
            "All candidates have fewer references at once, so that what is foreseen holds if all get more; weights "
            "of families are those of the bundle."
        )
    return notes
