"""Which images are references and which are judged, drawn again and again: the same images are judged at every k."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import cell_means
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board

__all__ = ["Draw", "clip_references", "draw_references"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One split of a board.

    Attributes
    ----------
    place : ndarray of int64, shape (n,)
        Of each image among the references of its prompt and model, from 0; -1 for the one that is judged.
    judged : ndarray of int64, shape (j,)
        Rows that are judged, on prompts of two models or more.
    """

    place: Codes
    judged: Codes

    def references(self, k: int) -> Codes:
        """Return the rows of the first `k` references of each prompt and model; those of a smaller k are among them."""
        return np.flatnonzero((self.place >= 0) & (self.place < k))

    def centroids(self, board: Board, ks: Sequence[int]) -> Iterator[tuple[NDArray[np.float64], Codes]]:
        """Yield the means of the first k references of each cell, (P, M, d), and their numbers, (P, M), for each k.

        NaN where there are none. As references of a smaller k are among those of a greater one, only what is new is
        added.

        Parameters
        ----------
        board : Board
        ks : sequence of int
            Ascending.
        """
        shape = (len(board.prompts), len(board.models))
        sums, counts = np.zeros((shape[0] * shape[1], board.X.shape[1])), np.zeros(shape[0] * shape[1], dtype=np.int64)
        before = 0
        for k in ks:
            new = np.flatnonzero((self.place >= before) & (self.place < k))
            means, more = cell_means(board.X[new], board.cell[new], len(counts))
            sums += np.where(more[:, None] > 0, means * more[:, None], 0.0)
            counts = counts + more
            before = k
            with np.errstate(invalid="ignore"):
                yield (sums / counts[:, None]).reshape(*shape, -1), counts.reshape(shape)


def draw_references(board: Board, n_draws: int, seed: int) -> Iterator[Draw]:
    """Draw the image that is judged, for every prompt and model, and the order of the others as references.

    One image of each prompt and model is judged in each draw, so that all models have equal shares of the prompts that
    they have images for, and an image is never among its own references. A single image of a model for a prompt is a
    reference, and is never judged.

    Parameters
    ----------
    board : Board
    n_draws : int
    seed : int

    Raises
    ------
    NotEnoughDataError
        No image can be judged.
    """
    if n_draws < 1:
        raise MorelliError(f"At least one draw is needed, not {n_draws}.")
    n_cells = len(board.prompts) * len(board.models)
    counts = np.bincount(board.cell, minlength=n_cells)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for number in range(n_draws):
        # Each draw has a stream of its own, so that more draws do not change the first ones.
        order = np.lexsort((np.random.default_rng([seed, number]).random(len(board)), board.cell))
        place = np.empty(len(board), dtype=np.int64)
        place[order] = np.arange(len(board)) - first[board.cell[order]]
        place -= counts[board.cell] >= 2
        judged = np.flatnonzero((place < 0) & board.contested[board.prompt])
        if not len(judged):
            raise NotEnoughDataError(
                "No image can be judged: a prompt needs images of two models, and one of these models at least two "
                "images, one to be judged and one as a reference."
            )
        yield Draw(place, judged)


def clip_references(board: Board, references: Sequence[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the numbers of references that there can be, ascending, and a note on those that were clipped.

    A number greater than every prompt and model has beside the image that is judged stands for all that there are.

    Raises
    ------
    MorelliError
        No number is asked for, or one below 1.
    """
    asked = sorted(set(references))
    if not asked or asked[0] < 1:
        raise MorelliError(f"Numbers of references are 1 or more, not {', '.join(map(str, asked)) or 'none'}.")
    most = max(1, int(board.counts.max(initial=0)) - 1)
    kept = tuple(dict.fromkeys(min(k, most) for k in asked))
    if asked[-1] <= most:
        return kept, ()
    above = [str(k) for k in asked if k > most]
    return kept, (
        f"No model has more than {most} references for a prompt beside the image that is judged: {most} stand for "
        f"{', '.join(above)}.",
    )
