"""Trials with images that cannot be measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _small import CENTROID, Small, build_small
from morelli.trials.plan import Bench
from morelli.trials.runner import run_trials
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

from ._running import folds, run


@pytest.fixture(scope="module")
def flawed(tmp_path_factory) -> Small:
    """One image of a fold that is no image, one that is too small, and one whose file goes after it was listed."""
    folder = tmp_path_factory.mktemp("flawed images é")
    (folder / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (5, 5), "red").save(folder / "tiny.png")

    def change(rows: list[dict[str, str]]) -> None:
        rows[3]["path"], rows[20]["path"] = "broken.png", "tiny.png"
        gone = folder / "gone.jpg"
        gone.write_bytes(Path(rows[30]["path"]).read_bytes())
        rows[30]["path"] = "gone.jpg"

    small = build_small(folder, change)
    (folder / "gone.jpg").unlink()
    return small


def test_images_that_cannot_be_measured(flawed):
    assert flawed.catalog.n_unreadable == 1
    outcomes = run(flawed, folds(), None, 1)
    assert [outcome.problem for outcome in outcomes] == [None] * 3
    tables = [outcome.predictions for outcome in outcomes]
    assert sum(map(len, tables)) == 48
    errors = {Path(uri).name: e for t in tables for uri, e in zip(t.uri, t.error, strict=True) if e is not None}
    assert sorted(errors) == ["broken.png", "gone.jpg", "tiny.png"]
    assert "gone.jpg" in errors["gone.jpg"]
    assert "5x5 pixels" in errors["tiny.png"]
    for table in tables:
        assert np.array_equal(table.decision == "unreadable", ~table.readable)
        assert np.isnan(table.proba[~table.readable]).all()


@pytest.mark.parametrize("gone", ["judged", "learned from"])
def test_a_file_that_comes_back_is_not_left_out_for_ever(small, tmp_path, gone):
    """A trial that had to do without it is done again; one that did not is not."""
    trials = folds()[:2]
    planned = [Bench(small.catalog).plan(trial) for trial in trials]
    row = int((planned[0].test if gone == "judged" else planned[0].train)[0])
    uris = [str(path) for path in small.catalog.paths]
    file = tmp_path / "mounted later.jpg"
    catalog = small.catalog.with_column("uri", [*uris[:row], str(file), *uris[row + 1 :]])

    def again() -> tuple[list[np.ndarray], int]:
        outcomes = run_trials(catalog, trials, folder=tmp_path / "trials", jobs=1)
        return [one.predictions.proba for one in outcomes], sum(int((~o.predictions.readable).sum()) for o in outcomes)

    without, unreadable = again()
    marks = {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").glob("*.json")}
    assert again()[1] == unreadable
    assert marks == {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").glob("*.json")}
    file.write_bytes(Path(uris[row]).read_bytes())
    restored, none = again()
    assert (unreadable, none) == (int(row in {*planned[0].test, *planned[1].test}), 0)
    expected = [one.predictions.proba for one in run(small, trials)]
    assert all(np.array_equal(a, b) for a, b in zip(restored, expected, strict=True))
    assert not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(without, restored, strict=True))


def test_they_are_no_references(flawed):
    """A fit with them is a fit without them."""
    bad = [3, 20, 30]
    kept = flawed.catalog.filter(~np.isin(np.arange(48), bad))
    prompts = sorted({*flawed.catalog.text("prompt_id")} - {*flawed.catalog.text("prompt_id")[bad]})
    trial = Trial({}, attributor=CENTROID, test=Selection({"prompt_id": prompts[0]}))
    (one,) = run(flawed, [trial])
    (other,) = run_trials(kept, [trial], cache=flawed.cache, jobs=1)
    assert np.array_equal(one.predictions.proba, other.predictions.proba)


def test_an_encoder_that_can_measure_nothing(tmp_path):
    def change(rows: list[dict[str, str]]) -> None:
        for i, row in enumerate(rows):
            Image.new("RGB", (4, 4), (i, 3 * i, 99)).save(tmp_path / f"{i}.png")
            row["path"] = f"{i}.png"

    tiny = build_small(tmp_path, change)
    catalog = tiny.catalog.with_column("phash", np.random.default_rng(0).integers(0, 1 << 63, 48).astype(np.uint64))
    (outcome,) = run_trials(catalog, folds()[:1], cache=tiny.cache, jobs=1)
    assert outcome.lacking
    assert outcome.problem.startswith("No reference can be measured. The first: ")
