"""What is declared about an image, for a card on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["FACTS_SHOWN", "ProvenanceCard", "provenance_card"]

FACTS_SHOWN: Final = 12
"""Facts on a card; the JSON has them all."""


@dataclass(frozen=True, slots=True)
class ProvenanceCard:
    """What is declared, as it is shown.

    Attributes
    ----------
    outcome, reason : str
        How it and the pixels go together, and why.
    layers : list of str
        One sentence for each layer.
    facts : list of dict
        ``claim``, ``value``, ``model``, ``source``, ``strength`` and ``verification``.
    n_more : int
        Facts that are not shown.
    """

    outcome: str
    reason: str
    layers: list[str]
    facts: list[dict[str, Any]]
    n_more: int


def provenance_card(provenance: Mapping[str, Any]) -> ProvenanceCard | None:
    """Return what a card shows of a verdict's `provenance`; None where nobody looked."""
    if not provenance:
        return None
    layers = provenance.get("layers") or []
    facts = [fact for layer in layers for fact in layer.get("facts") or []]
    shown = [
        {key: fact.get(key) for key in ("claim", "value", "model", "source", "strength", "verification")}
        for fact in facts[:FACTS_SHOWN]
    ]
    return ProvenanceCard(
        str(provenance.get("outcome") or ""),
        str(provenance.get("reason") or ""),
        [_sentence(layer) for layer in layers],
        shown,
        len(facts) - len(shown),
    )


def _sentence(layer: Mapping[str, Any]) -> str:
    reason = layer.get("reason")
    return f"{layer.get('layer')}: {layer.get('status')}{f' ({reason})' if reason else ''}"
