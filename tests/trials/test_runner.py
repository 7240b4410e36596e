from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _small import CENTROID, ENCODER, FUSED, LOGISTIC, MODELS, Small, build_small
from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of
from morelli.attributors.registry import _ATTRIBUTORS, fit_registered, parse_attributor, register_attributor
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.errors import BudgetError, EndpointError, MorelliError
from morelli.trials.engine import judge
from morelli.trials.plan import Bench
from morelli.trials.predictions import Predictions
from morelli.trials.runner import Outcome, run_trials
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.selection import Selection
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


@pytest.fixture(scope="module")
def done(small, tmp_path_factory) -> tuple[Path, list[Outcome]]:
    """Three folds of two attributors, judged in two views."""
    folder = tmp_path_factory.mktemp("parts")
    return folder, run(small, sample_trials(), folder)


def sample_trials() -> list[Trial]:
    return [*folds(CENTROID), *folds(LOGISTIC), *folds(CENTROID, test_view="jpeg:50")]


# -- who is asked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [EndpointError, BudgetError])
def test_who_has_stopped_is_not_asked_again_and_others_are(small, monkeypatch, error):
    asked = []

    def make(blocks, *, seed, level, **options):
        asked.append(options)
        if options["who"] == "mute":
            raise error("No more.")
        raise MorelliError("This once.")  # says nothing of the next

    monkeypatch.delitem(_ATTRIBUTORS, "asker", raising=False)
    settings = {"summary": "s", "source": "s", "encoder": ENCODER, "asks": True}
    register_attributor("asker", **settings, whom=lambda options: options["who"])(make)
    monkeypatch.setitem(_ATTRIBUTORS, "asker", _ATTRIBUTORS.pop("asker"))  # gone again after the test
    trials = [
        trial for who in ("mute", "other") for n in (1, 2) for trial in folds("asker", options={"who": who, "shots": n})
    ]
    problems = [outcome.problem for outcome in run(small, trials)]
    assert [options["who"] for options in asked] == ["mute", *["other"] * 6]
    assert problems[:6] == ["No more.", *["Not asked, because an earlier part was stopped."] * 5]
    assert problems[6:] == ["This once."] * 6


# -- what comes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 4, 7])
def test_a_trial_is_a_fit_and_a_judgement(small, done, number):
    outcome = done[1][number]
    trial, bench = outcome.trial, Bench(small.catalog)
    one = bench.plan(trial)
    encoder = join_encoders(ENCODER)
    references = small.catalog.take(one.train)
    measured = extract(references, encoder, cache=small.cache, workers=1)
    fitted = fit_registered(parse_attributor(trial.attributor).info, references, measured, seed=trial.seed)
    test = small.catalog.take(one.test)
    seen = extract(test, encoder, view=trial.test_view, cache=small.cache, workers=1)
    lineages, _ = lineages_of(references, "model", list(MODELS))
    groups = replace(bench.groups, ids=bench.groups.ids[one.test])
    expected = judge(fitted, lineages, OPEN_SET_LEVEL, test, seen, groups, "model")
    assert outcome.problem is None
    assert_equal(outcome.predictions, replace(expected, evidence={}, family_proba={}, without_family={}))
    assert outcome.n_references == len(one.train) == 32
    assert outcome.fit_seconds > 0
    assert outcome.judge_seconds > 0


def test_outcomes_are_in_the_order_of_trials(done):
    assert [outcome.trial for outcome in done[1]] == sample_trials()


def test_processes_do_not_change_the_result(small, done, tmp_path):
    """A folder of its own, so that nothing is taken over."""
    for one, other in zip(done[1], run(small, sample_trials(), tmp_path / "two é", jobs=2), strict=True):
        assert_equal(one.predictions, other.predictions)
        assert one.n_references == other.n_references


def test_without_a_folder_and_a_cache(small, done):
    (outcome,) = run_trials(small.catalog, sample_trials()[:1], jobs=1)
    assert_equal(outcome.predictions, done[1][0].predictions)


