"""One model against the rest: with references of all models, and with references of the target only."""

from morelli.leaderboard.target.conformal import ConformalTarget
from morelli.leaderboard.target.measure import TargetResult, measure_targets
from morelli.leaderboard.target.section import target_section
from morelli.leaderboard.target.spread import Spread, measure_spread
from morelli.leaderboard.target.thresholds import quantile_thresholds

__all__ = [
    "ConformalTarget",
    "Spread",
    "TargetResult",
    "measure_spread",
    "measure_targets",
    "quantile_thresholds",
    "target_section",
]
