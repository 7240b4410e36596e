"""The best attack that we know: references of the prompt, and what models do to all prompts, family by family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from morelli.attributors.prompts._base import Asked, Float, PromptAttributor
from morelli.attributors.prompts.known import Known
from morelli.attributors.prompts.nearest import centroid_scores, seed_variance
from morelli.attributors.prompts.two_level import TwoLevel, fit_two_level
from morelli.attributors.registry import register_attributor

__all__ = ["PromptFused"]


class _Family(NamedTuple):
    """What was learned of one family of features."""

    model: TwoLevel
    variance: float


class PromptFused(PromptAttributor):
    """Three experts for each family of features, their log-likelihoods weighed and added.

    ``centroid`` is the attack of Naseh et al.; ``own`` and ``offset`` are those of `TwoLevel`: the references of the
    prompt moved by what each model does to all prompts, and that alone. Parameters are those of `PromptAttributor`.
    """

    def _learn(self, known: Known) -> dict[str, _Family]:
        return {
            name: _Family(fit_two_level(own := known.columns(block)), seed_variance(own))
            for name, block in self.families_.items()
        }

    def _experts(self, learned: dict[str, _Family], known: Known, asked: Asked) -> Mapping[str, Float]:
        said: dict[str, Float] = {}
        for name, block in self.families_.items():
            family, own = learned[name], known.columns(block)
            here = Asked(asked.X[:, block], asked.prompts, asked.texts)
            said[f"{name}:centroid"] = centroid_scores(own, here, "euclidean") / family.variance
            for kind, scores in family.model.log_likelihood(own, here.X, here.prompts).items():
                said[f"{name}:{kind}"] = scores
        return said


@register_attributor(
    "prompt-fused",
    summary="References of the image's own prompt and each model's offset from all prompts, fused.",
    source="this project, docs/leaderboard.md",
    encoder="forensic",
    n_folds=None,
    prompts=True,
)
def _fused(blocks: Mapping[str, slice], *, seed: int, level: float, **options: Any) -> PromptFused:
    return PromptFused(dict(blocks), **{"random_state": seed, "level": level, **options})