def test_equal_trials_are_done_once(small, tmp_path):
    trials = [Trial({"cell": i}, attributor=CENTROID, fold=Fold(0, 3)) for i in range(3)]
    outcomes = run(small, trials, tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert [outcome.trial.cell for outcome in outcomes] == [{"cell": 0}, {"cell": 1}, {"cell": 2}]
    assert_equal(outcomes[0].predictions, outcomes[2].predictions)


def test_who_shares_a_fit_has_candidates_of_his_own(tmp_path):
    """A fit does not hang on which references are known beside it, and candidates do."""

    def change(rows):
        for row in rows:  # two images of each of two models for a prompt, of which the other two have none
            half = int(row["prompt_id"][-1], 36) % 2
            row["prompt_id"] = f"{half} {row['model'] in MODELS[:2]} {sum(map(ord, row['prompt_id'])) % 3}"

    small = build_small(tmp_path, change)
    plain = folds(LOGISTIC, 2)
    dealt = [replace(trial, cell={"dealt": True}, same_prompt=SamePrompt(1)) for trial in plain]
    (one, *_), (other, *_) = run(small, [plain[0], dealt[0]], tmp_path / "a"), run(small, [dealt[0]], tmp_path / "b")
    both = run(small, [plain[0], dealt[0]], tmp_path / "c")
    assert one.problem is None and other.problem is None
    assert_equal(both[1].predictions, other.predictions)
    assert ((both[1].predictions.proba > 0).sum(axis=1) < len(MODELS)).any()


def test_no_trials(small):
    assert run(small, []) == []


def test_no_process(small):
    with pytest.raises(MorelliError, match="at least one process"):
        run(small, sample_trials(), jobs=0)


# -- going on ----------------------------------------------------------------------------------------------------------


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


# -- what fails --------------------------------------------------------------------------------------------------------


class Moody:
    """Cannot learn with seed 1."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: object, y: object, groups: object) -> Moody:
        if self.seed == 1:
            raise RuntimeError("I would rather not")
        if self.seed == 2:
            raise MorelliError("A sentence.")
        raise ValueError("so\nmany lines")


@pytest.fixture
def moody():
    """An attributor that no other process knows."""

    @register_attributor("moody", summary="", source="", encoder=ENCODER, n_folds=None)
    def make(blocks: object, *, seed: int, level: float) -> Moody:
        return Moody(seed)

    yield
    del _ATTRIBUTORS["moody"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_trial_that_fails_does_not_end_the_others(small, moody, tmp_path, jobs):
    good = folds()
    bad = [Trial({"bad": seed}, attributor="moody", fold=Fold(0, 3), seed=seed) for seed in (1, 2, 3)]
    outcomes = run(small, [good[0], *bad, *good[1:]], tmp_path, jobs)
    assert [outcome.problem for outcome in outcomes] == [
        None, "RuntimeError: I would rather not", "A sentence.", "ValueError: so\nmany lines", None, None
    ]  # fmt: skip
    assert not any(outcome.lacking for outcome in outcomes)
    assert [outcome.predictions is None for outcome in outcomes] == [False, True, True, True, False, False]
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_an_attributor_of_this_process_works_in_others(small, tmp_path):
    info = parse_attributor("centroid").info

    @register_attributor("own", summary="", source="", encoder=ENCODER)
    def make(blocks: object, *, seed: int, level: float, **options: object) -> object:
        return info.make(blocks, seed=seed, level=level, **options)

    try:
        outcomes = run(small, [*folds("own"), *folds()], tmp_path, 2)
    finally:
        del _ATTRIBUTORS["own"]
    assert [outcome.problem for outcome in outcomes] == [None] * 6
    for one, other in zip(outcomes[:3], outcomes[3:], strict=True):
        assert_equal(one.predictions, other.predictions)


def test_a_setting_that_there_is_not(small, tmp_path):
    (outcome,) = run(small, [Trial({}, attributor=CENTROID, fold=Fold(0, 3), options={"colour": 3})], tmp_path)
    assert "colour" in outcome.problem
    assert not outcome.lacking


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_lacking(small, tmp_path, jobs):
    lacking = [
        Trial({}, attributor=CENTROID, test=Selection({"domain": "nowhere"})),
        Trial({}, attributor=CENTROID, train=Selection({"model": MODELS[0]}), fold=Fold(0, 3)),
        Trial({}, attributor=CENTROID, train=Selection(per_class=1), fold=Fold(0, 3)),  # found out by the fit
    ]
    outcomes = run(small, [*lacking, *folds()], tmp_path, jobs)
    assert [outcome.lacking for outcome in outcomes] == [True] * 3 + [False] * 3
    assert "nothing to judge" in outcomes[0].problem
    assert "one class only" in outcomes[1].problem
    assert "at least 3 reference" in outcomes[2].problem
    assert outcomes[2].n_references == 4


# -- images that cannot be measured ------------------------------------------------------------------------------------


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


# -- views -------------------------------------------------------------------------------------------------------------


def test_views(small, tmp_path):
    both = ("none", "jpeg:40")

    def trial(attributor: str, views: tuple[str, ...], test: str = "none") -> Trial:
        return Trial({}, attributor=attributor, train_views=views, test_view=test, fold=Fold(0, 3))

    trials = [trial(a, v, "jpeg:40") for a in (LOGISTIC, FUSED) for v in (("none",), both, ("jpeg:40",))]
    outcomes = run(small, trials, tmp_path)
    assert [outcome.problem for outcome in outcomes] == [None] * 6
    plain, mixed, same, home, experts, own = (outcome.predictions.proba for outcome in outcomes)
    assert not np.array_equal(plain, same)
    assert not np.array_equal(mixed, plain)
    assert not np.array_equal(mixed, same)
    # The fused attributor has an expert for each view, and judges by the one that fits.
    assert np.abs(experts - home).max() > 0.01
    assert np.allclose(experts, own)
    # The mixture, put together by hand.
    one = Bench(small.catalog).plan(trials[1])
    encoder, references = join_encoders(ENCODER), small.catalog.take(one.train)
    tables = [extract(references, encoder, view=view, cache=small.cache, workers=1) for view in both]
    estimator = parse_attributor(LOGISTIC).info.build(dict(encoder.blocks), seed=0, level=0.9)
    groups = Bench(references).groups.ids
    estimator.fit(
        np.concatenate([t.X for t in tables]), np.tile(references.text("model").astype(str), 2), np.tile(groups, 2)
    )
    seen = extract(small.catalog.take(one.test), encoder, view="jpeg:40", cache=small.cache, workers=1)
    assert np.array_equal(estimator.answer(seen.X).proba, outcomes[1].predictions.proba)


def test_a_cache_that_is_warm_needs_no_files(small, tmp_path):
    """And a measured image is not measured again."""
    run(small, folds()[:1])
    moved = Catalog(small.catalog.table, tmp_path)
    before = [path for path in moved.paths if not path.is_absolute()]
    uris = [f"gone/{i}.jpg" for i in range(48)]
    (outcome,) = run_trials(moved.with_column("uri", uris), folds()[:1], cache=small.cache, jobs=1)
    assert before == []
    assert outcome.predictions.readable.all()
    assert isinstance(small.cache, FeatureCache)
