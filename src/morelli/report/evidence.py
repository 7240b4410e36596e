"""Evidence as diverging bars: what each family says for one candidate, or for one against another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from morelli.report._page import render

__all__ = ["EvidenceBar", "evidence_bars", "evidence_rows"]


@dataclass(frozen=True, slots=True)
class EvidenceBar:
    """One family's say: its log-likelihood ratio in nats and the bar's length, a share of the longest in [0, 1]."""

    family: str
    value: float
    length: float


def evidence_rows(
    evidence: Mapping[str, Mapping[str, float | None]], candidate: str, against: str | None = None
) -> list[EvidenceBar]:
    """Take one candidate's evidence out of all, strongest first.

    Parameters
    ----------
    evidence : mapping of family to mapping of model to float
        Log-likelihood ratios in nats, as in a verdict. Families that say nothing of the candidate are left out.
    candidate : str
        The model that positive bars speak for.
    against : str or None
        The model that negative bars speak for; None for the average of all candidates.

    Returns
    -------
    list of EvidenceBar
        By falling magnitude; equals in the order given.
    """
    values: dict[str, float] = {}
    for family, ratios in evidence.items():
        pair = [ratios.get(candidate), 0.0 if against is None else ratios.get(against)]
        if all(value is not None and math.isfinite(value) for value in pair):
            values[family] = float(pair[0] or 0.0) - float(pair[1] or 0.0)
    longest = max((abs(value) for value in values.values()), default=0.0) or 1.0
    ranked = sorted(values.items(), key=lambda item: -abs(item[1]))
    return [EvidenceBar(family, value, abs(value) / longest) for family, value in ranked]


def evidence_bars(
    evidence: Mapping[str, Mapping[str, float | None]], candidate: str, against: str | None = None
) -> str:
    """Render `evidence_rows` as an HTML fragment for a page of this package (it brings no style of its own)."""
    return render("evidence.html", rows=evidence_rows(evidence, candidate, against)).strip()
