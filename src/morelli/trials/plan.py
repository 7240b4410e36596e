"""From trials to work: which rows each takes, under what name it is kept, and which share a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fitting import OPEN_SET_LEVEL
from morelli.attributors.registry import parse_attributor
from morelli.catalog import Catalog, Groups, Split, group_catalog, split_catalog
from morelli.encoders import join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials._parts import PartStore, same_for_all
from morelli.trials.selection import Rows, leave_out_groups, nested_rows
from morelli.trials.trial import Fold, Trial

__all__ = ["Bench", "Fit", "Planned", "fits_of"]

_ORDER = 2  # keeps this stream of random numbers apart from others with the same seed


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A trial with its rows.

    Attributes
    ----------
    trial : Trial
    encoder : str
        What its attributor reads.
    train, test : ndarray of int64
        Rows of the catalog; those that cannot be measured are not known yet.
    key : dict
        All that determines the predictions.
    name : str
        Of the part where they are kept; a hash of `key`.
    fit : str
        A hash of all that determines the fitted attributor: trials that share it share a fit.
    """

    trial: Trial
    encoder: str
    train: Rows
    test: Rows
    key: dict[str, Any]
    name: str
    fit: str


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Trials that are judged by one fitted attributor: what one process does at a time."""

    planned: tuple[Planned, ...]


class Bench:
    """A catalog with what all trials on it have in common.

    Parameters
    ----------
    catalog : Catalog
        Rows that could not be read are never references, and are judged ``unreadable``.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._splits: dict[tuple[int, int, str], NDArray[np.int64]] = {}
        self._recipes: dict[str, str] = {}
        self._labels: dict[str, NDArray[np.object_]] = {}
        self._ids = [str(image) for image in catalog.column("image_id")]
        self._readable = catalog.table["error"].is_null().to_numpy()

    @cached_property
    def groups(self) -> Groups:
        """What must not stand on both sides of a trial."""
        return group_catalog(self.catalog)

    def labels(self, column: str) -> NDArray[np.object_]:
        """Return a column as text, None where it is null."""
        if column not in self._labels:
            self._labels[column] = self.catalog.text(column)
        return self._labels[column]

    def plan(self, trial: Trial) -> Planned:
        """Give a trial its rows.

        Raises
        ------
        NotEnoughDataError
            There is nothing to learn from, nothing to judge, or one class only.
        MorelliError
            A column does not exist, or an encoder is unknown.
        """
        labels = self.labels(trial.label)
        known = np.array([label is not None for label in labels], dtype=np.bool_)
        train_mask = trial.train.mask(self.catalog) & known & self._readable
        test_mask = trial.test.mask(self.catalog) & known
        if trial.fold is not None:
            part = self._fold_of(trial.fold, trial.label, trial.seed)
            train_mask &= part != trial.fold.number
            # Rows that could not be read are in no fold. They are counted once, with the first.
            test_mask &= (part == trial.fold.number) | ((part < 0) & (trial.fold.number == 0))
        train, test = np.flatnonzero(train_mask), np.flatnonzero(test_mask)
        train = np.setdiff1d(train, test)
        if not trial.straddle:
            train = leave_out_groups(train, test, self.groups.ids)
        order = (trial.seed, 0 if trial.fold is None else trial.fold.number, _ORDER)
        train = nested_rows(train, labels, self.groups.ids, trial.train.per_class, order)
        test = nested_rows(test, labels, self.groups.ids, trial.test.per_class, order)
        self._check(trial, labels, train, test)
        return self._planned(trial, train, test)

    def _fold_of(self, fold: Fold, label: str, seed: int) -> NDArray[np.int64]:
        """Return the fold of every row; the same for all trials with as many folds and the same seed."""
        key = (fold.of, seed, label)
        if key not in self._splits:
            known = self.catalog.codes(label)[0] >= 0
            labelled = self.catalog.filter(known)
            split: Split = split_catalog(labelled, folds=fold.of, label=label, seed=seed)
            part = np.full(len(self.catalog), -1, dtype=np.int64)
            part[known] = split.folds(labelled)
            self._splits[key] = part
        return self._splits[key]

    def _check(self, trial: Trial, labels: NDArray[np.object_], train: Rows, test: Rows) -> None:
        if not len(test):
            raise NotEnoughDataError(f"There is nothing to judge: no image is of {trial.test.describe()}.")
        classes = sorted(set(labels[train].astype(str)))
        if len(classes) < 2:
            what = "no image" if not len(train) else f"one class only, {classes[0]}"
            raise NotEnoughDataError(f"There is too little to learn from: {what} in {trial.train.describe()}.")

    def _planned(self, trial: Trial, train: Rows, test: Rows) -> Planned:
        spec = parse_attributor(trial.attributor)
        if spec.encoder not in self._recipes:
            self._recipes[spec.encoder] = join_encoders(spec.encoder).recipe_hash
        fit = {
            "attributor": spec.name,
            "options": _written(trial.options),
            "recipe": self._recipes[spec.encoder],
            "views": list(trial.train_views),
            "label": trial.label,
            "level": trial.level,
            "seed": trial.seed,
            "train": self._rows_hash(train, trial.label),
            "groups": same_for_all({"ids": np.unique(self.groups.ids[train], return_inverse=True)[1].tolist()}),
        }
        key = {
            **fit,
            "view": trial.test_view,
            "open_set_level": OPEN_SET_LEVEL,
            "test": self._rows_hash(test, trial.label),
        }
        return Planned(trial, spec.encoder, train, test, key, PartStore.name(key), same_for_all(fit))

    def _rows_hash(self, rows: Rows, label: str) -> str:
        """Return a hash of images, their order and labels."""
        labels = self.labels(label)
        return same_for_all({"rows": [[self._ids[i], labels[i]] for i in rows]})


def _written(options: Mapping[str, Any]) -> list[list[Any]]:
    """Return settings as JSON can hold them."""
    for name, value in options.items():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise MorelliError(f"Settings of attributors are words and numbers; {name} is {value!r}.")
    return [[name, options[name]] for name in sorted(options)]


def fits_of(planned: Sequence[Planned]) -> list[Fit]:
    """Put trials together that share a fit, in the order of their first."""
    shared: dict[str, dict[str, Planned]] = {}
    for one in planned:
        shared.setdefault(one.fit, {}).setdefault(one.name, one)
    return [Fit(tuple(trials.values())) for trials in shared.values()]
