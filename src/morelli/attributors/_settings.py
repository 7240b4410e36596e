"""The settings that the fused attributor and its version for several views have in common."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.base import BaseEstimator, ClassifierMixin

__all__ = ["FusedSettings"]


class FusedSettings(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with the parameters of :class:`~morelli.attributors.FusedAttributor`, where they are described."""

    def __init__(
        self,
        blocks: Mapping[str, slice] | None = None,
        *,
        shrinkage: float = 0.003,
        within_share: float = 0.3,
        n_folds: int = 10,
        level: float = 0.9,
        set_method: str = "lac",
        set_per_class: bool = False,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.shrinkage = shrinkage
        self.within_share = within_share
        self.n_folds = n_folds
        self.level = level
        self.set_method = set_method
        self.set_per_class = set_per_class
        self.random_state = random_state
