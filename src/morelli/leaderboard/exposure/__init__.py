"""Exposure: how well the models of a leaderboard can be told apart, which prompts give them away, and why.

The definitions are those of Naseh et al. 2026, "Identifying models behind text-to-image leaderboards" (arXiv
2601.09647): separability of a model on a prompt, D(i), variation within and between models, the nearest centroid.
"""

from __future__ import annotations

from morelli.leaderboard.exposure.advisor import Choice, Frontier, attackers_choice, exposure_frontier, largest_subset
from morelli.leaderboard.exposure.assessment import Assessment, assess
from morelli.leaderboard.exposure.comparable import comparable
from morelli.leaderboard.exposure.curve import AttackCurve, CurvePoint, attack_curve
from morelli.leaderboard.exposure.features import PromptFeatures, features_of, prompt_features
from morelli.leaderboard.exposure.pairs import Confusion, Kinship, Pair, confused_pairs
from morelli.leaderboard.exposure.ranking import Agreement, Agreements, Ranking, agreement, rank_prompts
from morelli.leaderboard.exposure.rates import Rates, Shrunk, shrink
from morelli.leaderboard.exposure.regression import Effect, Explanation, explain_exposure
from morelli.leaderboard.exposure.section_curve import curve_section
from morelli.leaderboard.exposure.section_exposure import exposure_section
from morelli.leaderboard.exposure.section_prompts import prompts_section
from morelli.leaderboard.exposure.separability import Exposure, separability
from morelli.leaderboard.exposure.success import Success, halves_of, prompt_success, success_halves
from morelli.leaderboard.exposure.variation import Variation, variation

__all__ = [
    "Agreement",
    "Agreements",
    "Assessment",
    "AttackCurve",
    "Choice",
    "Confusion",
    "CurvePoint",
    "Effect",
    "Explanation",
    "Exposure",
    "Frontier",
    "Kinship",
    "Pair",
    "PromptFeatures",
    "Ranking",
    "Rates",
    "Shrunk",
    "Success",
    "Variation",
    "agreement",
    "assess",
    "attack_curve",
    "attackers_choice",
    "comparable",
    "confused_pairs",
    "curve_section",
    "explain_exposure",
    "exposure_frontier",
    "exposure_section",
    "features_of",
    "halves_of",
    "largest_subset",
    "prompt_features",
    "prompt_success",
    "prompts_section",
    "rank_prompts",
    "separability",
    "shrink",
    "success_halves",
    "variation",
]
