"""The engine room: what was predicted, and how good it was."""

from __future__ import annotations

from morelli.trials.metrics import Metrics, summarise
from morelli.trials.predictions import DECISIONS, Predictions

__all__ = ["DECISIONS", "Metrics", "Predictions", "summarise"]
