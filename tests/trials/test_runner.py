from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from _small import CENTROID, ENCODER, FUSED, LOGISTIC, MODELS, build_small
from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of
from morelli.attributors.registry import _ATTRIBUTORS, fit_registered, parse_attributor, register_attributor
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.errors import BudgetError, EndpointError, MorelliError
from morelli.trials.engine import judge
from morelli.trials.plan import Bench
from morelli.trials.runner import run_trials
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

from ._running import assert_equal, folds, run, sample_trials

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
