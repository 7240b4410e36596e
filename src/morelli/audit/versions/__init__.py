"""Versions of models and of bundles: what changed from one to the next, and what more references would bring."""

from __future__ import annotations

from morelli.audit.versions.advice_section import advice_section
from morelli.audit.versions.advising import Advice, ClassAdvice, advise
from morelli.audit.versions.common import CommonTest, OnClass, OnCommon, compare_on
from morelli.audit.versions.curve import Curve, measure_curve
from morelli.audit.versions.diff import BundleDiff, ClassChange, diff_bundles
from morelli.audit.versions.diff_section import diff_section
from morelli.audit.versions.law import Estimate, Needed
from morelli.audit.versions.using import Usage, Used, count_verdicts

__all__ = [
    "Advice",
    "BundleDiff",
    "ClassAdvice",
    "ClassChange",
    "CommonTest",
    "Curve",
    "Estimate",
    "Needed",
    "OnClass",
    "OnCommon",
    "Usage",
    "Used",
    "advice_section",
    "advise",
    "compare_on",
    "count_verdicts",
    "diff_bundles",
    "diff_section",
    "measure_curve",
]
