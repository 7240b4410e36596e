"""The trial: who learns from what, and who is judged. Every study is a list of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from morelli.attributors.registry import DEFAULT_ATTRIBUTOR, parse_attributor
from morelli.errors import MorelliError
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.selection import EVERYTHING, Selection, Value
from morelli.views import parse_view

__all__ = ["Fold", "Trial"]


@dataclass(frozen=True, slots=True)
class Fold:
    """A part of the catalog that is judged by what was learned from the others; parts hold out whole prompts.

    Parameters
    ----------
    number : int
        From 0.
    of : int
        How many folds there are, at least 2.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if self.of < 2 or not 0 <= self.number < self.of:
            raise MorelliError(f"There is no fold {self.number} of {self.of}.")


@dataclass(frozen=True, slots=True)
class Trial:
    """One fit, and one table of predictions.

    Parameters
    ----------
    cell : mapping of str to value
        Where the result stands in the study's table: its coordinates. Trials with equal cells are parts of one result;
        within it those of one seed are put together, and different seeds are repetitions.
    train, test : Selection
        What is learned from, and what is judged. Images whose prompt (or near-duplicate) is in `test` are left out of
        `train`, unless `straddle` says otherwise.
    train_views : tuple of str
        What the references are seen through. With several, the default attributor has an expert for each, and others
        learn from all of them as a mixture.
    test_view : str
        What the judged images are seen through.
    attributor : str
        ``name`` or ``name@encoder``.
    label : str
        Column to be told.
    seed : int
        Of folds, of the order in which references are taken, and of the estimator.
    fold : Fold, optional
        Restricts `test` to one fold, and `train` to the others.
    straddle : bool
        Whether a prompt may stand on both sides; folds are then dealt image by image. Only to measure what a leak
        would have added.
    level : float
        Coverage of the conformal sets.
    options : mapping
        Settings of the estimator.
    background : Selection, optional
        Images of classes that `train` does not have, from which the attributor learns how images vary; held apart from
        `test` as `train` is.
    same_prompt : SamePrompt, optional
        Some images of `test` are judged, and others of the same prompts are known to attributors that have a use for
        them (`AttributorInfo.prompts`), beside `train`, which has other prompts.

    Raises
    ------
    MorelliError
        A view, an attributor or an encoder is unknown, or `test` has a `per_class` beside `same_prompt`.
    """

    cell: Mapping[str, Value]
    train: Selection = EVERYTHING
    test: Selection = EVERYTHING
    train_views: tuple[str, ...] = ("none",)
    test_view: str = "none"
    attributor: str = DEFAULT_ATTRIBUTOR
    label: str = "model"
    seed: int = 0
    fold: Fold | None = None
    straddle: bool = False
    level: float = 0.9
    options: Mapping[str, Any] = field(default_factory=dict)
    background: Selection | None = None
    same_prompt: SamePrompt | None = None

    def __post_init__(self) -> None:
        views = tuple(parse_view(view).name for view in self.train_views)
        if not views or len(set(views)) < len(views):
            raise MorelliError(f"Name one or more different training views, not: {', '.join(views) or 'none at all'}.")
        if self.same_prompt is not None and self.test.per_class is not None:
            raise MorelliError("How many images of a prompt are judged is said by same_prompt, not by test.per_class.")
        object.__setattr__(self, "train_views", views)
        object.__setattr__(self, "test_view", parse_view(self.test_view).name)
        object.__setattr__(self, "attributor", _canonical(self.attributor))

    def describe(self) -> str:
        """Name the trial for people: its cell, its seed and its fold."""
        parts = [f"{name} {value}" for name, value in self.cell.items()]
        parts.append(f"seed {self.seed}")
        if self.fold is not None:
            parts.append(f"fold {self.fold.number + 1} of {self.fold.of}")
        return ", ".join(parts)


@cache
def _canonical(attributor: str) -> str:
    """Return the canonical name; kept, because the encoder is made to find out whether there is one."""
    return parse_attributor(attributor).name
