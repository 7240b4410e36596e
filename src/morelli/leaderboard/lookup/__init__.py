"""The attack when the prompt is not known, known in other words only, or not among those with references."""

from morelli.leaderboard.lookup.conditions import CONDITIONS, Condition, Looked, Situation
from morelli.leaderboard.lookup.measure import LookupResult, measure_lookup, paraphrases_of
from morelli.leaderboard.lookup.paraphrase import LEVELS, Strength, paraphrase
from morelli.leaderboard.lookup.section import lookup_section

__all__ = [
    "CONDITIONS",
    "LEVELS",
    "Condition",
    "Looked",
    "LookupResult",
    "Situation",
    "Strength",
    "lookup_section",
    "measure_lookup",
    "paraphrase",
    "paraphrases_of",
]
