from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from morelli.attributors import Bundle, fit_bundle
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache

MODELS = {"alba": "north", "bruno": "north", "carla": "south"}
PROMPTS = 8
SIDE = 96


def paint(model: str, prompt: int, seed: int = 0) -> NDArray[np.uint8]:
    """Make a picture of a prompt (large smooth shapes) in the hand of a model (its texture)."""
    shapes = np.random.default_rng(1000 + prompt).integers(60, 200, (5, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(shapes).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(np.float64)
    rng = np.random.default_rng([list(MODELS).index(model), prompt, seed])
    if model == "alba":  # fine grain
        grain = rng.normal(0, 8, smooth.shape)
    elif model == "bruno":  # grain of two pixels
        grain = rng.normal(0, 8, (SIDE // 2, SIDE // 2, 3)).repeat(2, axis=0).repeat(2, axis=1)
    else:  # a grid of eight pixels under faint grain
        grid = (np.arange(SIDE) % 8 == 0)[:, None] | (np.arange(SIDE) % 8 == 0)[None]
        grain = rng.normal(0, 1, smooth.shape) + 10 * grid[:, :, None]
    return np.asarray(np.clip(smooth + grain, 0, 255), dtype=np.uint8)


@dataclass(frozen=True)
class References:
    """Three models x eight prompts on disk, measured once."""

    folder: Path
    manifest: Path
    catalog: Catalog
    cache: FeatureCache


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep linear algebra from waiting for its own threads: problems here are tiny, and processors may be busy."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    folder = tmp_path_factory.mktemp("references")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model", "lineage", "prompt_id"])
        for model, lineage in MODELS.items():
            for prompt in range(PROMPTS):
                name = f"{model}-{prompt}.png"
                Image.fromarray(paint(model, prompt)).save(folder / name)
                writer.writerow([name, model, lineage, f"p{prompt}"])
    catalog = build_catalog(folder / "manifest.csv", workers=1)
    assert catalog.n_unreadable == 0
    return References(folder, folder / "manifest.csv", catalog, FeatureCache(folder / "features.sqlite"))


@pytest.fixture(scope="session")
def bundle(references: References) -> Bundle:
    return fit_bundle(references.catalog, name="trio", version="7", cache=references.cache, workers=1)


@pytest.fixture(scope="session")
def bundle_file(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle.save(tmp_path_factory.mktemp("bundles") / "trio.morelli")
