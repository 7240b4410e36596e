"""Comparing attributors: the same references, the same images to be judged, the same measures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fused import MIN_IMAGES
from morelli.attributors.registry import AttributorSpec, parse_attributor
from morelli.catalog import Catalog, group_catalog, nuisance_floor, split_catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.cells import Cell, Results
from morelli.trials.comparison import Comparison, Score
from morelli.trials.metrics import cluster_bootstrap_difference, none_for_nan
from morelli.trials.plan import Bench
from morelli.trials.runner import kept_features, run_trials
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

__all__ = ["compare"]

_N_BOOT: Final = 2000
_HIDE: Final = 1  # keeps this stream of random numbers apart from others with the same seed

Progress = Callable[[int, int], None]


def compare(
    catalog: Catalog,
    attributors: Sequence[str] = ("fused", "centroid", "logistic"),
    *,
    folds: int = 5,
    references_per_class: Sequence[int] | None = None,
    repeats: int = 1,
    hide: int = 0,
    label: str = "model",
    level: float = 0.9,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    measuring: Progress | None = None,
    progress: Progress | None = None,
    resume_dir: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Judge the same images by several attributors with the same references.

    Every fold, of whole prompts, is judged by attributors that are fitted to references from the other folds. Images
    that one of the encoders cannot measure are left out for all, and a note says how many.

    Parameters
    ----------
    catalog : Catalog
        Rows without a label are left out.
    attributors : sequence of str
        Each ``name`` or ``name@encoder``, see :func:`morelli.attributors.parse_attributor`.
    folds : int, default 5
    references_per_class : sequence of int, optional
        References of each model, taken by whole prompts; fewer are always a part of more. By default all there are.
    repeats : int, default 1
        Draws of folds, references and hidden models, with seeds of their own.
    hide : int, default 0
        Models that get no references in a draw; their images are judged as those of unknown models.
    label : str, default "model"
    level : float, default 0.9
        Coverage of the conformal sets.
    seed : int, default 0
        Of folds, draws, estimators and bootstraps.
    options : mapping of str to mapping, optional
        Settings of estimators, by attributor as it is written in `attributors`.
    cache, workers
        As for :func:`morelli.encoders.extract`; fits run in as many processes.
    measuring, progress : callable, optional
        Called as ``(done, total)`` after every image that is measured, and after every part that is finished.
    resume_dir : path-like, optional
        Folder where finished parts are kept, one for each attributor, number of references, draw and fold; a part is
        not done again while nothing that determines it changes.

    Returns
    -------
    Comparison

    Raises
    ------
    NotEnoughDataError
        Too few models, images or prompts.
    MorelliError
        An attributor or encoder is unknown or cannot be used, or an argument makes no sense.
    """
    specs = _parsed(attributors, options or {})
    counts = _checked_counts(references_per_class, repeats)
    labelled = catalog.filter(catalog.codes(label)[0] >= 0)
    if not len(labelled):
        raise NotEnoughDataError(f'There is nothing to compare on: no row has a value in the column "{label}".')
    names = [str(name) for name in labelled.codes(label)[1]]
    hidden = draw_hidden(names, hide, repeats, seed)
    with kept_features(cache) as store:
        usable, notes = _measured(labelled, specs, store, workers, measuring)
        split = split_catalog(labelled, folds=folds, label=label, seed=seed)
        images = labelled.filter(usable & (split.folds(labelled) >= 0))
        trials = [
            Trial(
                {"attributor": spec.name, "per_class": count},
                train=Selection(unless={label: hidden[repeat]} if hide else {}, per_class=count),
                attributor=spec.name,
                label=label,
                seed=seed + repeat,
                fold=Fold(fold, folds),
                level=level,
                options=(options or {}).get(spec.name, {}),
            )
            for spec in specs
            for count in counts
            for repeat in range(repeats)
            for fold in range(folds)
        ]
        notes += _short_of_references(Bench(images), trials, counts)
        folder = None if resume_dir is None else Path(resume_dir)
        outcomes = run_trials(images, trials, folder=folder, cache=store, jobs=workers, progress=progress)
    failed = next((outcome for outcome in outcomes if outcome.problem is not None), None)
    if failed is not None:
        raise MorelliError(f"{failed.trial.describe()}: {failed.problem}")
    groups = group_catalog(images)
    # That nothing leaks is how it should be, and no note.
    notes += [note for note in split.notes if not (groups.leak_free and note == groups.note)]
    nuisance, more = _nuisance(images, label, seed)
    return Comparison(
        scores=tuple(_scores(specs, counts, Results(outcomes, seed))),
        attributors=tuple(spec.name for spec in specs),
        references=tuple(counts),
        label=label,
        folds=folds,
        repeats=repeats,
        hide=hide,
        seed=seed,
        level=level,
        hidden=tuple(hidden),
        n_images=len(images),
        n_classes=len(names),
        n_clusters=groups.n_groups,
        chance=1.0 / (len(names) - hide),
        nuisance=nuisance,
        prompt_known=groups.leak_free,
        catalog=images.fingerprint,
        split=split.hash,
        notes=tuple(dict.fromkeys([*notes, *more])),
    )


