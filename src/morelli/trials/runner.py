"""Running trials: what is missing is measured, fitted and judged in processes, and kept; what is there is taken."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli._processes import WorkerDied, map_in_processes, processors
from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of
from morelli.attributors.registry import Attributor, AttributorInfo, Prompts, fit_registered, install_attributors
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import EndpointError, MorelliError, NotEnoughDataError
from morelli.trials._parts import Kept, PartStore, Stopwatch
from morelli.trials.engine import judge
from morelli.trials.plan import Bench, Fit, Planned, fits_of
from morelli.trials.predictions import Predictions
from morelli.trials.same_prompt import among_candidates
from morelli.trials.selection import Rows
from morelli.trials.trial import Trial
from morelli.views import parse_view
from morelli.views.shipping import Shipped, install_views, views_used

__all__ = ["Outcome", "kept_features", "plan_all", "rows_to_measure", "run_trials"]

Progress = Callable[[int, int], None]
Failed = Mapping[tuple[str, str], Mapping[int, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a trial.

    Attributes
    ----------
    trial : Trial
    predictions : Predictions or None
        None where there are none, and `problem` says why.
    problem : str or None
    lacking : bool
        Whether the problem is that there are too few images; otherwise something failed.
    fit_seconds, judge_seconds : float
        0 where nothing was done.
    n_references : int
        Images that were learned from, or would have been.
    spent : mapping of str to float
        What asking took, see `morelli.attributors.registry.Asking`; empty for what measures.
    """

    trial: Trial
    predictions: Predictions | None
    problem: str | None = None
    lacking: bool = False
    fit_seconds: float = 0.0
    judge_seconds: float = 0.0
    n_references: int = 0
    spent: Mapping[str, float] = field(default_factory=dict)


