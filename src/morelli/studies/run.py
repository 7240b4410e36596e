"""Running a study: its trials through the engine, and what it rests on beside what it found."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from morelli._version import __version__
from morelli.attributors.pixels import PixelNetwork
from morelli.attributors.registry import parse_attributor
from morelli.catalog import Catalog, nuisance_floor
from morelli.encoders import Encoder, FeatureCache, Features, extract, join_encoders
from morelli.encoders.missing import missing_rows
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.study import Frame, Study, settings_of
from morelli.studies.study_result import Provenance, StudyResult
from morelli.trials._parts import PartStore
from morelli.trials.cells import Results, check_coordinates
from morelli.trials.plan import Bench, Planned, fits_of
from morelli.trials.runner import plan_all, rows_to_measure, run_trials
from morelli.trials.trial import Trial

__all__ = ["Preview", "preview_study", "run_study"]

Progress = Callable[[int, int], None]

_PICTURES = 64
"""Random pictures that a network on pixels is timed with at most."""

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pillow", "pyarrow", "onnxruntime", "torch", "transformers")


def run_study(
    study: Study,
    frame: Frame,
    *,
    folder: Path | None = None,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    command: str = "",
    measuring: Progress | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Run a study.

    Parameters
    ----------
    study : Study
    frame : Frame
    folder : pathlib.Path, optional
        Where finished trials are kept, see :func:`morelli.trials.runner.run_trials`.
    cache, jobs, measuring, progress
        As there.
    command : str
        What was typed, for whoever wants the result again.

    Raises
    ------
    MorelliError
        The catalog cannot answer the question, an argument makes no sense, or no trial has a result.
    """
    trials = _checked(study.trials(frame))
    outcomes = run_trials(
        frame.catalog, trials, folder=folder, cache=cache, jobs=jobs, measuring=measuring, progress=progress
    )
    results = Results(outcomes, frame.seed)
    problems = results.problems()
    if all(outcome.predictions is None for outcome in outcomes):
        raise NotEnoughDataError(f"No trial of this study has a result. The first: {(problems or ['no trial'])[0]}")
    groups = Bench(frame.catalog).groups
    findings = study.find(dataclasses.replace(frame, measure=_measure(cache)), results)
    notes = [*findings.notes, *(note for note in _floor_notes(frame) if note not in findings.sentences)]
    if not groups.leak_free:
        notes.append(groups.note)
    return StudyResult(
        name=study.name,
        title=study.title,
        question=study.question,
        paper=study.paper,
        findings=dataclasses.replace(findings, notes=tuple(dict.fromkeys(notes))),
        cells=results.table(),
        classes=results.class_table(),
        confusion=results.confusion_table(),
        predictions=results.prediction_table(),
        missing=tuple(problems),
        n_missing=sum(outcome.predictions is None for outcome in outcomes),
        provenance=Provenance(
            command=command,
            morelli=__version__,
            environment=environment(),
            catalog=frame.catalog.fingerprint,
            n_images=len(frame.catalog),
            seed=frame.seed,
            seeds=len(frame.seeds),
            label=frame.label,
            options={
                "attributors": list(frame.attributors),
                "folds": frame.folds,
                "level": frame.level,
                **{field.name: getattr(study, field.name) for field in settings_of(type(study))},
            },
            prompt_known=groups.leak_free,
        ),
    )


def _checked(trials: list[Trial]) -> list[Trial]:
    """Refuse coordinates that cannot be, before hours are spent on them."""
    check_coordinates({name for trial in trials for name in trial.cell})
    return trials


def _measure(cache: FeatureCache | None) -> Callable[[Catalog, str], Features]:
    return lambda catalog, encoder: extract(catalog, join_encoders(encoder), cache=cache)


