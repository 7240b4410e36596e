"""Attributors: estimators, their doubt, and the bundles that carry them."""

from morelli.attributors.answers import Answers, Training
from morelli.attributors.attribution import attribute, decide, judge_extraction
from morelli.attributors.bundle import BUNDLE_SUFFIX, Bundle, References
from morelli.attributors.fitting import fit_attributor, fit_bundle
from morelli.attributors.fused import FusedAttributor
from morelli.attributors.honest import OutOfFold
from morelli.attributors.pooled_verdict import PooledCandidate, PooledVerdict, VerdictPool, pool_verdicts
from morelli.attributors.registry import (
    AttributorInfo,
    AttributorSpec,
    get_attributor_info,
    list_attributors,
    parse_attributor,
    register_attributor,
)
from morelli.attributors.verdict import Candidate, Lineage, Verdict

__all__ = [
    "BUNDLE_SUFFIX",
    "Answers",
    "AttributorInfo",
    "AttributorSpec",
    "Bundle",
    "Candidate",
    "FusedAttributor",
    "Lineage",
    "OutOfFold",
    "PooledCandidate",
    "PooledVerdict",
    "References",
    "Training",
    "Verdict",
    "VerdictPool",
    "attribute",
    "decide",
    "fit_attributor",
    "fit_bundle",
    "get_attributor_info",
    "judge_extraction",
    "list_attributors",
    "parse_attributor",
    "pool_verdicts",
    "register_attributor",
]
