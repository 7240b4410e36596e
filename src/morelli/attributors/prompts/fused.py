"""The best attack that we know: references of the prompt, and what models do to all prompts, family by family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts._base import Asked, Float, PromptAttributor
from morelli.attributors.prompts._known import Known
from morelli.attributors.prompts.nearest import centroid_scores, seed_variance
from morelli.attributors.prompts.two_level import TwoLevel, fit_two_level
from morelli.attributors.registry import register_attributor

__all__ = ["PromptFused"]

_CLIP = 5.0
"""Standardised features are brought in to this: single outliers would move means of few references."""


@dataclass(frozen=True, slots=True, eq=False)
class _Family:
    """What was learned of one family of features."""

    mean: Float
    scale: Float
    model: TwoLevel
    variance: float

    def standardised(self, X: NDArray[np.floating]) -> Float:
        return np.asarray(np.clip((X - self.mean) / self.scale, -_CLIP, _CLIP), dtype=np.float64)


class PromptFused(PromptAttributor):
    """Three experts for each family of features, their log-likelihoods weighed and added.

    ``centroid`` is the attack of Naseh et al.; ``own`` and ``offset`` are those of `TwoLevel`: the references of the
    prompt moved by what each model does to all prompts, and that alone.

    Parameters
    ----------
    blocks : mapping of str to slice, optional
        Columns of each family; by default all columns are one.
    n_folds, rounds, level, random_state
        As for `PromptAttributor`.
    """

    def __init__(
        self,
        blocks: Mapping[str, slice] | None = None,
        *,
        n_folds: int = 5,
        rounds: int = 4,
        level: float = 0.9,
        random_state: int = 0,
    ) -> None:
        super().__init__(n_folds=n_folds, rounds=rounds, level=level, random_state=random_state)
        self.blocks = blocks

    def _families(self, width: int) -> Mapping[str, slice]:
        return {"features": slice(0, width)} if self.blocks is None else self.blocks

    def _learn(self, known: Known) -> dict[str, _Family]:
        found = {}
        for name, block in self._families(known.X.shape[1]).items():
            own = known.columns(block)
            mean, scale = own.X.mean(axis=0, dtype=np.float64), own.X.std(axis=0, dtype=np.float64)
            scale = np.where(scale > 1e-9 * max(float(scale.max()), 1e-30), scale, 1.0)  # a constant stays one
            values = np.clip((own.X - mean) / scale, -_CLIP, _CLIP)
            own = Known(values, own.codes, own.prompts, own.n_classes)
            found[name] = _Family(mean, scale, fit_two_level(own), seed_variance(own))
        return found

    def _experts(self, learned: dict[str, _Family], known: Known, asked: Asked) -> Mapping[str, Float]:
        said: dict[str, Float] = {}
        for name, block in self._families(known.X.shape[1]).items():
            family = learned[name]
            own = Known(family.standardised(known.X[:, block]), known.codes, known.prompts, known.n_classes)
            here = Asked(family.standardised(asked.X[:, block]), asked.prompts, asked.texts)
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
