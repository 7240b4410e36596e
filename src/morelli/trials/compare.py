"""Comparing attributors: the same references, the same images to be judged, the same measures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of
from morelli.attributors.registry import AttributorSpec, fit_registered, parse_attributor
from morelli.catalog import Catalog, Groups, group_catalog, nuisance_floor, split_catalog
from morelli.encoders import FeatureCache, Features, extract, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials._draws import Draw, Kept, PartStore, Stopwatch, check_draws, plan_draws, same_for_all
from morelli.trials.comparison import Comparison, Score
from morelli.trials.engine import judge
from morelli.trials.metrics import (
    Metrics,
    cluster_bootstrap_difference,
    cluster_bootstrap_interval,
    summarise,
)
from morelli.trials.predictions import Predictions

__all__ = ["compare"]

_N_BOOT = 2000

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
        Draws of references and of hidden models, with seeds of their own.
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
        As for :func:`morelli.encoders.extract`.
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
    split = split_catalog(labelled, folds=folds, label=label, seed=seed)
    measured, usable, notes = _measured(labelled, specs, cache, workers, measuring)
    usable &= split.folds(labelled) >= 0
    images = labelled.filter(usable)
    fold_of, groups = split.folds(images), group_catalog(images)
    labels = images.text(label)
    draws, hidden = plan_draws(labels, groups.ids, fold_of, counts, repeats, hide, seed)
    # That nothing leaks is how it should be, and no note.
    notes += [note for note in split.notes if not (groups.leak_free and note == groups.note)]
    notes += check_draws(draws, labels, hidden)

    bench = _Bench(images, groups, label, level, seed, options or {}, PartStore(_parts(resume_dir)))
    results: dict[str, list[Kept]] = {spec.name: [] for spec in specs}
    done, total = 0, len(specs) * len(draws)
    for spec in specs:
        features = measured[spec.encoder].take(usable)
        for draw in draws:
            results[spec.name].append(bench.run(spec, features, draw))
            done += 1
            if progress is not None:
                progress(done, total)
    nuisance, more = _nuisance(images, label, seed)
    n_classes = len(np.unique(labels.astype(str)))
    return Comparison(
        scores=tuple(_scores(specs, counts, draws, results, repeats, level, seed)),
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
        n_classes=n_classes,
        n_clusters=groups.n_groups,
        chance=1.0 / (n_classes - hide),
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
    cache: FeatureCache | None,
    workers: int | None,
    progress: Progress | None,
) -> tuple[dict[str, Features], NDArray[np.bool_], list[str]]:
    """Return the features of each encoder, the rows that all of them have, and notes on the others."""
    tables: dict[str, Features] = {}
    usable = np.ones(len(catalog), dtype=np.bool_)
    notes = []
    for name in dict.fromkeys(spec.encoder for spec in specs):
        table = extract(catalog, join_encoders(name), cache=cache, workers=workers, progress=progress)
        if not any(spec.info.within for spec in specs if spec.encoder == name):
            # Nobody reads it, and of a long vector it is most of the memory: one zero stands for all.
            nothing = np.broadcast_to(np.zeros(1, dtype=np.float32), table.within.shape)
            table = replace(table, within=nothing)
        tables[name] = table
        lost = int((~table.ok).sum())
        if lost:
            first = next(error for error in table.error if error is not None)
            notes.append(
                f"{lost} of {len(catalog)} images were left out, for {name} cannot measure them. The first: {first}"
            )
        usable &= table.ok
    if not usable.any():
        raise NotEnoughDataError(f"There is no image that all encoders can measure. {' '.join(notes)}")
    return tables, usable, notes


def _parts(resume_dir: str | os.PathLike[str] | None) -> Path | None:
    if resume_dir is None:
        return None
    folder = Path(resume_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _nuisance(images: Catalog, label: str, seed: int) -> tuple[float | None, list[str]]:
    try:
        floor = nuisance_floor(images, label, seed=seed)
    except NotEnoughDataError as error:
        return None, [f"The nuisance floor was not measured: {error}"]
    return floor.accuracy, [floor.sentence] if floor.gives_away else []


# -- one part ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all parts have in common."""

    images: Catalog
    groups: Groups
    label: str
    level: float
    seed: int
    options: Mapping[str, Mapping[str, Any]]
    store: PartStore

    def run(self, spec: AttributorSpec, features: Features, draw: Draw) -> Kept:
        train, test = self.images.take(draw.train), self.images.take(draw.test)
        options = dict(self.options.get(spec.name, {}))
        seed = self.seed + draw.repeat
        key = {
            "attributor": spec.name,
            "options": same_for_all({"options": repr(sorted(options.items()))}),
            "recipe": features.recipe_hash,
            "label": self.label,
            "level": self.level,
            "open_set_level": OPEN_SET_LEVEL,
            "seed": seed,
            "references": draw.references,
            "repeat": draw.repeat,
            "fold": draw.fold,
            "train": _rows_hash(train),
            "test": _rows_hash(test),
            "groups": same_for_all({"ids": self.groups.ids[draw.test].tolist()}),
        }

        def fit_and_judge() -> Kept:
            watch = Stopwatch()
            try:
                fitted = fit_registered(
                    spec.info,
                    train,
                    features.take(draw.train),
                    label=self.label,
                    level=self.level,
                    seed=seed,
                    options=options,
                )
            except MorelliError as error:
                count = "all" if draw.references is None else draw.references
                raise MorelliError(f"{spec.name} with {count} references, fold {draw.fold}: {error}") from error
            fit_seconds = watch.lap()
            lineages, _ = lineages_of(train, self.label, [str(name) for name in fitted.classes_])
            chosen = replace(self.groups, ids=self.groups.ids[draw.test])
            seen = features.take(draw.test)
            watch.lap()
            predictions = judge(fitted, lineages, OPEN_SET_LEVEL, test, seen, chosen, self.label)
            return Kept(predictions, fit_seconds, watch.lap())

        return self.store.get_or_run(key, fit_and_judge)


