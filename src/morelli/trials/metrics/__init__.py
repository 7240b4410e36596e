"""Metrics as pure functions on arrays, and `summarise`, which takes all of them at once."""

from __future__ import annotations

from morelli.trials.metrics._bootstrap import cluster_bootstrap_difference, cluster_bootstrap_interval
from morelli.trials.metrics._calibration import (
    ReliabilityCurve,
    brier_score,
    calibration_error_floor,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)
from morelli.trials.metrics._checks import none_for_nan
from morelli.trials.metrics._classification import (
    PerClass,
    accuracy,
    confusion_matrix,
    lineage_accuracy,
    lineage_rollup,
    per_class,
    top_k_accuracy,
    true_rank,
)
from morelli.trials.metrics._conformal import (
    class_coverage,
    class_set_size,
    mean_set_size,
    set_coverage,
    set_size_counts,
)
from morelli.trials.metrics._openset import auroc, fpr_at_tpr, oscr
from morelli.trials.metrics._permutation import (
    Asymmetry,
    MantelResult,
    PermutationAccuracy,
    asymmetry,
    benjamini_hochberg,
    mantel,
    permutation_accuracy,
)
from morelli.trials.metrics._records import (
    ClassMetrics,
    DecisionMetrics,
    FamilyMetrics,
    Metrics,
    OpenSetMetrics,
    ReliabilityBin,
)
from morelli.trials.metrics._selective import aurc, risk_at_coverage, risk_coverage_curve
from morelli.trials.metrics._summary import summarise

__all__ = [
    "Asymmetry",
    "ClassMetrics",
    "DecisionMetrics",
    "FamilyMetrics",
    "MantelResult",
    "Metrics",
    "OpenSetMetrics",
    "PerClass",
    "PermutationAccuracy",
    "ReliabilityBin",
    "ReliabilityCurve",
    "accuracy",
    "asymmetry",
    "aurc",
    "auroc",
    "benjamini_hochberg",
    "brier_score",
    "calibration_error_floor",
    "class_coverage",
    "class_set_size",
    "cluster_bootstrap_difference",
    "cluster_bootstrap_interval",
    "confusion_matrix",
    "expected_calibration_error",
    "fpr_at_tpr",
    "lineage_accuracy",
    "lineage_rollup",
    "log_loss",
    "mantel",
    "mean_set_size",
    "none_for_nan",
    "oscr",
    "per_class",
    "permutation_accuracy",
    "reliability_curve",
    "risk_at_coverage",
    "risk_coverage_curve",
    "set_coverage",
    "set_size_counts",
    "summarise",
    "top_k_accuracy",
    "true_rank",
]
