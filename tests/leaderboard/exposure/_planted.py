"""Boards with planted effects, and slow ways to measure them that are plain to see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.leaderboard.board import Board


def planted(
    models: int = 4,
    prompts: int = 12,
    images: int | tuple[int, ...] = 6,
    dim: int = 8,
    *,
    pair: float | NDArray[np.float64] = 1.0,
    own: float = 0.0,
    seed: int = 0,
    named: dict[str, tuple[str, ...]] | None = None,
    **of: object,
) -> Board:
    """Return a board: noise of standard deviation 1, and a mean for each prompt and model, `pair` times as large.

    `pair` may be one number for each prompt, `images` one for each model; `own` is the scale of models' offsets.
    """
    rng = np.random.default_rng(seed)
    counts = np.broadcast_to(np.asarray(images), (models,))
    scale = np.broadcast_to(np.asarray(pair, dtype=np.float64), (prompts,))
    offsets = own * rng.standard_normal((models, dim))
    X, model, prompt = [], [], []
    for p in range(prompts):
        for m in range(models):
            mean = offsets[m] + scale[p] * rng.standard_normal(dim)
            X.append(mean + rng.standard_normal((counts[m], dim)))
            model += [m] * counts[m]
            prompt += [p] * counts[m]
    names: dict[str, object] = {
        "models": tuple(f"model-{m}" for m in range(models)),
        "prompts": tuple(f"prompt-{p}" for p in range(prompts)),
        **(named or {}),
        **of,
    }
    return Board(np.concatenate(X), np.array(model), np.array(prompt), **names)  # type: ignore[arg-type]


def shuffled(board: Board, seed: int = 1) -> Board:
    """Return the same images in another order."""
    return board.take(np.random.default_rng(seed).permutation(len(board)))


def brute_frac(board: Board, metric: str = "euclidean") -> NDArray[np.float64]:
    """Return frac by loops over images, with differences of vectors in 64 bits."""
    P, M = len(board.prompts), len(board.models)
    result = np.full((P, M), np.nan)
    X = board.X.astype(np.float64)
    for p in range(P):
        rows = np.flatnonzero(board.prompt == p)
        for m in range(M):
            own = rows[board.model[rows] == m]
            if len(own) < 2 or len(own) == len(rows):
                continue
            hits = 0
            for i in own:
                away = {j: distance(X[i], X[j], metric) for j in rows if j != i}
                mine = min(value for j, value in away.items() if board.model[j] == m)
                hits += mine < min(value for j, value in away.items() if board.model[j] != m)
            result[p, m] = hits / len(own)
    return result


def distance(a: NDArray[np.float64], b: NDArray[np.float64], metric: str) -> float:
    if metric == "euclidean":
        return float(np.linalg.norm(a - b))
    return float(1.0 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
