"""Runs of trials that go on: what is kept, what is done again, and what is taken over."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from _small import CENTROID, LOGISTIC
from morelli.catalog import Catalog
from morelli.trials.plan import Bench
from morelli.trials.runner import run_trials
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

from ._running import assert_equal, files, folds, run, sample_trials


def test_again_nothing_is_done(small, done, monkeypatch):
    folder, first = done
    before, calls = files(folder), []
    monkeypatch.setattr("morelli.trials.runner.fit_registered", lambda *_, **__: calls.append(1))
    monkeypatch.setattr("morelli.trials.runner.extract", lambda *_, **__: calls.append(2))
    again = run(small, sample_trials(), folder)
    assert calls == []
    assert files(folder) == before
    for one, other in zip(first, again, strict=True):
        assert_equal(one.predictions, other.predictions)
        assert (one.fit_seconds, one.judge_seconds) == (other.fit_seconds, other.judge_seconds)


@pytest.mark.parametrize("damage", ["half", "empty", "no json", "wrong json", "list", "gone"])
def test_a_damaged_part_is_done_again(small, tmp_path, damage):
    trials = folds()
    first = run(small, trials, tmp_path)
    before = files(tmp_path)
    name = Bench(small.catalog).plan(trials[1]).name
    table, about = tmp_path / f"{name}.parquet", tmp_path / f"{name}.json"
    match damage:
        case "half":
            table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
        case "empty":
            table.write_bytes(b"")
        case "no json":
            about.unlink()
        case "wrong json":
            about.write_text("{")
        case "list":
            about.write_text("[]")
        case "gone":
            table.unlink()
    calls: list[tuple[int, int]] = []
    again = run(small, trials, tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(2, 3), (3, 3)]
    after = files(tmp_path)
    assert {path for path in after if after[path][0] != before[path][0]} == {table.name, about.name}
    for one, other in zip(first, again, strict=True):
        assert_equal(one.predictions, other.predictions)


class Stop(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_goes_on(small, done, tmp_path, jobs):
    trials = [*folds(CENTROID), *folds(LOGISTIC)]

    def stop(finished: int, total: int) -> None:
        if finished == 1:
            raise Stop

    with pytest.raises(Stop):
        run(small, trials, tmp_path, jobs, progress=stop)
    kept = files(tmp_path)
    assert len(kept) >= 2
    if jobs == 1:
        assert len(kept) == 2
    outcomes = run(small, trials, tmp_path, jobs)
    assert {name: kept[name] for name in kept if name.endswith(".json")}.items() <= files(tmp_path).items()
    for one, other in zip(done[1], outcomes, strict=False):
        assert_equal(one.predictions, other.predictions)


def test_progress_counts_trials(small, tmp_path):
    calls: list[tuple[int, int]] = []
    measured: list[tuple[int, int]] = []
    nothing = Trial({}, attributor=CENTROID, test=Selection({"domain": "nowhere"}))
    run(
        small, [*folds(), nothing], tmp_path,
        progress=lambda *call: calls.append(call), measuring=lambda *call: measured.append(call),
    )  # fmt: skip
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert measured[-1] == (48, 48)
    assert all(one <= other for one, other in itertools.pairwise(measured))


def test_groups_belong_to_the_catalog_at_hand(small, tmp_path):
    """A part is taken over by a catalog with more rows, whose groups have other numbers."""
    prompts = sorted(set(small.catalog.text("prompt_id")))
    trial = Trial(
        {}, attributor=CENTROID, train=Selection({"prompt_id": prompts[:6]}), test=Selection({"prompt_id": prompts[6:]})
    )
    reverse = small.catalog.take(np.argsort(small.catalog.text("prompt_id") == prompts[0], kind="stable"))
    few = reverse.filter(reverse.text("prompt_id") != prompts[3])
    (first,) = run_trials(few, [trial], folder=tmp_path, cache=small.cache, jobs=1)
    before = files(tmp_path)
    extra = small.catalog.filter(small.catalog.text("prompt_id") == prompts[3]).with_column("prompt_id", ["new"] * 4)
    more = Catalog.concat([extra, few])
    (again,) = run_trials(more, [trial], folder=tmp_path, cache=small.cache, jobs=1)
    assert files(tmp_path) == before
    assert again.predictions.group.tolist() == (first.predictions.group + 1).tolist()
    unknown = extra.with_column("prompt_id", [None] * 4)
    (third,) = run_trials(Catalog.concat([unknown, few]), [trial], folder=tmp_path, cache=small.cache, jobs=1)
    assert files(tmp_path) == before
    assert (again.predictions.prompt_known, third.predictions.prompt_known) == (True, False)
