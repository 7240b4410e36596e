"""Trials: who is judged by whom, what was predicted, and how good it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morelli.trials.metrics import Metrics, summarise
from morelli.trials.predictions import DECISIONS, Predictions

if TYPE_CHECKING:
    from morelli.trials.comparison import Comparison, Score
    from morelli.trials.engine import cross_validate, evaluate, overlap_notes
    from morelli.trials.robust_rows import Robustness, RobustnessRow

__all__ = [
    "DECISIONS",
    "Comparison",
    "Metrics",
    "Predictions",
    "Robustness",
    "RobustnessRow",
    "Score",
    "cross_validate",
    "evaluate",
    "overlap_notes",
    "summarise",
]


def __getattr__(name: str) -> Any:
    # The engine needs attributors and encoders; whoever only reads predictions should not have to wait for them.
    if name in {"cross_validate", "evaluate", "overlap_notes"}:
        from morelli.trials import engine

        return getattr(engine, name)
    if name in {"Comparison", "Score"}:
        from morelli.trials import comparison

        return getattr(comparison, name)
    if name in {"Robustness", "RobustnessRow"}:
        from morelli.trials import robust_rows

        return getattr(robust_rows, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
