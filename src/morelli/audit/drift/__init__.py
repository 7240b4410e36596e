"""Has a model changed? Two samples of its images compared, and a stream of verdicts watched."""

from __future__ import annotations

from morelli.audit.drift.design import DESIGNS, Design, make_design
from morelli.audit.drift.detecting import Drift, detect_drift, file_differences
from morelli.audit.drift.effects import Effect
from morelli.audit.drift.looks import Look, add_look, level_of_look, read_looks, write_looks
from morelli.audit.drift.power import POWER, Power
from morelli.audit.drift.section import drift_section
from morelli.audit.drift.statistics import mean_discrepancy
from morelli.audit.drift.testing import DriftTest, FamilyShift, compare_samples, holm

__all__ = [
    "DESIGNS",
    "POWER",
    "Design",
    "Drift",
    "DriftTest",
    "Effect",
    "FamilyShift",
    "Look",
    "Power",
    "add_look",
    "compare_samples",
    "detect_drift",
    "drift_section",
    "file_differences",
    "holm",
    "level_of_look",
    "make_design",
    "mean_discrepancy",
    "read_looks",
    "write_looks",
]
