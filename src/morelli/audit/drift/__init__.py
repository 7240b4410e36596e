"""Has a model changed? Two samples of its images compared, and a stream of verdicts watched."""

from __future__ import annotations

from morelli.audit.drift.cusum import Chart, design_chart, run_length
from morelli.audit.drift.design import DESIGNS, Design, make_design
from morelli.audit.drift.detecting import Drift, detect_drift, file_differences
from morelli.audit.drift.effects import Effect
from morelli.audit.drift.looks import Look, add_look, level_of_look, read_looks, write_looks
from morelli.audit.drift.monitoring import ABSTAINING, Alarm, Baseline, Monitor, baseline_of
from morelli.audit.drift.power import POWER, Power
from morelli.audit.drift.section import drift_section
from morelli.audit.drift.statistics import mean_discrepancy
from morelli.audit.drift.testing import DriftTest, FamilyShift, compare_samples

__all__ = [
    "ABSTAINING",
    "DESIGNS",
    "POWER",
    "Alarm",
    "Baseline",
    "Chart",
    "Design",
    "Drift",
    "DriftTest",
    "Effect",
    "FamilyShift",
    "Look",
    "Monitor",
    "Power",
    "add_look",
    "baseline_of",
    "compare_samples",
    "design_chart",
    "detect_drift",
    "drift_section",
    "file_differences",
    "level_of_look",
    "make_design",
    "mean_discrepancy",
    "read_looks",
    "run_length",
    "write_looks",
]
