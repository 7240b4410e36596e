from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from _small import ENCODER, MODELS, build_small
from morelli.attributors import Bundle, fit_bundle
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache


@dataclass(frozen=True)
class Desk:
    """Four models by sixteen prompts, and bundles that know the first few of these."""

    catalog: Catalog
    cache: FeatureCache
    prompts: list[str]
    early: Bundle
    late: Bundle

    def of(self, *prompts: int) -> Catalog:
        names = {self.prompts[number] for number in prompts}
        return self.catalog.filter([prompt in names for prompt in self.catalog.column("prompt_id")])


@pytest.fixture(scope="session")
def fit() -> Callable[..., Bundle]:
    def fit(catalog: Catalog, cache: FeatureCache, **settings: object) -> Bundle:
        return fit_bundle(catalog, encoder=ENCODER, workers=1, cache=cache, **settings)  # type: ignore[arg-type]

    return fit


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, fit: Callable[..., Bundle]) -> Desk:
    small = build_small(tmp_path_factory.mktemp("versions é"), models=MODELS, prompts=16)
    prompts = sorted(set(small.catalog.column("prompt_id")))

    def first(n: int) -> Bundle:
        known = np.isin(small.catalog.column("prompt_id").astype(str), prompts[:n])
        return fit(small.catalog.filter(known), small.cache, name=f"first {n}")

    return Desk(small.catalog, small.cache, prompts, first(6), first(10))


@pytest.fixture(scope="session")
def saved(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return desk.early.save(tmp_path_factory.mktemp("bundles") / "early.morelli")