def run_trials(
    catalog: Catalog,
    trials: Sequence[Trial],
    *,
    folder: Path | None = None,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    measuring: Progress | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run trials, and return what came of each, in their order.

    A trial that cannot be run, or fails, is an outcome with a problem; the others go on.

    Parameters
    ----------
    catalog : Catalog
    trials : sequence of Trial
    folder : pathlib.Path, optional
        Where finished trials are kept. The same call goes on where an earlier one stopped.
    cache : FeatureCache, optional
        Where measured features are kept; by default in a temporary folder, for this call only.
    jobs : int, optional
        Processes; by default as many as processors. The result does not depend on it.
    measuring, progress : callable, optional
        Called as ``(done, total)`` after every image that is measured, and after every trial.

    Raises
    ------
    MorelliError
        `jobs` makes no sense, or a process died.
    """
    if jobs is not None and jobs < 1:
        raise MorelliError("Trials need at least one process to run in.")
    with kept_features(cache) as store, ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="morelli-trials-")))
        run = _Run(catalog, PartStore(folder), store, processors() if jobs is None else jobs)
        return run.outcomes(trials, measuring, progress)


@contextmanager
def kept_features(cache: FeatureCache | None) -> Iterator[FeatureCache]:
    """Give the cache, or where there is none one in a temporary folder, until the block ends."""
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="morelli-features-") as folder:
        temporary = FeatureCache(Path(folder) / "features.sqlite")
        try:
            yield temporary
        finally:
            temporary.close()


class _Run:
    """One call of `run_trials`."""

    def __init__(self, catalog: Catalog, store: PartStore, cache: FeatureCache, jobs: int) -> None:
        self._bench, self._store, self._cache, self._jobs = Bench(catalog), store, cache, jobs

    def outcomes(self, trials: Sequence[Trial], measuring: Progress | None, progress: Progress | None) -> list[Outcome]:
        planned, problems = plan_all(self._bench, trials)
        kept = {one.name: part for one in planned.values() if (part := self._store.finished(one.name)) is not None}
        todo = [one for one in planned.values() if one.name not in kept]
        fits = fits_of(todo)
        done, total = len(trials) - sum(len(fit.planned) for fit in fits), len(trials)
        if progress is not None:
            progress(done, total)
        failures: dict[str, str] = {}
        if fits:
            failed = self._measure(todo, measuring)
            with closing(self._in_workers(fits, failed)) as finished:  # or workers would go on after Ctrl-C
                for names, problem in finished:
                    if problem is not None:
                        failures.update(dict.fromkeys(names, problem))
                    done += len(names)
                    if progress is not None:
                        progress(done, total)
        result = []
        for number, trial in enumerate(trials):
            if number in problems:
                result.append(problems[number])
                continue
            one = planned[number]
            part = kept.get(one.name) or self._store.get(one.name)
            if part is None:
                problem = failures.get(one.name, "The part was finished, and is damaged or gone; run the study again.")
                lacking = problem.startswith(_LACKING)
                result.append(
                    Outcome(trial, None, problem.removeprefix(_LACKING), lacking, n_references=len(one.train))
                )
                continue
            # Groups are numbered for the catalog at hand; a part may have been made with other images around.
            groups = self._bench.groups
            predictions = replace(part.predictions, group=groups.ids[one.test], prompt_known=groups.leak_free)
            result.append(
                Outcome(
                    trial,
                    predictions,
                    fit_seconds=part.fit_seconds,
                    judge_seconds=part.judge_seconds,
                    n_references=len(one.train),
                    spent=part.spent,
                )
            )
        return result

    def _measure(self, todo: Sequence[Planned], progress: Progress | None) -> Failed:
        """Bring all features into the cache; return the rows that cannot be measured, and why."""
        wanted = rows_to_measure(todo)
        total, before = sum(map(len, wanted.values())), 0
        failed: dict[tuple[str, str], dict[int, str]] = {}
        for (encoder, view), rows in wanted.items():

            def step(done: int, of: int, before: int = before, n: int = len(rows)) -> None:
                # A joint encoder counts each of its parts.
                if progress is not None:
                    progress(before + done * n // max(of, 1), total)

            table = extract(
                self._bench.catalog.take(rows),
                self._bench.encoder(encoder),
                view=view,
                cache=self._cache,
                workers=None if self._jobs > 1 else 1,
                progress=step,
            )
            failed[encoder, view] = {int(rows[i]): str(table.error[i]) for i in np.flatnonzero(~table.ok)}
            before += len(rows)
        return failed

    def _in_workers(self, fits: Sequence[Fit], failed: Failed) -> Generator[tuple[list[str], str | None], None, None]:
        setup = _Setup(self._bench, self._store, self._cache, failed)
        if self._jobs == 1:
            yield from self._here(fits, setup)
            return
        # Who asks does so from here: processes would each have questions under way, and none would know how many.
        asking = [fit for fit in fits if self._bench.spec(fit.planned[0].trial.attributor).info.asks]
        fits = [fit for fit in fits if fit not in asking]
        if fits:
            yield from self._in_processes(fits, setup)
        yield from self._here(asking, setup)

    def _here(self, fits: Sequence[Fit], setup: _Setup) -> Iterator[tuple[list[str], str | None]]:
        """Do fits one after the other, those left out whose questions nobody would answer."""
        stopped: dict[Hashable, str] = {}
        for fit in fits:
            trial = fit.planned[0].trial
            info = self._bench.spec(trial.attributor).info
            whom = (info.name, info.whom(trial.options)) if info.asks else None
            names = [one.name for one in fit.planned]
            if whom in stopped:
                yield names, stopped[whom]
                continue
            try:
                setup.do(fit)
            except Exception as error:
                if whom is not None and isinstance(error, EndpointError):
                    stopped[whom] = "Not asked, because an earlier part was stopped."
                yield names, _problem(error)
            else:
                yield names, None

    def _in_processes(self, fits: Sequence[Fit], setup: _Setup) -> Iterator[tuple[list[str], str | None]]:
        trials = [one.trial for fit in fits for one in fit.planned]
        views = [parse_view(view) for trial in trials for view in (trial.test_view, *trial.train_views)]
        infos = {info.name: info for info in (self._bench.spec(trial.attributor).info for trial in trials)}
        try:
            yield from map_in_processes(
                _work,
                iter(fits),
                min(self._jobs, len(fits)),
                initializer=_initialise,
                initargs=(setup, views_used(views), tuple(infos.values())),
            )
        except WorkerDied as error:
            raise MorelliError(
                f"A process that ran trials has died, perhaps for want of memory. {error} Use fewer jobs; what is "
                "finished is kept."
            ) from error


def plan_all(bench: Bench, trials: Sequence[Trial]) -> tuple[dict[int, Planned], dict[int, Outcome]]:
    """Plan all trials; return plans and problems by their number."""
    planned: dict[int, Planned] = {}
    problems: dict[int, Outcome] = {}
    for number, trial in enumerate(trials):
        try:
            planned[number] = bench.plan(trial)
        except NotEnoughDataError as error:
            problems[number] = Outcome(trial, None, str(error), True)
    return planned, problems


def rows_to_measure(planned: Sequence[Planned]) -> dict[tuple[str, str], Rows]:
    """Return the rows that are needed of each encoder and view."""
    wanted: dict[tuple[str, str], list[Rows]] = {}
    for one in planned:
        for view in one.trial.train_views:
            wanted.setdefault((one.encoder, view), []).extend((one.train, one.background))
            if one.prompts:
                wanted[one.encoder, view].append(one.references)
        wanted.setdefault((one.encoder, one.trial.test_view), []).append(one.test)
    return {key: np.unique(np.concatenate(rows)) for key, rows in wanted.items()}


# -- in a worker -------------------------------------------------------------------------------------------------------

_LACKING = "\0"
"""Before a problem that is a lack of images; problems come back from workers as text."""


@dataclass(frozen=True)
class _Setup:
    """What every worker has."""

    bench: Bench
    store: PartStore
    cache: FeatureCache
    failed: Failed

    def run(self, fit: Fit) -> tuple[list[str], str | None]:
        """Do one fit and all that is judged by it; return the names of the parts, and what went wrong."""
        names = [one.name for one in fit.planned]
        try:
            self.do(fit)
        except Exception as error:
            return names, _problem(error)
        return names, None

    def do(self, fit: Fit) -> None:
        """Do one fit and all that is judged by it."""
        with threadpool_limits(1):  # a result must not depend on the number of processors
            self._fit_and_judge(fit)

    def _fit_and_judge(self, fit: Fit) -> None:
        first = fit.planned[0]
        trial = first.trial
        tables = [self._features(first.encoder, view, first.train) for view in trial.train_views]
        usable: NDArray[np.bool_] = np.all([table.ok for table in tables], axis=0)
        if not usable.any():
            error = next((e for table in tables for e in table.error if e is not None), "there are none")
            raise NotEnoughDataError(f"No reference can be measured. The first: {error}")
        references = self.bench.catalog.take(first.train[usable])
        background = self._background(first)
        watch = Stopwatch()
        fitted = fit_registered(
            self.bench.spec(trial.attributor).info,
            references,
            [table.take(usable) for table in tables],
            label=trial.label,
            level=trial.level,
            seed=trial.seed,
            options=trial.options,
            background=background,
            prompts=self._prompts(first, first.train[usable]),
        )
        fit_seconds = watch.lap()
        lineages, _ = lineages_of(references, trial.label, [str(name) for name in fitted.classes_])
        table: tuple[str, Rows, Features] | None = None
        for one in sorted(fit.planned, key=lambda one: one.trial.test_view):
            view = one.trial.test_view
            if table is None or table[0] != view:
                # What several trials judge is read once.
                rows = np.unique(np.concatenate([same.test for same in fit.planned if same.trial.test_view == view]))
                table = view, rows, self._features(one.encoder, view, rows)
            seen = table[2].take(np.searchsorted(table[1], one.test))
            groups = replace(self.bench.groups, ids=self.bench.groups.ids[one.test])
            watch.lap()
            predictions = judge(
                self._informed(fitted, one),
                lineages,
                OPEN_SET_LEVEL,
                self.bench.catalog.take(one.test),
                seen,
                groups,
                trial.label,
                self._prompts(one, one.test),
            )
            if one.trial.same_prompt is not None and not one.prompts:
                predictions = among_candidates(predictions, self._candidates(one, predictions.classes))
            # Evidence by family is many times the rest, and no study of trials reads it.
            slim = replace(predictions, evidence={}, family_proba={}, without_family={})
            absent = self._absent(first.train[~usable], one.test[~seen.ok])
            spent = getattr(fitted, "spent_", {})
            self.store.put(one.name, one.key, Kept(slim, fit_seconds, watch.lap(), absent, spent))

    def _informed(self, fitted: Any, one: Planned) -> Attributor:
        """Give references of the judged prompts to an attributor that has a use for them."""
        trial = one.trial
        if not one.prompts:
            known: Attributor = fitted
            return known
        if trial.same_prompt is None or len(trial.train_views) > 1:
            raise MorelliError(
                f"{trial.attributor} has to be given references of the prompts that it judges, in one view; it serves "
                "morelli leaderboard attack."
            )
        seen = self._features(one.encoder, trial.train_views[0], one.references)
        rows = one.references[seen.ok]
        informed: Attributor = fitted.given(
            seen.X[seen.ok],
            self.bench.labels(trial.label)[rows].astype(str),
            **Prompts(self.bench.prompts[rows], self.bench.texts[rows]).told(),
            references=trial.same_prompt.references,
        )
        return informed

    def _candidates(self, one: Planned, classes: Sequence[str]) -> NDArray[np.bool_]:
        """Return which classes have references for the prompts of the judged images, shape (n, K)."""
        labels, prompts = self.bench.labels(one.trial.label), self.bench.prompts
        found = {(prompts[row], labels[row]) for row in one.references}
        return np.array([[(prompts[row], name) in found for name in classes] for row in one.test], dtype=np.bool_)

    def _prompts(self, one: Planned, rows: Rows) -> Prompts | None:
        """Return the prompts of rows, for an attributor that is told."""
        if not one.prompts:
            return None
        return Prompts(self.bench.prompts[rows], self.bench.texts[rows])

    def _absent(self, *failed: Rows) -> tuple[str, ...]:
        """Return those of these rows' files that are gone, and were there when the catalog was made."""
        rows = np.concatenate(failed)
        paths = self.bench.catalog.take(rows[self.bench.readable[rows]]).paths  # of these few, not of all
        return tuple(str(path) for path in paths if not path.exists())

    def _background(self, one: Planned) -> tuple[Catalog, list[Features]] | None:
        if not len(one.background):
            return None
        tables = [self._features(one.encoder, view, one.background) for view in one.trial.train_views]
        usable: NDArray[np.bool_] = np.all([table.ok for table in tables], axis=0)
        images = self.bench.catalog.take(one.background[usable])
        return (images, [table.take(usable) for table in tables]) if usable.any() else None

    def _features(self, encoder: str, view: str, rows: Rows) -> Features:
        images = self.bench.catalog.take(rows)
        failed = self.failed.get((encoder, view), {})
        if any(int(row) in failed for row in rows):
            # What could not be measured once is not tried again in every trial.
            errors = [failed.get(int(row), error) for row, error in zip(rows, images.column("error"), strict=True)]
            images = images.with_column("error", errors)
        return extract(images, self.bench.encoder(encoder), view=view, cache=self.cache, workers=1)


def _problem(error: Exception) -> str:
    """Return what the reader is told of a trial that failed, which must not end the others."""
    if isinstance(error, NotEnoughDataError):
        return _LACKING + str(error)
    return str(error) if isinstance(error, MorelliError) else f"{type(error).__name__}: {error}"


_setup: _Setup


def _initialise(setup: _Setup, views: Shipped, attributors: Sequence[AttributorInfo]) -> None:
    global _setup
    install_views(views)
    install_attributors(attributors)
    _setup = setup


def _work(fit: Fit) -> tuple[list[str], str | None]:
    return _setup.run(fit)