def _rows_hash(catalog: Catalog) -> str:
    """Return a hash of rows and their order; the fingerprint alone knows no order."""
    return same_for_all({"labels": catalog.fingerprint, "order": [str(i) for i in catalog.column("image_id")]})


# -- all parts ---------------------------------------------------------------------------------------------------------


def _scores(
    specs: Sequence[AttributorSpec],
    counts: Sequence[int | None],
    draws: Sequence[Draw],
    results: Mapping[str, Sequence[Kept]],
    repeats: int,
    level: float,
    seed: int,
) -> list[Score]:
    """Measure every attributor with every number of references."""
    scores: dict[tuple[str, int | None], Score] = {}
    for count in counts:
        hits: dict[str, NDArray[np.bool_]] = {}
        clusters = np.zeros(0, dtype=np.int64)
        for spec in specs:
            parts = [
                (draw.repeat, kept)
                for draw, kept in zip(draws, results[spec.name], strict=True)
                if draw.references == count
            ]
            tables = [
                Predictions.concat([kept.predictions for own, kept in parts if own == repeat])
                for repeat in range(repeats)
            ]
            hits[spec.name] = np.concatenate([(t.top == t.y)[t.known] for t in tables])
            clusters = np.concatenate([t.group[t.known] for t in tables])
            scores[spec.name, count] = _score(spec, count, tables, [kept for _, kept in parts], level, seed)
        best = max(specs, key=lambda spec: float(hits[spec.name].mean()) if len(hits[spec.name]) else 0.0).name
        for spec in specs:
            low, high = cluster_bootstrap_difference(hits[best], hits[spec.name], clusters, _N_BOOT, seed)
            behind = float(hits[best].mean() - hits[spec.name].mean()) if len(clusters) else None
            scores[spec.name, count] = replace(
                scores[spec.name, count], behind=behind, behind_low=_number(low), behind_high=_number(high)
            )
    return [scores[spec.name, count] for spec in specs for count in counts]


def _score(
    spec: AttributorSpec,
    count: int | None,
    tables: Sequence[Predictions],
    parts: Sequence[Kept],
    level: float,
    seed: int,
) -> Score:
    # A single resample: the only intervals that are shown are those of the accuracy, over all draws together.
    metrics = [summarise(t, seed=seed, n_boot=1, target_coverage=level) for t in tables]
    hits = np.concatenate([(t.top == t.y)[t.known] for t in tables])
    clusters = np.concatenate([t.group[t.known] for t in tables])
    low, high = cluster_bootstrap_interval(hits, clusters, _N_BOOT, seed)

    def mean(select: Callable[[Metrics], float | None]) -> float | None:
        values = [value for m in metrics if (value := select(m)) is not None]
        return float(np.mean(values)) if values else None

    curves = [np.array(m.risk_curve) for m in metrics if m.risk_curve]
    curve = np.mean(curves, axis=0).tolist() if curves else []
    judged = sum(len(kept.predictions) for kept in parts)
    return Score(
        attributor=spec.name,
        encoder=spec.encoder,
        references=count,
        n=len(hits),
        accuracy=float(hits.mean()) if len(hits) else None,
        low=_number(low),
        high=_number(high),
        top3=mean(lambda m: m.top3),
        lineage=mean(lambda m: m.lineage_accuracy),
        log_loss=mean(lambda m: m.log_loss),
        ece=mean(lambda m: m.ece),
        coverage=mean(lambda m: m.coverage),
        set_size=mean(lambda m: m.mean_set_size),
        right_at_half=mean(lambda m: None if m.risk_at_half is None else 1.0 - m.risk_at_half),
        unknown_auroc=mean(lambda m: None if m.open_set is None else m.open_set.auroc),
        n_unknown=sum(m.n_unknown for m in metrics),
        fit_seconds=float(np.mean([kept.fit_seconds for kept in parts])),
        judge_microseconds=1e6 * sum(kept.judge_seconds for kept in parts) / max(1, judged),
        behind=None,
        behind_low=None,
        behind_high=None,
        risk_curve=tuple((float(x), float(y)) for x, y in curve),
    )


def _number(value: float) -> float | None:
    """Return a Python float, or None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
