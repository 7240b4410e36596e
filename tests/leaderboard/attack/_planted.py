"""A leaderboard of tiny pictures: every prompt has a pattern of its own, every model a tint of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from morelli.catalog import Catalog
from studies._planted import tinted, write_catalog

TINTS = {"blau": (-26, 0, 26), "grün": (-26, 26, -26), "plain": (0, 0, 0), "warm": (26, 0, -26)}
MODELS = tuple(TINTS)
ENCODER = "forensic[colour]"
WORDS = ("waves at sea", "dunes of sand", "hills in fog", "a quiet lake", "a café at night", "two red foxes")

Row = tuple[Image.Image, dict[str, str]]


def pattern(prompt: int, rng: np.random.Generator, side: int = 64) -> Image.Image:
    """Return one picture for a prompt: waves of its own colours and length, and noise."""
    own = np.random.default_rng([41, prompt])
    base, strength = own.uniform(115, 135, 3), own.uniform(10, 30, 3)
    waves = np.sin(np.arange(side) / own.uniform(2, 9) + rng.uniform(0, 6))[:, None, None]
    pixels = base + waves * strength + rng.normal(0, 10, (side, side, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def rows(
    prompts: int = 6,
    each: int = 4,
    models: Sequence[str] = MODELS,
    *,
    seed: int = 0,
    fewer: Mapping[tuple[int, str], int] | None = None,
) -> list[Row]:
    """Return pictures with their labels; `fewer` says how many there are of a prompt and model instead of `each`."""
    rng = np.random.default_rng(seed)
    return [
        (tinted(pattern(p, rng), TINTS[model]), {"model": model, "prompt_id": f"p{p}", "prompt": WORDS[p]})
        for p in range(prompts)
        for model in models
        for _ in range((fewer or {}).get((p, model), each))
    ]


def board_of(folder: Path, change: Callable[[list[Row]], None] | None = None, **of: object) -> Catalog:
    """Return a catalog of written files."""
    made = rows(**of)  # type: ignore[arg-type]
    if change is not None:
        change(made)
    return write_catalog(folder, made)
