"""Defences that change no pixel: which image of a model is shown, and which prompts are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import cell_means
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.defence.registry import Defence, register_defence
from morelli.leaderboard.exposure import separability

__all__ = ["least_exposed", "nearest_to_the_middle", "prompt_exposure"]

Float = NDArray[np.floating]
Codes = NDArray[np.int64]


def nearest_to_the_middle(board: Board, keep: int = 1) -> Codes:
    """Choose, for every prompt and model, the images that stand out least.

    The middle of a prompt is the mean of its models' means. As many are chosen from every model as the model with the
    fewest images of the prompt has, and `keep` at most: numbers give nobody away.

    Parameters
    ----------
    board : Board
        Candidates, by an encoder that the operator has.
    keep : int, default 1
        Images of each model for a prompt.

    Returns
    -------
    ndarray of int64
        Rows of the board, ascending.

    Raises
    ------
    MorelliError
        `keep` is below 1.
    """
    if keep < 1:
        raise MorelliError(f"At least one image of each model has to be shown, not {keep}.")
    n_prompts, n_models = board.counts.shape
    means, counts = cell_means(board.X, board.cell, n_prompts * n_models)
    there = (counts > 0).reshape(n_prompts, n_models)
    means = np.nan_to_num(means).reshape(n_prompts, n_models, -1)
    middle = means.sum(axis=1) / np.maximum(there.sum(axis=1), 1)[:, None]
    distance = np.linalg.norm(board.X - middle[board.prompt], axis=1)
    most = np.where(there, board.counts, np.iinfo(np.int64).max).min(axis=1)
    order = np.lexsort((np.arange(len(board)), distance, board.cell))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.arange(len(board)) - starts[board.cell[order]]
    chosen = order[place < np.minimum(keep, most)[board.prompt[order]]]
    return np.sort(chosen).astype(np.int64)


def prompt_exposure(board: Board) -> NDArray[np.float64]:
    """Return how well models can be told apart on each prompt: the mean over models of frac(i, j), shape (prompts,).

    See :func:`morelli.leaderboard.exposure.separability`. The share of separable models has few values, and a mean
    tells prompts apart where it is the same. NaN where no model has two images for a prompt of another.

    Parameters
    ----------
    board : Board
    """
    try:
        return separability(board, n_boot=1).prompt_frac
    except NotEnoughDataError:
        return np.full(len(board.prompts), np.nan)


def least_exposed(scores: Float, share: float = 0.5) -> Codes:
    """Choose the prompts on which models are told apart worst.

    Parameters
    ----------
    scores : ndarray, shape (prompts,)
        How exposing each is; NaN where nothing is known, and such a prompt is never chosen.
    share : float, default 0.5
        Of the prompts with a score, in (0, 1]; rounded up.

    Returns
    -------
    ndarray of int64
        Prompts, ascending; of equal scores the first.

    Raises
    ------
    NotEnoughDataError
        No prompt has a score.
    MorelliError
        The share is out of its range.
    """
    if not 0 < share <= 1:
        raise MorelliError(f"The share of prompts that are shown lies above 0 and at most at 1, not at {share}.")
    values = np.asarray(scores, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise NotEnoughDataError(
            "No prompt has a score of exposure, so that none can be chosen: two models need two images each beside "
            "those that the attack is judged on."
        )
    order = known[np.argsort(values[known], kind="stable")]
    return np.sort(order[: math.ceil(share * len(known) - 1e-9)])


BALANCE = register_defence(
    Defence(
        "balance",
        "Show of each model the image nearest to the prompt's middle, and equally many of all: outliers are hidden.",
        "choice",
    )
)
LOW_EXPOSURE = register_defence(
    Defence("low-exposure", "Show the half of the prompts on which models are told apart worst.", "prompts")
)
