"""The engine where images of the judged prompts are known: who is told them, what is shared, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from _small import bare_catalog
from morelli.attributors.registry import Prompts, fit_registered, parse_attributor
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache, extract, get_encoder
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.compare import compare
from morelli.trials.plan import Bench, Planned, fits_of
from morelli.trials.runner import Outcome, run_trials
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

ENCODER = "forensic[colour]"
CENTROID, FUSED, KNN = (f"{name}@{ENCODER}" for name in ("prompt-centroid", "prompt-fused", "knn"))
N_MODELS, N_PROMPTS, EACH = 3, 6, 5
TEXTS = [f"view number {p}" for p in range(N_PROMPTS)]


def columns() -> dict[str, list[object]]:
    """3 models x 6 prompts x 5 images, in an order of no use."""
    at = np.random.default_rng(5).permutation(N_MODELS * N_PROMPTS * EACH)
    prompt = at // EACH % N_PROMPTS
    return {
        "model": [f"m{i}" for i in at // EACH // N_PROMPTS],
        "prompt_id": [f"p{i}" for i in prompt],
        "prompt": [TEXTS[i] for i in prompt],
    }


BENCH = Bench(bare_catalog(columns()))


def trial(attributor: str = CENTROID, **changes: object) -> Trial:
    given = {"attributor": attributor, "fold": Fold(0, 3), "same_prompt": SamePrompt(2)}
    return Trial({"a": 1}, **(given | changes))


def plan(**changes: object) -> Planned:
    return BENCH.plan(trial(**changes))


# -- who learns from what ----------------------------------------------------------------------------------------------


def test_prompts_are_dealt_and_lessons_are_of_other_prompts():
    one = plan()
    judged, known, learned = (set(BENCH.prompts[rows]) for rows in (one.test, one.references, one.train))
    assert judged == known and not judged & learned
    assert len(one.references) == N_MODELS * 2 * len(known)
    assert len(one.test) == N_MODELS * (EACH - 2) * len(known)
    assert len(one.train) == N_MODELS * EACH * len(learned)
    assert one.prompts and not plan(attributor=KNN).prompts


def test_told_and_untold_judge_the_same_images():
    one, other = plan(), plan(attributor=KNN)
    for name in ("train", "test", "references"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_images_without_a_prompt_are_no_lessons_of_who_is_told():
    given = columns()
    given["prompt_id"] = [None if i < 12 else p for i, p in enumerate(given["prompt_id"])]
    given["prompt"] = [None] * len(given["prompt"])
    bench = Bench(bare_catalog(given))
    told, untold = bench.plan(trial()), bench.plan(trial(KNN))
    assert (bench.prompts[told.train] >= 0).all()
    assert set(untold.train) - set(told.train) <= set(range(12))
    assert set(untold.train) & set(range(12))
    assert not (set(told.test) | set(told.references)) & set(range(12))


def test_no_prompt_is_known_at_all():
    given = columns() | {"prompt_id": [None] * 90, "prompt": [None] * 90}
    with pytest.raises(NotEnoughDataError, match="No prompt has two different images of one class"):
        Bench(bare_catalog(given)).plan(trial())


def test_one_file_twice_is_not_known_and_judged():
    given = columns()
    ids = [f"{i:064x}" for i in range(90)]
    same = [i for i in range(90) if given["prompt_id"][i] == "p0" and given["model"][i] == "m0"]
    for row in same[1:]:
        ids[row] = ids[same[0]]
    bench = Bench(bare_catalog(given | {"image_id": ids}))
    for number in range(3):
        one = bench.plan(trial(fold=Fold(number, 3)))
        taken = [ids[i] for i in (*one.test, *one.references)]
        assert len(set(taken)) == len(taken)


# -- keys --------------------------------------------------------------------------------------------------------------

FIELDS = {
    "references": SamePrompt(3),
    "judged": SamePrompt(2, judged=1),
    "candidates": SamePrompt(2, candidates=3),
    "short": SamePrompt(2, short=True),
    "draw": SamePrompt(2, draw=1),
}


def uneven() -> Bench:
    """Some prompts have images of two models only, and one model has few: so that every field makes a difference."""
    given = columns()
    gone = [
        i for i, (model, prompt) in enumerate(zip(given["model"], given["prompt_id"], strict=True))
        if model == "m2" and prompt in ("p0", "p1", "p2")
    ]  # fmt: skip
    of = list(zip(given["model"], given["prompt_id"], strict=True))
    for prompt in ("p3", "p4", "p5"):
        gone += [i for i in range(90) if of[i] == ("m1", prompt)][2:]
    kept = [i for i in range(90) if i not in gone]
    return Bench(bare_catalog({name: [values[i] for i in kept] for name, values in given.items()}))


@pytest.mark.parametrize("attributor", [CENTROID, KNN])
def test_keys_tell_every_field_apart(attributor):
    bench = uneven()
    names = {
        "none": bench.plan(trial(attributor)).name,
        "without": bench.plan(trial(attributor, same_prompt=None)).name,
    }
    for name, deal in FIELDS.items():
        names[name] = bench.plan(trial(attributor, same_prompt=deal)).name
    assert len(set(names.values())) == len(FIELDS) + 2, names
    assert bench.plan(trial(attributor)).name == names["none"]


def test_a_fit_serves_all_numbers_and_draws_of_a_fold():
    deals = [SamePrompt(k, draw=draw) for k in (1, 2, 3) for draw in range(2)]
    planned = [plan(same_prompt=deal, fold=Fold(f, 3)) for deal in deals for f in range(3)]
    fits = fits_of(planned)
    assert [len(fit.planned) for fit in fits] == [6, 6, 6]
    assert len({one.name for one in planned}) == 18
    assert len(fits_of([*planned, *planned])) == 3


def texts_changed(which: Callable[[str], bool]) -> Bench:
    given = columns()
    given["prompt"] = [f"{t}!" if which(p) else t for t, p in zip(given["prompt"], given["prompt_id"], strict=True)]
    return Bench(bare_catalog(given))


def test_keys_know_what_prompts_say():
    one = plan()
    judged = {f"p{number}" for number in BENCH.prompts[one.test]}
    other = texts_changed(lambda prompt: prompt not in judged).plan(trial())
    assert (other.fit != one.fit, other.name != one.name) == (True, True)
    same_fit = texts_changed(lambda prompt: prompt in judged).plan(trial())
    assert (same_fit.fit == one.fit, same_fit.name != one.name) == (True, True)
    # Who is not told does not learn from the words.
    assert texts_changed(lambda _: True).plan(trial(KNN)).fit == plan(attributor=KNN).fit


def test_keys_know_which_images_share_a_prompt():
    given = columns()
    swapped = {"p0": "p1", "p1": "p0"}
    turned = given | {"prompt_id": [swapped.get(p, p) for p in given["prompt_id"]]}
    everything = {
        "fold": None,
        "train": Selection(unless={"prompt_id": ["p5"]}),
        "test": Selection({"prompt_id": "p5"}),
    }
    plain = BENCH.plan(trial(**everything))
    assert Bench(bare_catalog(turned)).plan(trial(**everything)).fit == plain.fit  # names do not count
    merged = given | {"prompt_id": ["p0" if p == "p1" else p for p in given["prompt_id"]]}
    assert Bench(bare_catalog(merged)).plan(trial(**everything)).fit != plain.fit


# -- running -----------------------------------------------------------------------------------------------------------


def run(small, trials: list[Trial], **more: object) -> list[Outcome]:
    return run_trials(small.catalog, trials, cache=small.cache, jobs=1, **more)


@pytest.fixture(scope="module")
def board(small, tmp_path_factory) -> tuple[Catalog, FeatureCache]:
    """Of the small catalog, four photographs count as one prompt: models have several images for each."""
    ids = sorted(set(small.catalog.text("prompt_id")))
    number = [ids.index(name) // 4 for name in small.catalog.text("prompt_id")]
    catalog = small.catalog.with_column("prompt_id", [f"p{i}" for i in number])
    return catalog.with_column("prompt", [f"words {i}" for i in number]), small.cache


def played(board, trials: list[Trial], **more: object) -> list[Outcome]:
    return run_trials(board[0], trials, **({"cache": board[1], "jobs": 1} | more))


def test_a_told_attributor_is_fitted_given_and_asked(board):
    catalog, cache = board
    one = Bench(catalog).plan(trial(FUSED))
    (outcome,) = played(board, [trial(FUSED)])
    assert outcome.problem is None
    encoder, bench = get_encoder(ENCODER), Bench(catalog)
    features = {
        name: extract(catalog.take(rows), encoder, cache=cache, workers=1)
        for name, rows in (("train", one.train), ("known", one.references), ("test", one.test))
    }
    told = {
        name: Prompts(bench.prompts[rows], bench.texts[rows])
        for name, rows in (("train", one.train), ("known", one.references), ("test", one.test))
    }
    info = parse_attributor(FUSED).info
    fitted = fit_registered(info, catalog.take(one.train), features["train"], prompts=told["train"])
    labels = catalog.text("model")[one.references].astype(str)
    informed = fitted.given(features["known"].X, labels, references=2, **told["known"].told())
    answers = informed.answer(features["test"].X, **told["test"].told())
    assert np.array_equal(outcome.predictions.proba, answers.proba)
    assert np.array_equal(outcome.predictions.prediction_set, answers.prediction_set)
    assert outcome.predictions.image_id.tolist() == catalog.take(one.test).column("image_id").tolist()
    assert outcome.n_references == len(one.train)


def test_who_is_not_told_answers_among_the_candidates(board):
    """A model without references for a prompt is left out, and the rest is what it was to each other."""
    catalog, cache = board
    first = catalog.text("model")[0]
    prompts = catalog.text("prompt_id")
    few = np.flatnonzero((catalog.text("model") == first) & (prompts == "p0"))[2:]
    catalog = catalog.filter(~np.isin(np.arange(len(catalog)), few))
    trials = [trial(KNN, fold=Fold(i, 3)) for i in range(3)]
    outcomes = run_trials(catalog, trials, cache=cache, jobs=1)
    free = run_trials(catalog, [replace(t, same_prompt=None) for t in trials], cache=cache, jobs=1)
    prompt_of = dict(zip(catalog.column("image_id"), catalog.text("prompt_id"), strict=True))
    left_out = 0
    for one, other in zip(outcomes, free, strict=True):
        table, whole = one.predictions, other.predictions
        at = table.classes.index(first)
        row_of = {image: row for row, image in enumerate(whole.image_id)}
        for row, image in enumerate(table.image_id):
            expected = whole.proba[row_of[image]].copy()
            if prompt_of[image] == "p0":
                expected[at] = 0.0
                left_out += 1
                assert not table.prediction_set[row, at]
            assert table.proba[row] == pytest.approx(expected / expected.sum())
    assert left_out == 3 * 2


def test_fits_are_shared_when_they_are_run(board, monkeypatch):
    fitted = []

    def count(info, *given, **more):
        fitted.append(info.name)
        return fit_registered(info, *given, **more)

    monkeypatch.setattr("morelli.trials.runner.fit_registered", count)
    deals = [SamePrompt(k, draw=draw) for k in (1, 2) for draw in range(2)]
    trials = [trial(FUSED, same_prompt=deal, fold=Fold(f, 3)) for deal in deals for f in range(3)]
    outcomes = played(board, trials)
    assert [outcome.problem for outcome in outcomes] == [None] * 12
    assert fitted == ["prompt-fused"] * 3
    alone = played(board, [trials[-1]])[0]
    assert np.ptp(alone.predictions.proba) > 0.05
    assert np.array_equal(alone.predictions.proba, outcomes[-1].predictions.proba)


def test_processes_do_not_change_the_result(board):
    trials = [trial(name, fold=Fold(f, 3)) for name in (FUSED, KNN) for f in range(3)]
    for one, other in zip(played(board, trials), played(board, trials, jobs=2), strict=True):
        assert np.array_equal(one.predictions.proba, other.predictions.proba)


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_told_attributor_without_references_of_the_prompts(board):
    good, bad = trial(KNN), trial(CENTROID, same_prompt=None)
    outcomes = played(board, [bad, good])
    assert outcomes[0].predictions is None and not outcomes[0].lacking
    assert outcomes[0].problem == (
        f"{CENTROID} has to be given references of the prompts that it judges, in one view; it serves "
        "morelli leaderboard attack."
    )
    assert outcomes[1].problem is None


def test_several_training_views(board):
    (outcome,) = played(board, [trial(CENTROID, train_views=("none", "jpeg:80"))])
    assert outcome.predictions is None
    assert "in one view" in outcome.problem


def test_another_single_view_is_fine(board):
    both = [trial(FUSED, train_views=("jpeg:80",), test_view=view) for view in ("jpeg:80", "none")]
    same, other = played(board, both)
    assert (same.problem, other.problem) == (None, None)
    assert not np.array_equal(same.predictions.proba, other.predictions.proba)


def test_more_references_than_there_are(board):
    outcomes = played(board, [trial(CENTROID, same_prompt=SamePrompt(k)) for k in (2, 4)])
    assert outcomes[0].problem is None
    assert outcomes[1].lacking and "No prompt has two different images of one class" in outcomes[1].problem


def test_fit_registered_has_to_be_told(board):
    catalog, cache = board
    features = extract(catalog, get_encoder(ENCODER), cache=cache, workers=1)
    with pytest.raises(MorelliError, match="prompt-centroid has to be told the prompt of every image"):
        fit_registered(parse_attributor(CENTROID).info, catalog, features)


def test_who_is_told_prompts_may_learn_where_the_catalog_does_not_know_all(board):
    catalog, cache = board
    features = extract(catalog, get_encoder(ENCODER), cache=cache, workers=1)
    prompts = Prompts(catalog.codes("prompt_id")[0], catalog.text("prompt"))
    bare = catalog.with_column("prompt_id", [None] * len(catalog)).with_column("prompt", [None] * len(catalog))
    fitted = fit_registered(parse_attributor(CENTROID).info, bare, features, prompts=prompts)
    assert list(fitted.classes_) == sorted(set(catalog.text("model")))


def test_a_comparison_refuses_it_before_images_are_measured(small, monkeypatch):
    monkeypatch.setattr("morelli.trials.compare.extract", lambda *_, **__: pytest.fail("images were measured"))
    with pytest.raises(MorelliError, match=r"prompt-centroid@.*references of the prompts.*leaderboard attack"):
        compare(small.catalog, [KNN, CENTROID], folds=3)
