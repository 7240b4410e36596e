"""Attributors that are told for which prompt an image was made, and have references of just this prompt."""

from morelli.attributors.prompts._base import Informed, PromptAttributor
from morelli.attributors.prompts._reading import EMBEDDING, embedding_of
from morelli.attributors.prompts.fused import PromptFused
from morelli.attributors.prompts.known import Known, deal_episode
from morelli.attributors.prompts.nearest import PromptCentroid, PromptDiscriminant, PromptNeighbours
from morelli.attributors.prompts.perceptron import PromptPerceptron
from morelli.attributors.prompts.two_level import TwoLevel, fit_two_level

__all__ = [
    "EMBEDDING",
    "Informed",
    "Known",
    "PromptAttributor",
    "PromptCentroid",
    "PromptDiscriminant",
    "PromptFused",
    "PromptNeighbours",
    "PromptPerceptron",
    "TwoLevel",
    "deal_episode",
    "embedding_of",
    "fit_two_level",
]
