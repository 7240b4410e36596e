"""Votes in pairwise battles, and what a rating needs of them: who beat whom how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.errors import MorelliError

__all__ = ["LEFT", "RIGHT", "TIE", "Tally", "Votes"]

Codes = NDArray[np.int64]
Float = NDArray[np.float64]

LEFT: Final = 0
RIGHT: Final = 1
TIE: Final = 2


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of battles by pair; votes with weights make them fractions.

    Attributes
    ----------
    models : tuple of str
    wins : ndarray, shape (M, M)
        ``wins[i, j]`` is how often i beat j.
    ties : ndarray, shape (M, M)
        Symmetric.

    Raises
    ------
    MorelliError
        The matrices have another shape, a count is negative or no number, a model fights itself, or ties are lopsided.
    """

    models: tuple[str, ...]
    wins: Float
    ties: Float

    def __post_init__(self) -> None:
        shape = (len(self.models), len(self.models))
        for name in ("wins", "ties"):
            matrix = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, matrix)
            if matrix.shape != shape:
                raise MorelliError(f"The matrix of {name} needs the shape {shape}, not {matrix.shape}.")
            if not np.isfinite(matrix).all() or (matrix < 0.0).any():
                raise MorelliError(f"The matrix of {name} holds counts, none of them negative or undefined.")
            if np.diagonal(matrix).any():
                raise MorelliError(f"The matrix of {name} has a model that fights itself.")
        if not np.array_equal(self.ties, self.ties.T):
            raise MorelliError("A tie of i and j is a tie of j and i: the matrix of ties is symmetric.")
        if len(set(self.models)) < len(self.models):
            raise MorelliError("Two models of a tally have the same name.")

    @property
    def score(self) -> Float:
        """Wins, with half a win to each side of a tie, shape (M, M)."""
        return self.wins + self.ties / 2.0

    @property
    def battles(self) -> Float:
        """How often each pair met, shape (M, M), symmetric."""
        return self.wins + self.wins.T + self.ties

    @property
    def n(self) -> float:
        """Number of votes."""
        return float(self.wins.sum() + self.ties.sum() / 2.0)

    def __add__(self, other: Tally) -> Tally:
        if other.models != self.models:
            raise MorelliError("Tallies are added where they are over the same models in the same order.")
        return Tally(self.models, self.wins + other.wins, self.ties + other.ties)


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes, one row each.

    Attributes
    ----------
    models : tuple of str
    left, right : ndarray of int64, shape (n,)
        Codes into `models`.
    outcome : ndarray of int8, shape (n,)
        `LEFT`, `RIGHT` or `TIE`.
    voter : ndarray of int64, shape (n,), or None
        Codes into `voters`, where it is known who voted.
    voters : tuple of str
    time : ndarray of float64, shape (n,), or None
        Seconds since any beginning.

    Raises
    ------
    MorelliError
        Vectors differ in length, a code or an outcome is none, or a model fights itself.
    """

    models: tuple[str, ...]
    left: Codes
    right: Codes
    outcome: NDArray[np.int8]
    voter: Codes | None = None
    voters: tuple[str, ...] = ()
    time: Float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        kinds = (("left", np.int64), ("right", np.int64), ("outcome", np.int8), ("voter", np.int64), ("time", float))
        for name, kind in kinds:
            if getattr(self, name) is not None:
                put(self, name, np.asarray(getattr(self, name), dtype=kind))
        n = len(self.left)
        for name, _ in kinds:
            value = getattr(self, name)
            if value is not None and value.shape != (n,):
                raise MorelliError(f"Votes need one value of {name} for each of {n}, not the shape {value.shape}.")
        ranges = (("left", len(self.models)), ("right", len(self.models)), ("outcome", 3), ("voter", len(self.voters)))
        for name, size in ranges:
            value = getattr(self, name)
            if value is not None and n and (value.min() < 0 or value.max() >= size):
                raise MorelliError(f"Codes of {name} are 0 to {size - 1}, not {value.min()} to {value.max()}.")
        if (self.left == self.right).any():
            raise MorelliError("A battle is between two different models.")
        if self.time is not None and not np.isfinite(self.time).all():
            raise MorelliError("The time of a vote is not finite.")

    def __len__(self) -> int:
        return len(self.left)

    @property
    def cell(self) -> Codes:
        """Left, right and outcome as one number, ``(left * M + right) * 3 + outcome``, shape (n,)."""
        return (self.left * len(self.models) + self.right) * 3 + self.outcome

    def take(self, index: ArrayLike) -> Votes:
        """Return the votes at `index` (integers or a mask), with all names kept."""
        at = np.asarray(index)
        at = at if at.size else at.astype(np.int64)
        return replace(
            self,
            left=self.left[at],
            right=self.right[at],
            outcome=self.outcome[at],
            voter=None if self.voter is None else self.voter[at],
            time=None if self.time is None else self.time[at],
        )

    def tally(self, weights: ArrayLike | None = None) -> Tally:
        """Count the votes by pair.

        Parameters
        ----------
        weights : array-like of float, shape (n,), optional
            What each vote counts; 1 where nothing is said.
        """
        return tally_of_cells(self.models, self.cell, weights)

    @classmethod
    def of(
        cls,
        model_a: Sequence[str],
        model_b: Sequence[str],
        outcome: Sequence[int],
        voter: Sequence[str] | None = None,
        time: ArrayLike | None = None,
    ) -> Votes:
        """Return votes from names; models and voters are sorted by name.

        Parameters
        ----------
        model_a, model_b : sequence of str, length n
            On the left and on the right.
        outcome : sequence of int, length n
            `LEFT`, `RIGHT` or `TIE`.
        voter : sequence of str, optional
        time : array-like of float, optional
            Seconds.
        """
        n = len(model_a)
        if len(model_b) != n:
            raise MorelliError(f"Each of {n} battles has two models; {len(model_b)} second models were given.")
        names, codes = np.unique(np.asarray([*model_a, *model_b], dtype=str), return_inverse=True)
        who, who_codes = (None, None) if voter is None else np.unique(np.asarray(voter, dtype=str), return_inverse=True)
        return cls(
            tuple(names.tolist()),
            codes[:n],
            codes[n:],
            np.asarray(outcome, dtype=np.int8),
            who_codes,
            () if who is None else tuple(who.tolist()),
            None if time is None else np.asarray(time, dtype=np.float64),
        )


def tally_of_cells(models: tuple[str, ...], cells: Codes, weights: ArrayLike | None = None) -> Tally:
    """Return the tally of votes that are given as cells, see `Votes.cell`."""
    m = len(models)
    values = None if weights is None else np.asarray(weights, dtype=np.float64)
    counts = np.bincount(cells, weights=values, minlength=3 * m * m).astype(np.float64).reshape(m, m, 3)
    wins = counts[:, :, LEFT] + counts[:, :, RIGHT].T
    ties = counts[:, :, TIE] + counts[:, :, TIE].T
    return Tally(models, wins, ties)
