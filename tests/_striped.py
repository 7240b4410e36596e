"""A catalog of small images whose models are told by their stripes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from morelli.catalog import Catalog, build_catalog

NAMES = ("across", "along", "flat")


def build(folder: Path, prompts: range, models: tuple[str, ...] = NAMES) -> Catalog:
    """Two images of each model and prompt: the prompt is its colour, the model is its stripes."""
    folder.mkdir(parents=True)
    stripes = np.where(np.arange(48) % 4 < 2, -50, 50)
    traces = {"across": stripes[:, None, None], "along": stripes[None, :, None]}
    rows = [("path", "model", "prompt_id", "lineage")]
    for prompt in prompts:
        colour = np.random.default_rng(prompt).integers(90, 166, 3)
        for model in models:
            for draw in range(2):
                rng = np.random.default_rng([prompt, draw, len(model)])
                pixels = colour + traces.get(model, 0) + rng.normal(0, 20, (48, 48, 3))
                name = f"{prompt}-{model}-{draw}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name)
                rows.append((name, model, f"p{prompt}", model[0]))
    with (folder / "images.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return build_catalog(folder / "images.csv", workers=1)