def environment() -> dict[str, str]:
    """Return the versions that numbers depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _floor_notes(frame: Frame) -> list[str]:
    """Say what the container alone gives away, beside which every accuracy is to be read."""
    try:
        floor = nuisance_floor(frame.catalog, frame.label, seed=frame.seed)
    except NotEnoughDataError as error:
        return [f"The nuisance floor was not measured: {error}"]
    return [floor.sentence]


# -- before it is run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """What a study would do.

    Attributes
    ----------
    trials, finished, fits : int
        Trials, those whose results are kept already, and fits that the others need.
    missing : tuple of str
        Trials that cannot be run.
    measure : tuple of (str, str, int, int)
        Encoder, view, images needed, and images of these that have to be measured.
    measuring_seconds, fitting_seconds : float
        Estimates, with as many processes as `jobs`: a few images were measured, and each attributor was fitted once to
        random numbers of the shape of its middle trial. Networks on pixels made two steps on random pictures. What asks
        takes no time here: `forecast` says what it takes.
    jobs : int
    forecast : tuple of str
        What else it takes, as the study says.
    """

    trials: int
    finished: int
    fits: int
    missing: tuple[str, ...]
    measure: tuple[tuple[str, str, int, int], ...]
    measuring_seconds: float
    fitting_seconds: float
    jobs: int
    forecast: tuple[str, ...] = ()


def preview_study(study: Study, frame: Frame, *, folder: Path | None, cache: FeatureCache | None, jobs: int) -> Preview:
    """Plan a study without running it; parameters as for `run_study`."""
    trials = _checked(study.trials(frame))
    bench = Bench(frame.catalog)
    planned, problems = plan_all(bench, trials)
    store = PartStore(folder) if folder is not None and folder.is_dir() else None
    todo = [one for one in planned.values() if store is None or store.finished(one.name) is None]
    fits = fits_of(todo)
    measure, seconds = [], 0.0
    for (encoder, view), rows in rows_to_measure(todo).items():
        missing = missing_rows(frame.catalog.take(rows), bench.encoder(encoder), view=view, cache=cache)
        measure.append((encoder, view, len(rows), len(missing)))
        if len(missing):
            seconds += (
                len(missing)
                * _seconds_per_image(frame.catalog.take(rows[missing[:2]]), bench.encoder(encoder), view)
                / jobs
            )
    lines = [f"{outcome.trial.describe()}: {outcome.problem}" for outcome in problems.values()]
    return Preview(
        trials=len(trials),
        finished=len(planned) - len(todo),
        fits=len(fits),
        missing=tuple(lines),
        measure=tuple(measure),
        measuring_seconds=seconds,
        fitting_seconds=_fitting_seconds(bench, [fit.planned[0] for fit in fits]) / min(jobs, max(len(fits), 1)),
        jobs=jobs,
        forecast=tuple(study.forecast(frame, todo)),
    )


def _seconds_per_image(images: Catalog, encoder: Encoder, view: str) -> float:
    begin = time.perf_counter()
    extract(images, encoder, view=view, workers=1)
    return (time.perf_counter() - begin) / max(len(images), 1)


def _fitting_seconds(bench: Bench, planned: Sequence[Planned]) -> float:
    """Estimate the time of all fits in one process: of each attributor one is timed, and time grows with references."""
    by_attributor: dict[str, list[Planned]] = {}
    for one in planned:
        by_attributor.setdefault(one.trial.attributor, []).append(one)
    total = 0.0
    for same in by_attributor.values():
        sizes = np.array([len(one.train) * len(one.trial.train_views) for one in same])
        middle = same[int(np.argsort(sizes)[len(sizes) // 2])]
        total += _timed_fit(bench, middle) * float(sizes.sum()) / (len(middle.train) * len(middle.trial.train_views))
    return total


def _timed_fit(bench: Bench, one: Planned) -> float:
    from threadpoolctl import threadpool_limits

    trial, rng = one.trial, np.random.default_rng(0)
    spec = bench.spec(trial.attributor)
    encoder = bench.encoder(spec.encoder)
    n, d, views = len(one.train), encoder.dim, list(trial.train_views)
    labels = np.tile(bench.labels(trial.label)[one.train].astype(str), len(views))
    more: dict[str, Any] = {}
    if spec.info.within:
        more["within"] = rng.normal(size=(n * len(views), encoder.n_contrasts, d)).astype(np.float32)
        more["n_contrasts"] = np.full(n * len(views), encoder.n_contrasts, dtype=np.int8)
    if spec.info.views:
        more["views"] = np.repeat(np.array(views, dtype=object), n)
        more["images"] = np.tile(np.arange(n), len(views))
    if spec.info.prompts:
        more["prompts"] = np.tile(bench.prompts[one.train], len(views))
    estimator = spec.info.build(dict(encoder.blocks), seed=trial.seed, level=trial.level, **trial.options)
    if spec.info.asks:
        return 0.0
    rows, network = n * len(views), getattr(estimator, "estimator", estimator)
    if spec.info.pixels:
        shown = min(rows, _PICTURES) if isinstance(network, PixelNetwork) else rows
        values = rng.integers(1 << 24, size=(shown, d)).astype(np.float32)  # packed, as `pack_pixels` does it
    else:
        values = rng.normal(size=(rows, d)).astype(np.float32)
    begin = time.perf_counter()
    try:
        with threadpool_limits(1):
            if isinstance(network, PixelNetwork):
                # K folds learn from the share (K - 1) / K each, and the last fit from all: K times all images.
                return network.seconds_to_fit(values, rows, len(np.unique(labels))) * (spec.info.n_folds or 1)
            estimator.fit(values, labels, np.tile(bench.groups.ids[one.train], len(views)), **more)
    except (MorelliError, ValueError):  # what cannot be fitted takes no time; the study will say so
        return 0.0
    return time.perf_counter() - begin


def frame_of(catalog: Catalog, study: type[Study], options: Mapping[str, Any]) -> Frame:
    """Return the frame that options ask for, as the command line and files give them.

    Parameters
    ----------
    catalog : Catalog
    study : type
        Whose attributors are taken where `options` names none.
    options : mapping
        Any of ``attributors`` (list), ``label``, ``seeds`` (their number), ``seed`` (the first), ``folds``, ``level``.

    Raises
    ------
    MorelliError
        A value makes no sense.
    """
    given = {name: value for name, value in options.items() if value is not None}
    seeds, seed, folds = int(given.get("seeds", 1)), int(given.get("seed", 0)), int(given.get("folds", 5))
    level = float(given.get("level", 0.9))
    if seeds < 1:
        raise MorelliError(f"A study has at least one seed, not {seeds}.")
    if seed < 0:
        raise MorelliError(f"Seeds are whole numbers from 0, not {seed}.")
    if folds < 2:
        raise MorelliError(f"A study has at least two folds, not {folds}.")
    if not 0.0 < level < 1.0:
        raise MorelliError(f"The level of prediction sets lies between 0 and 1, not at {level:g}.")
    names = [parse_attributor(name).name for name in options.get("attributors") or study.attributors]
    if len(set(names)) < len(names):
        raise MorelliError(f"An attributor is named twice: {', '.join(names)}.")
    frame = Frame(
        catalog,
        tuple(names),
        label=str(options.get("label") or study.label),
        seeds=tuple(range(seed, seed + seeds)),
        folds=folds,
        level=level,
    )
    frame.catalog.column(frame.label)  # refuses a column that there is not, before images are measured
    return frame


def command_line() -> str:
    """Return what was typed, without the folder of the program."""
    import shlex

    program = Path(sys.argv[0]).name
    return shlex.join(["morelli" if program == "__main__.py" else program, *sys.argv[1:]])
