"""Attributors that are told for which prompt an image was made, and have references of just this prompt."""

from morelli.attributors.prompts._base import Informed, PromptAttributor
from morelli.attributors.prompts._known import Known, deal_episode
from morelli.attributors.prompts.fused import PromptFused
from morelli.attributors.prompts.nearest import PromptCentroid, PromptDiscriminant, PromptNeighbours
from morelli.attributors.prompts.two_level import TwoLevel, fit_two_level

__all__ = [
    "Informed",
    "Known",
    "PromptAttributor",
    "PromptCentroid",
    "PromptDiscriminant",
    "PromptFused",
    "PromptNeighbours",
    "TwoLevel",
    "deal_episode",
    "fit_two_level",
]
