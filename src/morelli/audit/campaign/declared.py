"""How many images of a set declare what, and how that goes together with their pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Declared, LayerCounts

__all__ = ["summarise_declared"]

_MOST_NAMES: Final = 50
_MOST_COUNTED: Final = 10_000
"""Different names that are counted: a hostile set may declare another generator in every image."""
_LONGEST: Final = 200


def summarise_declared(records: Records, outcomes: Mapping[str, int]) -> Declared:
    """Count what the layers of provenance say, over the different images of an audit.

    Parameters
    ----------
    records : Records
    outcomes : mapping of str to int
        As :attr:`~morelli.audit.campaign.gathered.Gathered.outcomes`.
    """
    statuses: dict[str, dict[str, int]] = {}
    names: dict[str, int] = {}
    overflow = 0
    for text, count in records.query("SELECT declared, count(*) FROM verdicts GROUP BY declared ORDER BY declared"):
        found, generators = json.loads(text)
        for layer, status in found.items():
            of = statuses.setdefault(layer, {})
            of[status] = of.get(status, 0) + count
        for name in generators:
            short = str(name)[:_LONGEST]
            if short in names or len(names) < _MOST_COUNTED:
                names[short] = names.get(short, 0) + count
            else:
                overflow += 1
    commonest = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    return Declared(
        layers=tuple(LayerCounts(layer, dict(sorted(of.items()))) for layer, of in statuses.items()),
        generators=tuple(commonest[:_MOST_NAMES]),
        n_generators=len(names) + overflow,
        outcomes=dict(outcomes),
    )
