"""The images of one prompt at a time, sorted by model, and the distances between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli._processes import processors
from morelli.attributors.prompts.distances import unit_vectors
from morelli.leaderboard.board import Board

__all__ = ["SLACK", "PromptImages", "over_prompts", "squared_distances"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
Result = TypeVar("Result")

SLACK = 1e-10
"""Squared distances closer than this, times the largest squared length, are equal: far above the rounding of sums in
64 bits (1e-14 or so), far below what embeddings of 32 bits can differ by."""


@dataclass(frozen=True, slots=True)
class PromptImages:
    """The images of one prompt.

    Attributes
    ----------
    prompt : int
        Code of the prompt.
    rows : ndarray of int64, shape (n,)
        Rows of the board, sorted by model.
    X : ndarray of float64, shape (n, d)
        Their embeddings.
    models : ndarray of int64, shape (m,)
        Codes of the models that have images, ascending.
    starts : ndarray of int64, shape (m + 1,)
        Where the images of each of them begin, and n.
    """

    prompt: int
    rows: Codes
    X: Float
    models: Codes
    starts: Codes

    @property
    def counts(self) -> Codes:
        """Images of each model, shape (m,)."""
        return np.diff(self.starts)

    @property
    def own(self) -> Codes:
        """Which of `models` made each image, shape (n,)."""
        return np.repeat(np.arange(len(self.models)), self.counts)


def over_prompts(
    board: Board, work: Callable[[PromptImages], Result], *, unit: bool = False, centred: bool = True
) -> Iterator[Result]:
    """Yield what `work` makes of the images of each contested prompt, by code.

    Prompts are done in threads, one for each processor, with linear algebra in one thread each: products of one prompt
    are too small to be shared, and results do not depend on the number of processors.

    Parameters
    ----------
    board : Board
    work : callable
        Of `PromptImages`; it may be called from several threads.
    unit : bool
        Whether embeddings are scaled to length 1: half the squared distance is then the cosine distance.
    centred : bool
        Whether the prompt's mean is taken off, which changes no Euclidean distance and saves digits.
    """
    order = np.argsort(board.cell, kind="stable").astype(np.int64)
    counts = board.counts  # computed here, once: threads shall not do it each
    ends = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])

    def one(prompt: int) -> Result:
        rows = order[ends[prompt] : ends[prompt + 1]]
        X = board.X[rows].astype(np.float64)
        if unit:
            X = unit_vectors(X).astype(np.float64, copy=False)
        if centred:
            X -= X.mean(axis=0)
        models = np.flatnonzero(counts[prompt]).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(counts[prompt, models])]).astype(np.int64)
        return work(PromptImages(prompt, rows, X, models, starts))

    prompts = np.flatnonzero(board.contested).tolist()
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
        yield from pool.map(one, prompts)


def squared_distances(X: Float) -> tuple[Float, float]:
    """Return the squared Euclidean distances between all rows, (n, n), infinite on the diagonal, and what counts as 0.

    The second value is the difference below which two of them are equal, see `SLACK`.
    """
    product = X @ X.T
    squares = np.diagonal(product).copy()
    product *= -2.0
    product += squares[:, None]
    product += squares[None]
    np.maximum(product, 0.0, out=product)
    np.fill_diagonal(product, np.inf)
    return product, SLACK * float(squares.max(initial=0.0))
