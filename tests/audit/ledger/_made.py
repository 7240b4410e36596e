"""Verdicts that nobody computed, and a clock that stands where a test puts it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

MODELS = ("flux-1", "sdxl", "kolors")


def image_id(number: object) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def made_verdict(number: int, decision: str = "ambiguous", probability: float = 0.6, **changes: Any) -> dict[str, Any]:
    """Return a verdict for image `number`, as `Verdict.to_dict` gives it."""
    readable = decision != "unreadable"
    answers = decision in ("attributed", "ambiguous", "conflict")
    rest = (1.0 - probability) / 2
    return {
        "schema_version": 1,
        "uri": f"images/{number}.png",
        "image_id": image_id(number) if readable else None,
        "decision": decision,
        "label": "flux-1" if answers else None,
        "probability": probability if answers else None,
        "lineage": {"label": None, "probability": None, "settled": False},
        "candidates": [
            {"model": model, "probability": share, "llr": 1.0}
            for model, share in zip(MODELS, (probability, rest, rest), strict=True)
        ]
        if readable
        else [],
        "prediction_set": ["flux-1", "sdxl"] if readable else [],
        "open_set_p": 0.4 if readable else None,
        "evidence": {"residual": {"flux-1": 1.5, "sdxl": -0.5}} if readable else {},
        "judged_as": None,
        "quality": {},
        "bundle": {"name": "few", "version": "1", "id": "96d934906b1cc1a1"},
        "error": None if readable else "it is no image",
        **changes,
    }


class Clock:
    """Gives the time that was set, a second later at every call."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)
