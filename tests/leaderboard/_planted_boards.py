"""Boards with planted models: Gaussian images around a mean of each prompt and model."""

from __future__ import annotations

import numpy as np

from morelli.leaderboard.board import Board


def planted(
    prompts: int = 12,
    models: int = 4,
    images: int = 6,
    d: int = 8,
    *,
    apart: float = 1.0,
    scale: float = 0.0,
    seed: int = 0,
) -> Board:
    """Return a board; models lie `apart` in standard deviations, which differ between prompts by exp(scale z)."""
    rng = np.random.default_rng(seed)
    size = np.exp(scale * rng.normal(size=(prompts, 1, 1, 1)))
    where = 20 * rng.normal(size=(prompts, 1, 1, d)) + apart * size * rng.normal(size=(prompts, models, 1, d))
    X = where + size * rng.normal(size=(prompts, models, images, d))
    p, m, _ = np.meshgrid(range(prompts), range(models), range(images), indexing="ij")
    return Board(
        X.reshape(-1, d),
        m.ravel(),
        p.ravel(),
        tuple(f"model-{i}" for i in range(models)),
        tuple(f"p{i:02d}" for i in range(prompts)),
        texts=tuple(f"{ANIMALS[i % 12]} {PLACES[i // 12 % 3]} {DOING[i % 5]}" for i in range(prompts)),
    )


ANIMALS = (
    "ogre", "panda", "octopus", "unicorn", "frog", "kraken", "lion", "sparrow", "beetle", "walrus", "hedgehog", "goat",
)  # fmt: skip
PLACES = ("in a forest", "on the moon", "under water")
DOING = ("eating cake", "playing chess", "reading", "sleeping", "riding a bicycle")
