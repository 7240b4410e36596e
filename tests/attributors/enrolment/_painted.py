"""Painted images of a few models as catalogs, for enrolling from files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.catalog import Catalog, build_catalog

ENCODER = "forensic[colour,sharpness]"
OLD = ("ada", "bob", "cyd", "eva", "fay", "gus")
SIDE = 160


def paint(model: str, prompt: int, seed: int = 0) -> NDArray[np.uint8]:
    """Make a picture of a prompt (large smooth shapes) in the hand of a model (its tint and its grain)."""
    rng = np.random.default_rng([*model.encode(), prompt, seed])
    hand = np.random.default_rng(list(model.encode()))
    shapes = np.random.default_rng(1000 + prompt).integers(60, 200, (5, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(shapes).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(np.float64)
    tint, strength, coarse = hand.normal(0, 12, 3), hand.uniform(2, 12), int(hand.choice([1, 2, 4]))
    grain = rng.normal(0, strength, (SIDE // coarse, SIDE // coarse, 3)).repeat(coarse, 0).repeat(coarse, 1)
    return np.asarray(np.clip(smooth + tint + grain, 0, 255), dtype=np.uint8)


def painted(folder: Path, models: tuple[str, ...], prompts: range, *, seed: int = 0, **columns: str) -> Catalog:
    """Paint images and return their catalog; more columns have one value for all."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model", "prompt_id", *columns])
        for model in models:
            for prompt in prompts:
                name = f"{model} {prompt} é.png"
                Image.fromarray(paint(model, prompt, seed)).save(folder / name)
                writer.writerow([name, model, f"p{prompt}", *columns.values()])
    return build_catalog(folder / "images.csv", workers=1)
