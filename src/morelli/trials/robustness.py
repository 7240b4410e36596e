"""How well images are attributed that were compressed, resized or blurred since, with and without training for it.

Every fold is judged by attributors fitted to the other folds, in every test view: by one that has seen its references
untouched, and by one that has seen them in the training views. Test views that training never saw tell whether
doubt grows where it should.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fitting import DEGRADED_VIEWS, OPEN_SET_LEVEL, extract_views, lineages_of
from morelli.attributors.lineage import lineage_labels, lineage_probabilities
from morelli.attributors.pooling import SetPooling, draw_sets
from morelli.attributors.registry import DEFAULT_ATTRIBUTOR
from morelli.attributors.view_trained import UNFAMILIAR
from morelli.catalog import Catalog, group_catalog, split_catalog
from morelli.encoders import FeatureCache, default_encoder, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.cells import Results
from morelli.trials.metrics import (
    cluster_bootstrap_interval,
    expected_calibration_error,
    lineage_accuracy,
    log_loss,
    mean_set_size,
    none_for_nan,
    set_coverage,
)
from morelli.trials.predictions import Predictions
from morelli.trials.robust_rows import CLEAN, VIEWS, Robustness, RobustnessRow
from morelli.trials.runner import kept_features, run_trials
from morelli.trials.trial import Fold, Trial
from morelli.views import parse_view

__all__ = ["TEST_VIEWS", "robustness"]

UNSEEN_VIEWS = (
    "jpeg:75",
    "webp:90",
    "jpeg:50",
    "crop:0.7|jpeg:90",
    "scale:0.6|webp:70",
    "scale:0.35|jpeg:80",
    "screenshot:0.8|jpeg:80",
    "blur:2|jpeg:75",
    "noise:4|jpeg:90",
)
"""Not among :data:`morelli.attributors.fitting.DEGRADED_VIEWS`: some between them, some beyond, some of other kinds."""

TEST_VIEWS = (*DEGRADED_VIEWS, *UNSEEN_VIEWS)

_N_BOOT = 2000
_SETS_PER_MODEL = 20

Progress = Callable[[int, int], None]


def robustness(
    catalog: Catalog,
    *,
    folds: int = 5,
    train_views: Sequence[str] = DEGRADED_VIEWS,
    test_views: Sequence[str] = TEST_VIEWS,
    label: str = "model",
    encoder: str | None = None,
    set_images: int = 8,
    level: float = 0.9,
    seed: int = 0,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    measuring: Progress | None = None,
    progress: Progress | None = None,
    resume_dir: str | os.PathLike[str] | None = None,
) -> Robustness:
    """Judge all images in many views, by attributors trained on untouched references and on degraded ones.

    Images that cannot be measured in one of the views are left out of all, and a note says how many.

    Parameters
    ----------
    catalog : Catalog
        Rows without a label are left out.
    folds : int, default 5
    train_views : sequence of str
        The first has to be ``none``, and there have to be others.
    test_views : sequence of str
    label : str, default "model"
    encoder : str, optional
        By default :func:`morelli.encoders.default_encoder`.
    set_images : int, default 8
        Images that are judged together, of one model and of different prompts.
    level : float, default 0.9
        Coverage of the conformal sets.
    seed : int, default 0
        Of folds, estimators, sets and bootstraps.
    cache, workers
        As for :func:`morelli.encoders.extract`; with a cache, an interrupted study goes on where it stopped measuring.
    measuring, progress : callable, optional
        Called as ``(done, total)`` after every image that is measured, and after every trial.
    resume_dir : path-like, optional
        Folder where finished trials are kept, see :func:`morelli.trials.runner.run_trials`.

    Returns
    -------
    Robustness

    Raises
    ------
    NotEnoughDataError
        Too few models, images or prompts.
    MorelliError
        A view or the encoder is unknown, or an argument makes no sense.
    """
    trained, tested = _checked(train_views, test_views, set_images)
    labelled = catalog.filter(catalog.codes(label)[0] >= 0)
    if not len(labelled):
        raise NotEnoughDataError(f'There is nothing to judge: no row has a value in the column "{label}".')
    reading = join_encoders(default_encoder() if encoder is None else encoder)
    split = split_catalog(labelled, folds=folds, label=label, seed=seed)
    names = list(dict.fromkeys([*trained, *tested]))
    with kept_features(cache) as store:
        tables = extract_views(labelled, reading, names, cache=store, workers=workers, progress=measuring)
        ok = np.all([table.ok for table in tables], axis=0)
        if not ok.any():
            error = next(error for table in tables for error in table.error if error is not None)
            raise NotEnoughDataError(f"There is no image that can be measured in all views. The first error: {error}")
        usable = ok & (split.folds(labelled) >= 0)
        images = labelled.filter(usable)
        buckets = {name: table.bucket[usable].astype(str) for name, table in zip(names, tables, strict=True)}
        del tables
        trials = [
            Trial(
                {"trained": how, "view": view},
                train_views=tuple(seen),
                test_view=view,
                attributor=f"{DEFAULT_ATTRIBUTOR}@{reading.name}",
                label=label,
                seed=seed,
                fold=Fold(fold, folds),
                level=level,
            )
            for fold in range(folds)
            for how, seen in ((CLEAN, trained[:1]), (VIEWS, trained))
            for view in tested
        ]
        folder = None if resume_dir is None else Path(resume_dir)
        outcomes = run_trials(images, trials, folder=folder, cache=store, jobs=workers, progress=progress)
    failed = next((outcome for outcome in outcomes if outcome.problem is not None), None)
    if failed is not None:
        kind = NotEnoughDataError if failed.lacking else MorelliError
        raise kind(f"{failed.trial.describe()}: {failed.problem}")
    groups, fold_of, labels = group_catalog(images), split.folds(images), images.text(label)
    # That nothing leaks is how it should be, and no note.
    notes = [note for note in split.notes if not (groups.leak_free and note == groups.note)]
    if not ok.all():
        notes.append(f"{int((~ok).sum())} of {len(ok)} images were left out: they cannot be measured in all views.")
    classes, y = np.unique(labels.astype(str), return_inverse=True)
    lineages, more = lineages_of(images, label, [str(name) for name in classes])
    rows_of = {str(image): row for row, image in enumerate(images.column("image_id"))}
    judged = {
        (str(cell.at["trained"]), str(cell.at["view"])): _Judged.of(cell.draws[0], rows_of)
        for cell in Results(outcomes, seed)
    }
    bench = _Bench(y, groups.ids, fold_of, lineages, [str(name) for name in classes], set_images, seed)
    rows = []
    pooled = {CLEAN: bench.poolings(judged, CLEAN, ["none"]), VIEWS: bench.poolings(judged, VIEWS, trained)}
    for view in tested:
        rows += [
            bench.view_row(how, view, judged[how, view], _knows(how, view, trained), pooled[how]) for how in pooled
        ]
    rows += bench.quality_rows(judged, {view: buckets[view] for view in tested})
    return Robustness(
        rows=tuple(rows),
        train_views=tuple(trained),
        test_views=tuple(tested),
        label=label,
        encoder=reading.name,
        folds=folds,
        set_images=set_images,
        seed=seed,
        level=level,
        open_set_level=OPEN_SET_LEVEL,
        n_images=len(images),
        n_classes=len(classes),
        n_clusters=groups.n_groups,
        chance=1.0 / len(classes),
        prompt_known=groups.leak_free,
        catalog=images.fingerprint,
        split=split.hash,
        notes=tuple(dict.fromkeys([*notes, *more])),
    )


def _checked(train_views: Sequence[str], test_views: Sequence[str], set_images: int) -> tuple[list[str], list[str]]:
    """Return canonical names of views, or say what is wrong before anything is measured."""
    trained, tested = ([parse_view(view).name for view in views] for views in (train_views, test_views))
    for names in (trained, tested):
        if not names or len(set(names)) < len(names):
            raise MorelliError(f"Name one or more different views, not: {', '.join(names) or 'none at all'}.")
    if trained[0] != "none" or len(trained) == 1:
        raise MorelliError(f'Training views are "none" first and others after it, not: {", ".join(trained)}.')
    if set_images < 2:
        raise MorelliError(f"Sets that are judged together have at least 2 images, not {set_images}.")
    return trained, tested


def _knows(how: str, view: str, trained: Sequence[str]) -> bool:
    return view == "none" if how == CLEAN else view in trained


@dataclass(frozen=True, eq=False)
class _Judged:
    """Answers for images, row by row."""

    proba: NDArray[np.float64]
    sets: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    unfamiliar: NDArray[np.bool_] | None

    @classmethod
    def of(cls, table: Predictions, rows_of: Mapping[str, int]) -> _Judged:
        """Take predictions in the order of the images."""
        order = np.argsort([rows_of[str(image)] for image in table.image_id])
        table = table.take(order)
        tells = any(word is not None for word in table.judged_as)
        return cls(
            table.proba,
            table.prediction_set,
            table.open_set_p < OPEN_SET_LEVEL,
            table.judged_as == UNFAMILIAR if tells else None,
        )

    @classmethod
    def stacked(cls, parts: Sequence[_Judged], rows: Sequence[NDArray[np.intp]]) -> _Judged:
        """Put some rows of each part below one another."""
        pairs = list(zip(parts, rows, strict=True))
        seen = [part.unfamiliar[chosen] for part, chosen in pairs if part.unfamiliar is not None]
        return cls(
            np.concatenate([part.proba[chosen] for part, chosen in pairs]),
            np.concatenate([part.sets[chosen] for part, chosen in pairs]),
            np.concatenate([part.unknown[chosen] for part, chosen in pairs]),
            np.concatenate(seen) if seen else None,
        )


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all rows have in common."""

    y: NDArray[np.integer]
    groups: NDArray[np.integer]
    folds: NDArray[np.integer]
    lineages: Sequence[str | None]
    classes: Sequence[str]
    set_images: int
    seed: int

    def poolings(
        self, judged: dict[tuple[str, str], _Judged], how: str, known: Sequence[str]
    ) -> dict[int, SetPooling | None]:
        """Learn pooling on one fold at a time, in the known views; it is tried on sets from the other folds."""
        parts = [judged[how, view] for view in known if (how, view) in judged]
        learned: dict[int, SetPooling | None] = {}
        for fold in np.unique(self.folds):
            rows = np.flatnonzero(self.folds == fold)
            try:
                learned[int(fold)] = SetPooling.fit(
                    np.concatenate([part.proba[rows] for part in parts]) if parts else np.empty((0, len(self.classes))),
                    np.tile(self.y[rows], len(parts)),
                    np.tile(self.groups[rows], len(parts)),
                    conditions=np.repeat(np.arange(len(parts)), len(rows)),
                    n_draws=_SETS_PER_MODEL,
                    seed=self.seed,
                )
            except NotEnoughDataError:  # the row then says that no sets were judged
                learned[int(fold)] = None
        return learned

    def view_row(
        self, how: str, view: str, judged: _Judged, known: bool, learned: dict[int, SetPooling | None]
    ) -> RobustnessRow:
        proba, truth = self._pooled(judged, learned)
        hits = proba.argmax(axis=1) == truth
        index = lineage_labels(self.lineages, self.classes)[1]
        by_lineage = lineage_probabilities(proba, self.lineages, self.classes)[1].argmax(axis=1)
        return self._row(
            judged,
            np.arange(len(self.y)),
            trained=how,
            view=view,
            known=known,
            n_sets=len(truth),
            set_accuracy=_mean(hits),
            set_lineage=_mean(by_lineage == index[truth]),
            set_confidence=_mean(proba.max(axis=1)),
        )

    def quality_rows(
        self, judged: dict[tuple[str, str], _Judged], buckets: Mapping[str, NDArray[np.str_]]
    ) -> list[RobustnessRow]:
        """Measure by the condition of the images as it was seen, over all test views."""
        rows = []
        for bucket in sorted(set().union(*(set(found.tolist()) for found in buckets.values()))):
            chosen = [np.flatnonzero(buckets[view] == bucket) for view in buckets]
            for how in (CLEAN, VIEWS):
                part = _Judged.stacked([judged[how, view] for view in buckets], chosen)
                rows.append(self._row(part, np.concatenate(chosen), trained=how, bucket=bucket))
        return rows

    def _pooled(
        self, judged: _Judged, learned: dict[int, SetPooling | None]
    ) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
        """Return pooled probabilities, shape (sets, K), and the true model of each set."""
        proba: list[NDArray[np.float64]] = [np.empty((0, len(self.classes)))]
        truth: list[NDArray[np.integer]] = [np.empty(0, dtype=np.int64)]
        for fold, pooling in learned.items():
            rows = np.flatnonzero(self.folds != fold)
            sets = draw_sets(self.y[rows], self.groups[rows], self.set_images, _SETS_PER_MODEL, self.seed)
            if pooling is not None and len(sets):
                proba.append(pooling.pool(judged.proba[rows[sets]]))
                truth.append(self.y[rows[sets[:, 0]]])
        return np.concatenate(proba), np.concatenate(truth)

    def _row(
        self,
        judged: _Judged,
        images: NDArray[np.intp],
        *,
        trained: str,
        view: str | None = None,
        bucket: str | None = None,
        known: bool | None = None,
        n_sets: int = 0,
        set_accuracy: float | None = None,
        set_lineage: float | None = None,
        set_confidence: float | None = None,
    ) -> RobustnessRow:
        """Measure answers whose row i is for image `images[i]`."""
        y, confidence = self.y[images], judged.proba.max(axis=1).clip(0, 1)
        hits = judged.proba.argmax(axis=1) == y
        low, high = cluster_bootstrap_interval(hits, self.groups[images], _N_BOOT, self.seed)
        return RobustnessRow(
            trained=trained,
            view=view,
            bucket=bucket,
            known=known,
            n=len(y),
            accuracy=_mean(hits),
            low=none_for_nan(low),
            high=none_for_nan(high),
            lineage=none_for_nan(lineage_accuracy(y, judged.proba, self.lineages)),
            log_loss=none_for_nan(log_loss(y, judged.proba)),
            ece=none_for_nan(expected_calibration_error(hits, confidence)),
            confidence=_mean(confidence),
            coverage=none_for_nan(set_coverage(y, judged.sets)),
            set_size=none_for_nan(mean_set_size(judged.sets)),
            called_unknown=_mean(judged.unknown),
            unfamiliar=None if judged.unfamiliar is None else _mean(judged.unfamiliar),
            n_sets=n_sets,
            set_accuracy=set_accuracy,
            set_lineage=set_lineage,
            set_confidence=set_confidence,
        )


def _mean(values: NDArray[np.generic]) -> float | None:
    return float(values.mean()) if values.size else None
