"""How well somebody recognises the models behind anonymous images: a measured confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes.reading import read_columns

__all__ = ["ABSTAINS", "Recognition", "read_recognition"]

Float = NDArray[np.float64]

ABSTAINS: Final = "abstains"
"""The answer that names nobody; an empty answer in a file means the same."""

_MOST_ROWS: Final = 5_000_000
_MOST_ANSWERS: Final = 1e15  # beyond, numbers are not told apart from their neighbours

_ATTACK: Final = ("attributor", "reads", "k")
"""Columns that say of which attack a row is, where a file holds several."""

_SHOWN: Final = 5


@dataclass(frozen=True, eq=False)
class Recognition:
    """Answers to images of each model.

    Attributes
    ----------
    models : tuple of str
    counts : ndarray, shape (M, M + 1)
        ``counts[i, a]`` images of model i were taken for model a; the last column counts those that got no name.
    measured : bool
        Whether these are counts of images; what is assumed (perfect, chance) has no sampling error.

    Raises
    ------
    MorelliError
        The matrix has another shape, or a count is negative or no number.
    NotEnoughDataError
        A model has no answer.
    """

    models: tuple[str, ...]
    counts: Float
    measured: bool = True

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts, dtype=np.float64)
        object.__setattr__(self, "counts", counts)
        m = len(self.models)
        if counts.shape != (m, m + 1):
            raise MorelliError(
                f"Recognition of {m} models is a matrix of {m} rows and {m + 1} columns, not {counts.shape}."
            )
        if not np.isfinite(counts).all() or (counts < 0.0).any():
            raise MorelliError("Recognition holds counts, none of them negative or undefined.")
        if counts.sum() > _MOST_ANSWERS:
            raise MorelliError(f"Recognition counts images, at most {_MOST_ANSWERS:.0e} of them.")
        empty = [name for name, n in zip(self.models, counts.sum(axis=1), strict=True) if n <= 0.0]
        if empty:
            raise NotEnoughDataError(f"There are no answers to images of {', '.join(empty)}.")

    @property
    def rates(self) -> Float:
        """Probability of each answer, given the model, shape (M, M + 1)."""
        return np.asarray(self.counts / self.counts.sum(axis=1, keepdims=True))

    @property
    def accuracy(self) -> float:
        """Mean over models of the share of their images that get their name, in [0, 1]."""
        return float(np.diagonal(self.rates).mean()) if self.models else float("nan")

    def accuracy_interval(self, seed: int = 0, n_boot: int = 1000) -> tuple[float, float]:
        """Return the 95% interval of `accuracy` by drawing the images of each model again."""
        if not self.measured:
            return self.accuracy, self.accuracy
        sizes = np.maximum(1, np.rint(self.counts.sum(axis=1))).astype(np.int64)
        rng = np.random.default_rng(seed)
        right = rng.binomial(sizes, np.diagonal(self.rates), size=(n_boot, len(sizes))) / sizes
        low, high = np.quantile(right.mean(axis=1), [0.025, 0.975])
        return float(low), float(high)

    @classmethod
    def of(cls, truth: Sequence[str], answer: Sequence[str | None], n: ArrayLike | None = None) -> Recognition:
        """Return a recognition from pairs of names.

        Parameters
        ----------
        truth : sequence of str
        answer : sequence of (str or None)
            None, "" and `ABSTAINS` name nobody.
        n : array-like of float, optional
            How often; 1 each where nothing is said.

        Raises
        ------
        MorelliError
            An answer names a model that is never the truth.
        """
        counts = np.ones(len(truth)) if n is None else np.asarray(n, dtype=np.float64)
        if not len(truth) == len(answer) == len(counts):
            raise MorelliError("Recognition needs a truth, an answer and a count in each row.")
        if not np.isfinite(counts).all() or (counts < 0.0).any():
            raise MorelliError("Recognition holds counts, none of them negative or undefined.")
        models = tuple(sorted(set(truth)))
        code = {name: i for i, name in enumerate(models)}
        nobody = {None: len(models), "": len(models), ABSTAINS: len(models)}
        foreign = sorted({str(a) for a in answer if a not in code and a not in nobody})
        if foreign:
            raise MorelliError(
                f"Answers name models of which there is no image: {', '.join(foreign)}. Measure them too, or count "
                f'these answers as "{ABSTAINS}".'
            )
        table = np.zeros((len(models), len(models) + 1))
        columns = [code[a] if a in code else nobody[a] for a in answer]
        np.add.at(table, ([code[name] for name in truth], columns), counts)
        return cls(models, table)

    @classmethod
    def perfect(cls, models: Sequence[str]) -> Recognition:
        """Return the recognition of somebody who is told the names."""
        m = len(models)
        return cls(tuple(models), np.eye(m, m + 1), measured=False)

    @classmethod
    def chance(cls, models: Sequence[str]) -> Recognition:
        """Return the recognition of somebody who guesses."""
        m = len(models)
        table = np.ones((m, m + 1))
        table[:, -1] = 0.0
        return cls(tuple(models), table, measured=False)

    def for_models(self, models: Sequence[str]) -> Recognition:
        """Return the recognition of some models, in their order; answers that name others name nobody.

        Raises
        ------
        MorelliError
            A model was not measured.
        """
        foreign = [name for name in models if name not in self.models]
        if foreign:
            raise MorelliError(
                f"How well {', '.join(foreign)} can be recognised was not measured; measured were: "
                f"{', '.join(self.models)}. Measure all models of the board (morelli leaderboard attack), or leave "
                "the votes on the others out."
            )
        at = [self.models.index(name) for name in models]
        named = self.counts[np.ix_(at, at)]
        rest = self.counts[at].sum(axis=1) - named.sum(axis=1)
        return Recognition(tuple(models), np.column_stack([named, np.maximum(rest, 0.0)]), self.measured)

    def resampled(self, rng: np.random.Generator) -> Recognition:
        """Return what another sample of as many images could have shown; itself where nothing was measured."""
        if not self.measured:
            return self
        sizes = np.maximum(1, np.rint(self.counts.sum(axis=1))).astype(np.int64)
        return Recognition(self.models, rng.multinomial(sizes, self.rates).astype(np.float64))


def read_recognition(path: str | Path, where: Mapping[str, str] | None = None) -> Recognition:
    """Read counts of recognitions, of one attack.

    Parameters
    ----------
    path : path-like
        CSV or Parquet with the columns ``truth``, ``answer`` and ``n``, as ``morelli leaderboard attack`` writes it; an
        answer that is empty or ``abstains`` names nobody.
    where : mapping of str to str, optional
        Take only rows with these values, as in ``{"attributor": "prompt-fused", "k": "30"}``.

    Raises
    ------
    MorelliError
        The file cannot be read, a column is missing, a value is wrong, or the rows are of several attacks.
    NotEnoughDataError
        There are no rows.
    """
    path, chosen = Path(path), dict(where or {})
    columns = dict.fromkeys(("truth", "answer", "n", *chosen))
    table = read_columns(path, tuple(columns), tuple(n for n in _ATTACK if n not in columns), _MOST_ROWS)
    for name, value in chosen.items():
        table = table.filter(pc.fill_null(pc.equal(table[name].cast(pa.string()), value), False))
    if not len(table):
        raise NotEnoughDataError(f"{path}: there are no answers in this table{' with these values' if where else ''}.")
    # Counts of a weak and of a strong attack added up are those of nobody.
    for name in (name for name in _ATTACK if name in table.column_names):
        values = table[name].cast(pa.string()).unique().to_pylist()
        if len(values) > 1:
            more = ", ..." if len(values) > _SHOWN else ""
            raise MorelliError(
                f"{path}: the rows are of several attacks. Say which is meant by {name}=VALUE; there are: "
                f"{', '.join(map(str, values[:_SHOWN]))}{more}."
            )
    try:
        n = table["n"].cast(pa.float64()).to_numpy()
        truth, answer = (table[name].cast(pa.string()).to_pylist() for name in ("truth", "answer"))
    except pa.ArrowException:
        raise MorelliError(f"{path}: the columns truth and answer hold names, and n holds numbers.") from None
    if any(not name for name in truth) or np.isnan(n).any():
        raise MorelliError(f"{path}: a row has no truth or no n.")
    try:
        return Recognition.of(truth, answer, n)
    except MorelliError as error:
        raise type(error)(f"{path}: {error}") from None
