"""Accuracy against the number of references, and how many a wanted accuracy needs: read off, never extrapolated."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.leaderboard._drawing import clip_references, draw_references
from morelli.leaderboard.attackers import Attacker, NearestCentroid, ranks_of_truth
from morelli.leaderboard.board import Board
from morelli.trials.metrics import cluster_bootstrap_interval

__all__ = ["Curve", "Needed", "curve_of_board", "read_curve"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Needed:
    """How many references a wanted accuracy needs.

    Attributes
    ----------
    references : int or None
        The smallest number whose accuracy, read off the curve, is as wanted. None: not reached with the largest
        number that was measured.
    low, high : int or None
        The same for the curve's upper and lower limit: at least so many, and so many to be safe. None: not reached.
    """

    references: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy at numbers of references.

    Attributes
    ----------
    references : tuple of int
        Ascending, 1 or more.
    accuracy : tuple of float
        In [0, 1].
    low, high : tuple of float
        95% limits; NaN where there are none.
    name : str
        Whose accuracy it is.

    Raises
    ------
    MorelliError
        Numbers are none, repeated, or outside their ranges.
    """

    references: tuple[int, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    name: str = "nearest centroid"

    def __post_init__(self) -> None:
        none = (math.nan,) * len(self.references)
        for limit in ("low", "high"):
            object.__setattr__(self, limit, tuple(getattr(self, limit)) or none)
        lines = (self.accuracy, self.low, self.high)
        if not self.references or any(len(line) != len(self.references) for line in lines):
            raise MorelliError("A curve needs a number of references, and an accuracy for each.")
        if list(self.references) != sorted(set(self.references)) or self.references[0] < 1:
            raise MorelliError("Numbers of references on a curve are 1 or more, ascending, and each there once.")
        if not all(0.0 <= value <= 1.0 for value in self.accuracy):
            raise MorelliError("Accuracies are shares between 0 and 1.")
        if not all(math.isnan(value) or 0.0 <= value <= 1.0 for line in lines[1:] for value in line):
            raise MorelliError("Limits of accuracies are shares between 0 and 1.")

    @property
    def all_references(self) -> NDArray[np.int64]:
        """Every number from the smallest to the largest that was measured."""
        return np.arange(self.references[0], self.references[-1] + 1)

    def at(self, line: Sequence[float]) -> Float:
        """Return a line at `all_references`.

        Made monotone first (the least-squares non-decreasing fit; more references never hurt but by chance), then
        interpolated linearly in the logarithm of the number, between what was measured and nowhere else.
        """
        from sklearn.isotonic import isotonic_regression

        values = np.asarray(line, dtype=np.float64)
        known = ~np.isnan(values)
        if not known.any():
            return np.full(len(self.all_references), np.nan)
        k = np.log(np.asarray(self.references, dtype=np.float64)[known])
        fitted = isotonic_regression(values[known], y_min=0.0, y_max=1.0)
        asked = np.log(self.all_references)
        inside = (asked >= k[0] - 1e-12) & (asked <= k[-1] + 1e-12)
        return np.where(inside, np.interp(asked, k, fitted), np.nan)

    def needed(self, wanted: float) -> Needed:
        """Return how many references an accuracy needs.

        Raises
        ------
        MorelliError
            It is not in (0, 1].
        """
        if not 0.0 < wanted <= 1.0:
            raise MorelliError(f"A wanted accuracy lies between 0 and 1, such as 0.9, not {wanted}.")

        def first(line: Sequence[float]) -> int | None:
            values = self.at(line)
            with np.errstate(invalid="ignore"):
                reached = np.flatnonzero(values >= wanted - 1e-12)
            return int(self.all_references[reached[0]]) if len(reached) else None

        return Needed(first(self.accuracy), first(self.high), first(self.low))


def curve_of_board(
    board: Board,
    *,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    draws: int = 10,
    attacker: Attacker | None = None,
    seed: int = 0,
) -> Curve:
    """Measure the accuracy of an attacker at numbers of references; in each draw one image of each cell is judged.

    Raises
    ------
    NotEnoughDataError
        No image can be judged.
    """
    attacker = NearestCentroid() if attacker is None else attacker
    ks, _ = clip_references(board, references)
    hits: list[list[NDArray[np.bool_]]] = [[] for _ in ks]
    prompts = []
    for draw in draw_references(board, draws, seed):
        prompts.append(board.prompt[draw.judged])
        for k, found in zip(ks, hits, strict=True):
            scores = attacker(board.take(draw.references(k)), board.X[draw.judged], prompts[-1])
            found.append(ranks_of_truth(scores, board.model[draw.judged]) == 0)
    clusters = np.concatenate(prompts)
    right = [np.concatenate(found) for found in hits]
    limits = [cluster_bootstrap_interval(values, clusters, seed=seed) for values in right]
    return Curve(
        ks, tuple(float(values.mean()) for values in right), tuple(a for a, _ in limits), tuple(b for _, b in limits)
    )


def read_curve(path: Path, where: Mapping[str, str] | None = None) -> Curve:
    """Read a curve from a CSV, or a JSON list of objects, with references, accuracy and, if known, low and high.

    Parameters
    ----------
    path : Path
        Ends in ``.csv`` or ``.json``.
    where : mapping of str to str, optional
        Take only rows with these values, as in ``{"attacker": "nearest centroid"}``.

    Raises
    ------
    MorelliError
        The file cannot be read, lacks a column, has no row as asked for, or several for one number of references.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MorelliError(f"{path}: the curve cannot be read ({error}).") from error
    rows = _rows(text, path)
    for column, value in (where or {}).items():
        if rows and column not in rows[0]:
            raise MorelliError(f'{path}: there is no column "{column}"; there are: {", ".join(rows[0])}.')
        rows = [row for row in rows if str(row.get(column)) == value]
    if not rows:
        raise MorelliError(f"{path}: there is no row{' as asked for' if where else ''}.")
    missing = {"references", "accuracy"} - set(rows[0])
    if missing:
        raise MorelliError(
            f"{path}: a curve needs the columns references and accuracy; there is no {sorted(missing)[0]}."
        )
    points = sorted(
        (_whole(row, path), *(_share(row.get(n), n, path) for n in ("accuracy", "low", "high"))) for row in rows
    )
    ks = [point[0] for point in points]
    if len(set(ks)) < len(ks):
        twice = next(k for k in ks if ks.count(k) > 1)
        raise MorelliError(
            f"{path}: several rows have {twice} references. Say which are meant, by the value of a column: "
            f"{', '.join(name for name in rows[0] if name not in ('references', 'accuracy', 'low', 'high')) or 'none'}."
        )
    name = ", ".join((where or {}).values()) or path.stem
    try:
        return Curve(
            tuple(int(k) for k in ks),
            accuracy=tuple(point[1] for point in points),
            low=tuple(point[2] for point in points),
            high=tuple(point[3] for point in points),
            name=name,
        )
    except MorelliError as error:
        raise MorelliError(f"{path}: {error}") from error


def _rows(text: str, path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() != ".json":
        return [dict(row) for row in csv.DictReader(text.splitlines())]
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise MorelliError(f"{path}: no JSON: {error}.") from error
    if isinstance(data, dict):
        data = data.get("curve")
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise MorelliError(f'{path}: a list of objects is needed, or an object with such a list as "curve".')
    return data


def _whole(row: Mapping[str, Any], path: Path) -> int:
    try:
        return int(str(row["references"]))
    except ValueError:
        raise MorelliError(f"{path}: {row['references']!r} is no number of references.") from None


def _share(value: Any, name: str, path: Path) -> float:
    if value is None or value == "":
        if name == "accuracy":
            raise MorelliError(f"{path}: a row has no accuracy.")
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MorelliError(f"{path}: {value!r} is no share between 0 and 1 ({name}).") from None
