"""Which images are references and which are judged in every part of a comparison, and where finished parts are."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli._files import write_text
from morelli._version import __version__
from morelli.attributors.fused import MIN_IMAGES
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.predictions import Predictions

__all__ = ["Draw", "Kept", "PartStore", "check_draws", "plan_draws", "same_for_all"]

_SCHEMA: Final = 1
_HIDE, _ORDER = 1, 2  # keep the streams of random numbers apart


@dataclass(frozen=True, eq=False)
class Draw:
    """References and images to be judged.

    Attributes
    ----------
    references : int or None
        Of each model; None is all.
    repeat, fold : int
    train, test : ndarray of int
        Rows.
    """

    references: int | None
    repeat: int
    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def plan_draws(
    labels: NDArray[np.object_],
    groups: NDArray[np.int64],
    folds: NDArray[np.integer],
    references: Sequence[int | None],
    repeats: int,
    hide: int,
    seed: int,
) -> tuple[list[Draw], list[tuple[str, ...]]]:
    """Plan a comparison; the same arguments give the same plan.

    References are taken prompt by prompt, in one random order for all models, so that fewer are always a part of more,
    and all models have references of the same prompts where they can.

    Parameters
    ----------
    labels : ndarray of object, shape (n,)
        No None among them.
    groups, folds : ndarray of int, shape (n,)
    references : sequence of (int or None)
    repeats : int
        Draws of references and of hidden models.
    hide : int
        Models that get no references.
    seed : int

    Returns
    -------
    list of Draw
        By number of references, then by repeat, then by fold.
    list of tuple of str
        The hidden models of each repeat.
    """
    names = np.unique(labels.astype(str))
    if not 0 <= hide <= len(names) - 2:
        raise NotEnoughDataError(f"Of {len(names)} models, {hide} cannot be hidden: at least two must stay.")
    hidden = [_hidden(names, hide, seed, repeat) for repeat in range(repeats)]
    numbers = np.unique(folds)
    draws = []
    for count in references:
        for repeat in range(repeats):
            known = ~np.isin(labels.astype(str), hidden[repeat])
            for fold in numbers:
                rng = np.random.default_rng([seed, repeat, int(fold), _ORDER])
                train = _taken(np.flatnonzero(known & (folds != fold)), labels, groups, count, rng)
                draws.append(Draw(count, repeat, int(fold), train, np.flatnonzero(folds == fold)))
    return draws, hidden


def check_draws(draws: Sequence[Draw], labels: NDArray[np.object_], hidden: Sequence[tuple[str, ...]]) -> list[str]:
    """Refuse what cannot come out, and return notes on models with fewer references than were asked for.

    Raises
    ------
    NotEnoughDataError
        A model has too few references in some draw.
    """
    names = np.unique(labels.astype(str))
    short: dict[int, set[str]] = {}
    for draw in draws:
        counts = dict(zip(*np.unique(labels[draw.train].astype(str), return_counts=True), strict=True))
        known = [name for name in names if name not in hidden[draw.repeat]]
        few = [f"{name} ({counts.get(name, 0)})" for name in known if counts.get(name, 0) < MIN_IMAGES]
        if few:
            raise NotEnoughDataError(
                f"Without fold {draw.fold}, every model needs at least {MIN_IMAGES} references; too few of: "
                f"{', '.join(few[:10])}. Ask for more references or fewer folds, or leave these models out."
            )
        if draw.references is not None:
            missing = {name for name in known if counts[name] < draw.references}
            short.setdefault(draw.references, set()).update(missing)
    return [
        f"{len(models)} of {len(names)} models have fewer than {count} references in some fold; all are used there."
        for count, models in short.items()
        if models
    ]


def same_for_all(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON-able values."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of a finished part."""

    predictions: Predictions
    fit_seconds: float
    judge_seconds: float


class PartStore:
    """Finished parts in a folder, each under a hash of all that determines it; without a folder nothing is kept.

    A part is two files: the predictions, and a line that says how long they took. The second is written last, so that
    a part whose predictions are missing or broken off is never taken for a finished one.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get_or_run(self, key: Mapping[str, Any], run: Callable[[], Kept]) -> Kept:
        """Return the part of this key, from the folder or by running it."""
        if self._folder is None:
            return run()
        name = same_for_all({"schema": _SCHEMA, "morelli": __version__, **key})[:24]
        times, table = self._folder / f"{name}.json", self._folder / f"{name}.parquet"
        if times.is_file() and table.is_file():
            try:
                about = json.loads(times.read_text(encoding="utf-8"))
                return Kept(Predictions.read(table), float(about["fit_seconds"]), float(about["judge_seconds"]))
            except (MorelliError, ValueError, KeyError, TypeError):
                # Damaged, by a full disk perhaps. It can be computed again, and is.
                times.unlink()
        kept = run()
        kept.predictions.write(table)
        about = {**key, "fit_seconds": kept.fit_seconds, "judge_seconds": kept.judge_seconds}
        write_text(times, json.dumps(about, sort_keys=True, ensure_ascii=False) + "\n")
        return kept


class Stopwatch:
    """Seconds since it was made, or since it was last read."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds, and begin anew."""
        now = time.perf_counter()
        seconds, self._begin = now - self._begin, now
        return seconds


def _hidden(names: NDArray[np.str_], hide: int, seed: int, repeat: int) -> tuple[str, ...]:
    rng = np.random.default_rng([seed, repeat, _HIDE])
    return tuple(sorted(str(name) for name in rng.permutation(names)[:hide]))


def _taken(
    rows: NDArray[np.int64],
    labels: NDArray[np.object_],
    groups: NDArray[np.int64],
    count: int | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return at most `count` rows of each label, group by group in a random order."""
    if count is None:
        return rows
    _, group = np.unique(groups[rows], return_inverse=True)
    turn = rng.permutation(int(group.max()) + 1 if len(group) else 0)[group]
    ordered = rows[np.argsort(turn, kind="stable")]
    own = labels[ordered].astype(str)
    chosen = [ordered[own == name][:count] for name in np.unique(own)]
    return np.sort(np.concatenate(chosen)) if chosen else rows
