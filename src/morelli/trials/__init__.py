"""Trials: who is judged by whom, what was predicted, and how good it was."""

from __future__ import annotations

from morelli.trials.engine import cross_validate, evaluate, overlap_notes
from morelli.trials.metrics import Metrics, summarise
from morelli.trials.predictions import DECISIONS, Predictions

__all__ = [
    "DECISIONS",
    "Metrics",
    "Predictions",
    "cross_validate",
    "evaluate",
    "overlap_notes",
    "summarise",
]
