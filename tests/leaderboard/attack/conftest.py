from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from morelli.catalog import Catalog
from morelli.encoders import FeatureCache
from morelli.leaderboard.attack import AttackResult, run_attack

from ._planted import ENCODER, board_of

CENTROID, FUSED, KNN = (f"{name}@{ENCODER}" for name in ("prompt-centroid", "prompt-fused", "knn"))
Attacking = Callable[..., AttackResult]


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("attack") / "features.sqlite")


@pytest.fixture(scope="package")
def attack(cache: FeatureCache) -> Attacking:
    """Attack quickly; arguments replace the small ones."""

    def run(catalog: Catalog, **changes: Any) -> AttackResult:
        small = {
            "attributors": [CENTROID], "encoder": ENCODER, "references": (1, 2), "pools": (2,), "draws": 2, "folds": 3,
            "cache": cache, "jobs": 1,
        }  # fmt: skip
        return run_attack(catalog, **{**small, **changes})

    return run


@pytest.fixture(scope="package")
def full(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """6 prompts, 4 models, 4 images of each."""
    return board_of(tmp_path_factory.mktemp("attack full"))


@dataclass(frozen=True)
class Done:
    """A finished attack, and where its parts are."""

    result: AttackResult
    folder: Path

    def cells(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Return cells by attributor without its encoder, and references."""
        rows = self.result.study.cells.to_pylist()
        return {(row["attributor"].partition("@")[0], row["k"]): row for row in rows}


NAMES = (
    *(f"{n}@{ENCODER}" for n in ("prompt-fused", "prompt-centroid", "prompt-knn", "prompt-mlp:text", "knn")),
    "dzanic",
)


@pytest.fixture(scope="package")
def done(full: Catalog, attack: Attacking, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("attack parts") / "new é"
    return Done(attack(full, attributors=NAMES, pools=(2, 3, 4, 9), folder=folder), folder)
