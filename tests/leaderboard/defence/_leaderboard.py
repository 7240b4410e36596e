"""A small leaderboard of real files: every model tints its images, and pictures differ by prompt and by seed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from morelli.catalog import Catalog, build_catalog
from morelli.encoders import ForensicEncoder

MODELS = ("amber", "blue", "céladon")
TINTS = {"amber": (9, 0, -9), "blue": (-9, 0, 9), "céladon": (-4, 9, 0)}
SIDE = 96


@dataclass(frozen=True)
class Made:
    folder: Path
    catalog: Catalog


def picture(prompt: int, seed: int, side: int = SIDE) -> np.ndarray:
    """Smooth shapes of the prompt, moved and grained by the seed; float (side, side, 3)."""
    shapes, grain = np.random.default_rng((prompt, 1)), np.random.default_rng((prompt, seed, 2))
    rows, columns = np.mgrid[0:side, 0:side]
    planes = []
    for channel in range(3):
        wide, tall = shapes.uniform(6, 14, 2)
        shift = shapes.uniform(0, 6) + 0.2 * grain.normal()
        planes.append(np.sin(rows / tall + shift) + np.cos(columns / wide + channel))
    return 128 + 35 * np.stack(planes, axis=2) + grain.normal(0, 5, (side, side, 3))


def tinted(prompt: int, seed: int, model: str, strength: float = 1.0) -> np.ndarray:
    values = picture(prompt, seed) + strength * np.asarray(TINTS[model])
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def make_leaderboard(
    folder: Path, prompts: int = 6, images: int = 5, models: tuple[str, ...] = MODELS, strength: float = 1.0
) -> Made:
    rows = []
    for prompt in range(prompts):
        for model in models:
            for seed in range(images):
                # JPEG of the model's own quality: containers give models away too.
                name = f"{model}-{prompt}-{seed}.jpg"
                folder.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(tinted(prompt, 100 * MODELS.index(model) + seed, model, strength))
                image.save(folder / name, quality=90 + 3 * MODELS.index(model), subsampling=0)
                rows.append({"path": name, "model": model, "prompt_id": f"p{prompt}", "prompt": f"prompt {prompt}"})
    with (folder / "images.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    build_catalog(folder / "images.csv", folder / "images.parquet", workers=1)
    return Made(folder, Catalog.read(folder / "images.parquet"))


def encoder() -> ForensicEncoder:
    """Measures colour, which is what the models differ by."""
    return ForensicEncoder(["colour"])