# -- before anything is fitted -----------------------------------------------------------------------------------------


def _parsed(attributors: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[AttributorSpec]:
    if isinstance(attributors, str):
        raise MorelliError(f"Attributors are given as a list of names, not as the text {attributors!r}.")
    specs = [parse_attributor(text) for text in attributors]
    names = [spec.name for spec in specs]
    if not specs or len(set(names)) < len(names):
        raise MorelliError(f"A comparison needs one or more different attributors, not {names}.")
    foreign = sorted(set(options) - set(names))
    if foreign:
        raise MorelliError(f"There are options for {', '.join(foreign)}, but only {', '.join(names)} are compared.")
    for spec in specs:
        if spec.info.asks and not options.get(spec.name):
            raise MorelliError(
                f"{spec.name} asks a model about every image, and has to be told which: use morelli study mllm, which "
                "puts attributors that measure beside it."
            )
        if spec.info.prompts:
            raise MorelliError(
                f"{spec.name} has to be given references of the prompts that it judges, which a comparison holds out: "
                "use morelli leaderboard attack, which puts attributors that know no such references beside it."
            )
        # What is not installed is found out now, and not after an hour of measuring images.
        spec.info.build({}, **options.get(spec.name, {}))
    return specs


def _checked_counts(references: Sequence[int] | None, repeats: int) -> list[int | None]:
    if repeats < 1:
        raise MorelliError(f"A comparison needs at least one draw, not {repeats}.")
    if references is None:
        return [None]
    counts = sorted(set(references))
    if not counts or counts[0] < 1:
        raise MorelliError(f"Numbers of references are whole numbers from 1, not {list(references)}.")
    return list(counts)


def _measured(
    catalog: Catalog,
    specs: Sequence[AttributorSpec],
    cache: FeatureCache,
    workers: int | None,
    progress: Progress | None,
) -> tuple[NDArray[np.bool_], list[str]]:
    """Bring all features into the cache; return the rows that every encoder can measure, and notes on the others."""
    usable = np.ones(len(catalog), dtype=np.bool_)
    notes = []
    for name in dict.fromkeys(spec.encoder for spec in specs):
        table = extract(catalog, join_encoders(name), cache=cache, workers=workers, progress=progress)
        lost = int((~table.ok).sum())
        if lost:
            first = next(error for error in table.error if error is not None)
            notes.append(
                f"{lost} of {len(catalog)} images were left out, for {name} cannot measure them. The first: {first}"
            )
        usable &= table.ok
    if not usable.any():
        raise NotEnoughDataError(f"There is no image that all encoders can measure. {' '.join(notes)}")
    return usable, notes


def draw_hidden(names: Sequence[str], hide: int, repeats: int, seed: int) -> list[tuple[str, ...]]:
    """Draw the models that get no references, for each repeat.

    Raises
    ------
    NotEnoughDataError
        Fewer than two would stay.
    """
    if not 0 <= hide <= len(names) - 2:
        raise NotEnoughDataError(f"Of {len(names)} models, {hide} cannot be hidden: at least two must stay.")
    draws = [np.random.default_rng([seed, repeat, _HIDE]).permutation(list(names))[:hide] for repeat in range(repeats)]
    return [tuple(sorted(str(name) for name in drawn)) for drawn in draws]


def _short_of_references(bench: Bench, trials: Sequence[Trial], counts: Sequence[int | None]) -> list[str]:
    """Refuse what cannot come out, and return notes on models with fewer references than were asked for.

    Raises
    ------
    NotEnoughDataError
        A model has too few references in some draw.
    """
    short: dict[int, set[str]] = {count: set() for count in counts if count is not None}
    names: set[str] = set()
    for trial in trials:
        if trial.attributor != trials[0].attributor:
            continue
        labels = bench.labels(trial.label)
        held = dict(zip(*np.unique(labels[bench.plan(trial).train].astype(str), return_counts=True), strict=True))
        left = {value for values in trial.train.unless.values() for value in values}
        known = sorted(set(labels.astype(str)) - left)
        names.update(known)
        few = [f"{name} ({held.get(name, 0)})" for name in known if held.get(name, 0) < MIN_IMAGES]
        if few:
            number = 0 if trial.fold is None else trial.fold.number
            raise NotEnoughDataError(
                f"Without fold {number}, every model needs at least {MIN_IMAGES} references; too few of: "
                f"{', '.join(few[:10])}. Ask for more references or fewer folds, or leave these models out."
            )
        count = trial.train.per_class
        if count is not None:
            short[count] |= {name for name in known if held[name] < count}
    return [
        f"{len(models)} of {len(names)} models have fewer than {count} references in some fold; all are used there."
        for count, models in short.items()
        if models
    ]


def _nuisance(images: Catalog, label: str, seed: int) -> tuple[float | None, list[str]]:
    try:
        floor = nuisance_floor(images, label, seed=seed)
    except NotEnoughDataError as error:
        return None, [f"The nuisance floor was not measured: {error}"]
    return floor.accuracy, [floor.sentence] if floor.gives_away else []


# -- all parts ---------------------------------------------------------------------------------------------------------


def _scores(specs: Sequence[AttributorSpec], counts: Sequence[int | None], results: Results) -> list[Score]:
    """Measure every attributor with every number of references."""
    scores: dict[tuple[str, int | None], Score] = {}
    for count in counts:
        cells = {spec.name: results.cell(attributor=spec.name, per_class=count) for spec in specs}
        best = max(cells.values(), key=lambda cell: cell.accuracy or 0.0)
        for spec in specs:
            cell = cells[spec.name]
            low, high = cluster_bootstrap_difference(best.hits, cell.hits, cell.clusters, _N_BOOT, results.seed)
            behind = float(best.hits.mean() - cell.hits.mean()) if len(cell.hits) else None
            scores[spec.name, count] = _score(spec, count, cell, behind, none_for_nan(low), none_for_nan(high))
    return [scores[spec.name, count] for spec in specs for count in counts]


def _score(
    spec: AttributorSpec,
    count: int | None,
    cell: Cell,
    behind: float | None,
    behind_low: float | None,
    behind_high: float | None,
) -> Score:
    measured: dict[str, Any] = cell.measures
    curves = [np.array(m.risk_curve) for m in cell.metrics if m.risk_curve]
    curve = np.mean(curves, axis=0).tolist() if curves else []
    judged = sum(len(table) for table in cell.draws)
    shared = ("n", "n_unanswered", "accuracy", "low", "high", "top3", "lineage", "log_loss", "ece", "coverage",
              "set_size", "right_at_half", "unknown_auroc", "n_unknown", "fit_seconds")  # fmt: skip
    return Score(
        attributor=spec.name,
        encoder=spec.encoder,
        references=count,
        **{name: measured[name] for name in shared},
        judge_microseconds=1e6 * sum(outcome.judge_seconds for outcome in cell.outcomes) / max(1, judged),
        behind=behind,
        behind_low=behind_low,
        behind_high=behind_high,
        risk_curve=tuple((float(x), float(y)) for x, y in curve),
    )
