"""Prompts that can be compared: those that all have the same models."""

from __future__ import annotations

import numpy as np

from morelli.leaderboard.board import Board

__all__ = ["comparable"]


def comparable(board: Board) -> Board:
    """Return the images of the most prompts that share the most models, with all names kept.

    A prompt with two models is told apart more easily than one with six, and two unlike models more easily than two
    alike: where prompts differ in their models, their exposure says more about that than about the prompts. Of all
    sets of models that some prompt has (two images or more of each), the one with the largest product of models and
    prompts that have them all is taken; of several, that with more models.

    Parameters
    ----------
    board : Board

    Returns
    -------
    Board
        The same object where nothing has to be left out.
    """
    there = board.counts >= 2
    patterns = np.unique(there[there.sum(axis=1) >= 2], axis=0)
    if not len(patterns):
        return board
    having = np.array([(there | ~pattern).all(axis=1) for pattern in patterns])
    sizes = patterns.sum(axis=1)
    best = np.lexsort((sizes, having.sum(axis=1) * sizes))[-1]
    kept = patterns[best][board.model] & having[best][board.prompt]
    return board if kept.all() else board.take(kept)
