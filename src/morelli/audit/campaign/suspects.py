"""Images that speak against a claim, ranked, each with what speaks against it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from morelli.attributors import Candidate, Verdict
from morelli.audit.campaign.gathered import Gathered
from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Suspect
from morelli.audit.consistency import Consistency

__all__ = ["MOST_SUSPECTS", "rank_suspects"]

MOST_SUSPECTS: Final = 48
"""Images that are listed, with pictures on a page: as many as there is room for on one contact sheet."""

_FAMILIES: Final = 3
_STRONG: Final = 0.5
"""Nats by which a family has to prefer another candidate to be named."""


def rank_suspects(
    records: Records, gathered: Gathered, found: Consistency | None, claimed: Sequence[str]
) -> tuple[tuple[Suspect, ...], int]:
    """Return the images that speak most against the claim, and how many do.

    Those count whose answers are likelier for somebody else's image than for a claimed candidate's (a suspicion above
    0), and those whose declarations contradict their pixels. Some images by claimed candidates are among them.

    Parameters
    ----------
    records : Records
    gathered : Gathered
    found : Consistency or None
        Of the test of the whole set.
    claimed : sequence of str
    """
    if found is None:
        return (), 0
    order = np.asarray(found.order)
    p = np.asarray(found.image_p)
    counted = (np.asarray(found.suspicion) > 0) | gathered.conflict
    chosen = order[counted[order]]
    return tuple(
        _suspect(records, int(gathered.number[i]), float(found.suspicion[i]), float(p[i]), claimed)
        for i in chosen[:MOST_SUSPECTS]
    ), int(counted.sum())


def _suspect(records: Records, number: int, suspicion: float, p: float, claimed: Sequence[str]) -> Suspect:
    verdict = records.verdict(number)
    names = records.files_of(number)
    best = verdict.candidates[0]
    mine = max((c for c in verdict.candidates if c.model in claimed), key=lambda c: c.probability)
    evidence, against = _preferences(verdict, best.model, mine.model) if best.model not in claimed else ({}, None)
    return Suspect(
        name=names[0],
        more=tuple(names[1:]),
        path=verdict.uri,
        image_id=str(verdict.image_id),
        decision=verdict.decision,
        label=verdict.label,
        probability=verdict.probability,
        suspicion=suspicion,
        p_value=p,
        why=tuple(_reasons(verdict, best, mine, claimed, evidence)),
        evidence=evidence,
        against=against,
    )


def _reasons(
    verdict: Verdict, best: Candidate, mine: Candidate, claimed: Collection[str], evidence: Mapping[str, float]
) -> list[str]:
    """Say what speaks against the claim, the weightiest first."""
    found = []
    if verdict.decision == "conflict":
        said = verdict.provenance.get("reason")
        found.append(str(said) if said else "What is declared about it contradicts its pixels.")
    if verdict.decision == "unknown" and verdict.open_set_p is not None:
        found.append(f"It looks like none of the candidates (open-set p = {verdict.open_set_p:.3f}).")
    if best.model not in claimed:
        pair = f"{best.model} is likelier ({100 * best.probability:.0f}%) than {mine.model}"
        found.append(f"{pair} ({100 * mine.probability:.1f}%).")
        strong = [family for family, gap in evidence.items() if gap > _STRONG]
        if strong:
            found.append(f"What speaks most for it: {', '.join(strong[:_FAMILIES])}.")
    if verdict.prediction_set and not set(verdict.prediction_set) & set(claimed):
        found.append("No claimed candidate is among those that cannot be excluded.")
    return found or ["It looks less like the claimed candidates than their own images mostly do."]


def _preferences(verdict: Verdict, other: str, mine: str) -> tuple[dict[str, float], str]:
    """Return by how much each family prefers one candidate to another, the most first, and to whom.

    Verdicts list the evidence for few candidates. Where that for the claimed one is not listed, it is the average.
    """
    listed = all(mine in words for words in verdict.evidence.values())
    gaps = {
        family: round(words[other] - (words[mine] if listed else 0.0), 6)
        for family, words in verdict.evidence.items()
        if other in words
    }
    ordered = dict(sorted(gaps.items(), key=lambda item: (-item[1], item[0])))
    return ordered, mine if listed else "the average candidate"
