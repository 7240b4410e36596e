"""Features of unlike scales on one scale, for distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from morelli.leaderboard.board import Board

__all__ = ["standardised"]


def standardised(board: Board) -> Board:
    """Return the board with each column centred and divided by its standard deviation within prompts.

    Statistics of several families are of unlike scales, and the largest would decide every distance alone. What prompts
    differ by is left out of the scale, for mostly images of one prompt are compared. No model is looked at. Columns
    that do not vary within prompts become 0. A note on the board says so.

    Parameters
    ----------
    board : Board
    """
    n = np.bincount(board.prompt, minlength=len(board.prompts))
    order = np.argsort(board.prompt, kind="stable")
    there = np.flatnonzero(n)
    X = board.X[order].astype(np.float64)
    if not len(X):
        return board
    starts = np.concatenate([[0], np.cumsum(n[there])[:-1]])
    X -= np.repeat(np.add.reduceat(X, starts, axis=0) / n[there, None], n[there], axis=0)
    spread = np.sqrt((X**2).mean(axis=0))
    # A constant column keeps a rest of rounding, which is no variation.
    varies = spread > 1e-6 * np.abs(board.X).max(axis=0)
    centred = board.X - board.X.mean(axis=0, dtype=np.float64)
    values = np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
    note = "Features are of several scales: each was divided by its standard deviation within prompts."
    return replace(board, X=values.astype(np.float32), notes=(*board.notes, note))
