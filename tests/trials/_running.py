"""Trials to run, and how to compare what came of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from _small import CENTROID, LOGISTIC, Small
from morelli.trials.predictions import Predictions
from morelli.trials.runner import Outcome, run_trials
from morelli.trials.trial import Fold, Trial


def folds(attributor: str = CENTROID, n: int = 3, **settings: object) -> list[Trial]:
    return [Trial({"attributor": attributor}, attributor=attributor, fold=Fold(i, n), **settings) for i in range(n)]


def run(small: Small, trials: list[Trial], folder: Path | None = None, jobs: int = 1, **more: object) -> list[Outcome]:
    return run_trials(small.catalog, trials, folder=folder, cache=small.cache, jobs=jobs, **more)


def assert_equal(one: Predictions, other: Predictions) -> None:
    """Bit by bit; NaN is NaN."""
    assert (one.classes, one.lineages, one.prompt_known) == (other.classes, other.lineages, other.prompt_known)
    for name in ("image_id", "uri", "label", "decision", "error", "group", "prediction_set"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    for name in ("proba", "open_set_p"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.iterdir())}


def sample_trials() -> list[Trial]:
    return [*folds(CENTROID), *folds(LOGISTIC), *folds(CENTROID, test_view="jpeg:50")]
