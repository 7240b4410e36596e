"""From trials to work: which rows each takes, under what name it is kept, and which share a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fitting import OPEN_SET_LEVEL
from morelli.attributors.registry import AttributorSpec, parse_attributor
from morelli.catalog import Catalog, Groups, Split, group_catalog, reviewed_rows, split_catalog
from morelli.catalog.folds import deal_groups
from morelli.encoders import Encoder, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials._parts import PartStore, same_for_all
from morelli.trials.same_prompt import deal_same_prompt
from morelli.trials.selection import Rows, Selection, leave_out_groups, nested_rows
from morelli.trials.trial import Trial
from morelli.views import parse_view

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
    train, test, background : ndarray of int64
        Rows of the catalog; those that cannot be measured are not known yet.
    references : ndarray of int64
        Rows of judged prompts that are known: to attributors that are told prompts, and all others learn from them
        only which classes are candidates for a prompt.
    prompts : bool
        Whether the attributor is told prompts.
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
    background: Rows
    references: Rows
    prompts: bool
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
        self._splits: dict[tuple[int, int, str, bool], NDArray[np.int64]] = {}
        self._specs: dict[str, AttributorSpec] = {}
        self._encoders: dict[str, Encoder] = {}
        self._labels: dict[str, NDArray[np.object_]] = {}
        self._views: dict[str, str] = {}
        self._ids = [str(image) for image in catalog.column("image_id")]
        self._images = catalog.codes("image_id")[0]
        self._lineages = catalog.text("lineage")
        self._reviewed = reviewed_rows(catalog)
        self.readable = catalog.table["error"].is_null().to_numpy()

    @cached_property
    def groups(self) -> Groups:
        """What must not stand on both sides of a trial."""
        return group_catalog(self.catalog)

    def labels(self, column: str) -> NDArray[np.object_]:
        """Return a column as text, None where it is null."""
        if column not in self._labels:
            self._labels[column] = self.catalog.text(column)
        return self._labels[column]

    def spec(self, attributor: str) -> AttributorSpec:
        """Return an attributor; made once, as is its encoder, because both may have much to load."""
        if attributor not in self._specs:
            self._specs[attributor] = parse_attributor(attributor)
        return self._specs[attributor]

    def encoder(self, name: str) -> Encoder:
        """Return an encoder, ready to measure."""
        if name not in self._encoders:
            self._encoders[name] = join_encoders(name)
        return self._encoders[name]

    def view_key(self, view: str) -> str:
        """Return what stands for a view in keys.

        Raises
        ------
        MorelliError
            It cannot be made here, for want of a network.
        """
        if view not in self._views:
            self._views[view] = parse_view(view).key
        return self._views[view]

    def plan(self, trial: Trial) -> Planned:
        """Give a trial its rows.

        Raises
        ------
        NotEnoughDataError
            There is nothing to learn from, nothing to judge, or one class only.
        MorelliError
            A column does not exist, an encoder is unknown, or a view cannot be made here.
        """
        labels = self.labels(trial.label)
        known = np.array([label is not None for label in labels], dtype=np.bool_)
        # Labels by reviewers are learned from, and measure nothing.
        test_mask = trial.test.mask(self.catalog) & known & ~self._reviewed
        elsewhere = np.ones(len(labels), dtype=np.bool_)
        if trial.fold is not None:
            part = self._fold_of(trial)
            elsewhere = part != trial.fold.number
            # Rows that could not be read are in no fold. They are counted once, with the first.
            test_mask &= (part == trial.fold.number) | ((part < 0) & (trial.fold.number == 0))
        test = np.flatnonzero(test_mask)
        order = (trial.seed, 0 if trial.fold is None else trial.fold.number, _ORDER)

        def apart(selection: Selection, among: NDArray[np.bool_]) -> Rows:
            rows = np.flatnonzero(selection.mask(self.catalog) & among & known & self.readable & elsewhere)
            rows = rows[~np.isin(self._images[rows], self._images[test])]
            if not trial.straddle:
                rows = leave_out_groups(rows, test[self.readable[test]], self.groups.ids)
            return nested_rows(rows, labels, self.groups.ids, selection.per_class, order)

        train = apart(trial.train, ~test_mask)
        if self.spec(trial.attributor).info.prompts:
            train = train[self.prompts[train] >= 0]  # or images without a prompt would pass for those of one prompt
        background = np.zeros(0, dtype=np.int64)
        if trial.background is not None:
            classes = set(labels[train])
            background = apart(trial.background, ~test_mask & np.array([name not in classes for name in labels]))
        references = np.zeros(0, dtype=np.int64)
        if trial.same_prompt is not None:
            test, references = self._dealt(trial, test)
        else:
            test = nested_rows(test, labels, self.groups.ids, trial.test.per_class, order)
        self._check(trial, labels, train, test)
        return self._planned(trial, train, test, background, references)

    def _dealt(self, trial: Trial, rows: Rows) -> tuple[Rows, Rows]:
        """Return which of these rows are judged, and which are known beside them."""
        assert trial.same_prompt is not None
        codes, prompts = self.catalog.codes(trial.label)[0], self.prompts
        unreadable = rows[~self.readable[rows]]
        rows = rows[self.readable[rows] & (prompts[rows] >= 0)]
        # One file twice for a class and a prompt would be recognised whatever its class.
        _, first = np.unique(np.stack([prompts, codes, self._images])[:, rows], axis=1, return_index=True)
        judged, known = deal_same_prompt(np.sort(rows[first]), codes, prompts, trial.same_prompt, trial.seed)
        if not len(judged):
            raise NotEnoughDataError(
                "No prompt has two different images of one class, of which one could be judged and one be known."
            )
        return np.union1d(judged, unreadable), known

    @cached_property
    def texts(self) -> NDArray[np.object_]:
        """What the prompt of every row says, None where that is not known."""
        return self.catalog.text("prompt")

    @cached_property
    def prompts(self) -> NDArray[np.int64]:
        """Return the prompt of every row as a number, -1 where it has none."""
        codes, _ = self.catalog.codes("prompt_id")
        return codes if (codes >= 0).any() else self.catalog.codes("prompt")[0]

    def _fold_of(self, trial: Trial) -> NDArray[np.int64]:
        """Return the fold of every row; the same for all trials with as many folds and the same seed."""
        assert trial.fold is not None
        key = (trial.fold.of, trial.seed, trial.label, trial.straddle)
        if key not in self._splits:
            codes, _ = self.catalog.codes(trial.label)
            part = np.full(len(self.catalog), -1, dtype=np.int64)
            if trial.straddle:
                # Each image by itself, balanced by class: what a split does that does not look at prompts.
                usable = np.flatnonzero(self.readable & (codes >= 0))
                images = self._images[usable]
                if len(np.unique(images)) < trial.fold.of:
                    raise NotEnoughDataError(
                        f"{len(np.unique(images))} images cannot be dealt to {trial.fold.of} folds."
                    )
                shares = np.full(trial.fold.of, 1.0 / trial.fold.of)
                part[usable] = deal_groups(images, codes[usable], shares, trial.seed)
            else:
                labelled = self.catalog.filter(codes >= 0)
                split: Split = split_catalog(labelled, folds=trial.fold.of, label=trial.label, seed=trial.seed)
                part[codes >= 0] = split.folds(labelled)
            self._splits[key] = part
        return self._splits[key]

    def _check(self, trial: Trial, labels: NDArray[np.object_], train: Rows, test: Rows) -> None:
        if not len(test):
            raise NotEnoughDataError(f"There is nothing to judge: no image is of {trial.test.describe()}.")
        classes = sorted(set(labels[train].astype(str)))
        if len(classes) < 2:
            what = "no image" if not len(train) else f"one class only, {classes[0]}"
            raise NotEnoughDataError(f"There is too little to learn from: {what} in {trial.train.describe()}.")

    def _planned(self, trial: Trial, train: Rows, test: Rows, background: Rows, references: Rows) -> Planned:
        spec = self.spec(trial.attributor)
        told = {"prompts": self._prompts_hash(train)} if spec.info.prompts else {}
        fit = {
            "attributor": spec.name,
            "options": _written(trial.options, spec.info.deciding),
            "recipe": self.encoder(spec.encoder).recipe_hash,
            "views": [self.view_key(view) for view in trial.train_views],
            "label": trial.label,
            "level": trial.level,
            "seed": trial.seed,
            "train": self._rows_hash(train, trial.label),
            "background": self._rows_hash(background, trial.label),
            "groups": same_for_all({"ids": _numbered(self.groups.ids[np.concatenate([train, background])])}),
            **told,
        }
        key = {
            **fit,
            "view": self.view_key(trial.test_view),
            "open_set_level": OPEN_SET_LEVEL,
            "test": self._rows_hash(test, trial.label),
            "unreadable": same_for_all({"rows": np.flatnonzero(~self.readable[test]).tolist()}),
            # Nothing is learned from lineages, but they stand beside the answers.
            "lineages": same_for_all({"rows": self._lineages[train].tolist()}),
        }
        if len(references):
            assert trial.same_prompt is not None
            key["references"] = {
                "number": trial.same_prompt.references,
                "rows": self._rows_hash(references, trial.label),
                "prompts": self._prompts_hash(np.concatenate([references, test])),
            }
        return Planned(
            trial=trial,
            encoder=spec.encoder,
            train=train,
            test=test,
            background=background,
            references=references,
            prompts=spec.info.prompts,
            key=key,
            name=PartStore.name(key),
            fit=same_for_all(fit),
        )

    def _prompts_hash(self, rows: Rows) -> str:
        """Return a hash of which rows share a prompt, and of what their prompts say."""
        return same_for_all({"ids": _numbered(self.prompts[rows]), "texts": self.texts[rows].tolist()})

    def _rows_hash(self, rows: Rows, label: str) -> str:
        """Return a hash of images, their order and labels."""
        labels = self.labels(label)
        return same_for_all({"rows": [[self._ids[i], labels[i]] for i in rows]})


def _numbered(groups: Rows) -> list[int]:
    """Return numbers for groups in the order of their first row, whatever other rows there are."""
    order: dict[int, int] = {}
    return [order.setdefault(group, len(order)) for group in groups.tolist()]


def _written(options: Mapping[str, Any], deciding: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> list[list[Any]]:
    """Return the settings that decide the answers, as JSON can hold them."""
    for name, value in options.items():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise MorelliError(f"Settings of attributors are words and numbers; {name} is {value!r}.")
    return [[name, value] for name, value in sorted(deciding(options).items())]


def fits_of(planned: Sequence[Planned]) -> list[Fit]:
    """Put trials together that share a fit, in the order of their first."""
    shared: dict[str, dict[str, Planned]] = {}
    for one in planned:
        shared.setdefault(one.fit, {}).setdefault(one.name, one)
    return [Fit(tuple(trials.values())) for trials in shared.values()]
