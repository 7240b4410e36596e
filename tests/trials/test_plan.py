from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _small import CENTROID, FUSED, LOGISTIC, bare_catalog
from morelli.catalog import Catalog
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.plan import Bench, fits_of
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

N_MODELS, N_PROMPTS = 3, 12


def columns() -> dict[str, list[object]]:
    """3 models x 12 prompts, in an order of no use."""
    order = np.random.default_rng(5).permutation(N_MODELS * N_PROMPTS)
    return {
        "model": [f"m{i % N_MODELS}" for i in order],
        "prompt_id": [f"p{i // N_MODELS}" for i in order],
        "domain": [("even", "odd")[i // N_MODELS % 2] for i in order],
        "lineage": [("x", "x", "y")[i % N_MODELS] for i in order],
    }


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(bare_catalog(columns()))


def trial(**changes: object) -> Trial:
    return Trial(**({"cell": {"a": 1}, "attributor": CENTROID, "fold": Fold(0, 3)} | changes))


def crossing(bench: Bench, one) -> set[int]:
    """Return groups that are learned from and judged; what cannot be read is not judged."""
    ids, readable = bench.groups.ids, bench.catalog.table["error"].is_null().to_numpy()
    return set(ids[[*one.train, *one.background]]) & set(ids[one.test[readable[one.test]]])


# -- nothing stands on both sides --------------------------------------------------------------------------------------

prompts = st.sampled_from([f"p{i}" for i in range(8)])
words = st.one_of(prompts, st.sampled_from(["m0", "m1", "m2", "even", "odd"]))
selections = st.builds(
    Selection,
    st.dictionaries(st.sampled_from(["model", "domain", "prompt_id"]), st.sets(words, min_size=1), max_size=1),
    st.dictionaries(st.just("prompt_id"), st.sets(prompts, max_size=2), max_size=1),
    st.one_of(st.none(), st.integers(1, 6)),
)
tables = st.lists(
    st.tuples(
        st.sampled_from(["m0", "m1", "m2", None]),
        st.one_of(st.none(), st.sampled_from([f"p{i}" for i in range(8)])),
        st.sampled_from(["even", "odd", None]),
        st.integers(0, 12),  # small numbers, so that files and hashes come twice
        st.booleans(),
    ),
    min_size=4,
    max_size=40,
)


@given(
    tables, selections, selections, st.one_of(st.none(), selections), st.booleans(), st.integers(0, 3),
    st.sampled_from([None, 2, 3]),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_no_prompt_and_no_image_on_both_sides(table, train, test, background, straddle, seed, folds):
    models, prompts, domains, files, bad = zip(*table, strict=True)
    catalog = bare_catalog(
        {
            "model": list(models),
            "prompt_id": list(prompts),
            "domain": list(domains),
            "image_id": [f"{i:064x}" for i in files],
            "phash": [i * 0x0F0F0F0F0F0F0F for i in files],
            "error": ["broken" if broken and i % 4 == 0 else None for i, broken in zip(files, bad, strict=True)],
        }
    )
    bench = Bench(catalog)
    ids = catalog.column("image_id")
    labels, readable = catalog.text("model"), catalog.table["error"].is_null().to_numpy()
    seen = []
    for number in range(folds or 1):
        fold = None if folds is None else Fold(number, folds)
        try:
            one = bench.plan(
                trial(train=train, test=test, background=background, straddle=straddle, seed=seed, fold=fold)
            )
        except NotEnoughDataError:
            continue
        assert not set(ids[[*one.train, *one.background]]) & set(ids[one.test])
        assert not set(labels[one.train]) & set(labels[one.background])
        assert background is not None or not len(one.background)
        if not straddle:
            assert not crossing(bench, one)
        assert readable[one.train].all()
        assert all(label is not None for label in labels[[*one.train, *one.test]])
        assert train.mask(catalog)[one.train].all()
        assert test.mask(catalog)[one.test].all()
        for rows, count in ((one.train, train.per_class), (one.test, test.per_class)):
            assert rows.tolist() == sorted(set(rows))
            assert count is None or max((labels[rows] == name).sum() for name in ("m0", "m1", "m2")) <= count
        assert not set(seen) & set(one.test)
        seen += list(one.test)


def test_a_straddling_trial_has_prompts_on_both_sides(bench):
    assert crossing(bench, bench.plan(trial(straddle=True)))


def test_a_file_that_is_there_twice_is_not_on_both_sides():
    once = columns()
    ids = [f"{i:064x}" for i in range(36)]
    twice = {name: values + values for name, values in once.items()} | {"image_id": ids + ids}
    catalog = bare_catalog(twice)
    for number in range(3):
        one = Bench(catalog).plan(trial(straddle=True, fold=Fold(number, 3)))
        names = catalog.column("image_id")
        assert not set(names[one.train]) & set(names[one.test])
        assert len(one.test) == 24


# -- folds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("straddle", [False, True])
def test_folds_are_a_partition(bench, straddle):
    tests = [bench.plan(trial(fold=Fold(i, 4), straddle=straddle)).test for i in range(4)]
    assert sorted(np.concatenate(tests)) == list(range(36))
    for number, test in enumerate(tests):
        one = bench.plan(trial(fold=Fold(number, 4), straddle=straddle))
        assert sorted([*one.train, *test]) == list(range(36))


def test_folds_are_the_same_for_all_trials_of_a_seed(bench):
    one = bench.plan(trial())
    other = bench.plan(trial(attributor=LOGISTIC, train=Selection({"domain": "odd"}), test_view="jpeg:50"))
    assert one.test.tolist() == other.test.tolist()
    part = bench.plan(trial(test=Selection({"domain": "odd"})))
    assert set(part.test) == {row for row in one.test if bench.labels("domain")[row] == "odd"}
    assert bench.plan(trial(seed=1)).test.tolist() != one.test.tolist()


def test_images_that_cannot_be_read_are_counted_once():
    catalog = bare_catalog(columns() | {"error": ["broken", *[None] * 35]})
    plans = [Bench(catalog).plan(trial(fold=Fold(i, 3))) for i in range(3)]
    assert sum(0 in one.test for one in plans) == 1
    assert not any(0 in one.train for one in plans)


def test_rows_without_a_label_take_no_part():
    models = columns()["model"]
    catalog = bare_catalog(columns() | {"model": [None, *models[1:]]})
    plans = [Bench(catalog).plan(trial(fold=Fold(i, 3))) for i in range(3)]
    assert not any(0 in (*one.train, *one.test) for one in plans)


# -- names -------------------------------------------------------------------------------------------------------------

BASE = trial(train=Selection(per_class=4))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"fold": Fold(1, 3)},
        {"fold": Fold(0, 2)},
        {"fold": None, "train": Selection({"domain": "odd"}), "test": Selection({"domain": "even"})},
        {"train": Selection(per_class=5)},
        {"train": Selection({"domain": "odd"}, per_class=4)},
        {"test": Selection({"domain": "odd"})},
        {"test_view": "jpeg:50"},
        {"train_views": ("jpeg:50",)},
        {"train_views": ("none", "jpeg:50")},
        {"attributor": LOGISTIC},
        {"attributor": "centroid@forensic[colour]"},
        {"level": 0.8},
        {"options": {"metric": "cosine"}},
        {"straddle": True},
        {"label": "domain"},
        {"train": Selection({"model": ["m0", "m1"]}), "background": Selection()},
    ],
)
def test_what_matters_changes_the_name(bench, changes):
    one, other = bench.plan(BASE), bench.plan(replace(BASE, **changes))
    assert one.name != other.name
    assert (one.fit == other.fit) == (set(changes) <= {"test_view", "test"})


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": {"another": "cell", "of": 3}},
        {"test": Selection({"domain": ["odd", "even"]})},  # the same rows, put otherwise
        {"test_view": "none"},
        {"attributor": f" {CENTROID}"},
        {"train_views": ["none"]},
    ],
)
def test_what_does_not_matter_leaves_the_name(bench, changes):
    assert bench.plan(BASE).name == bench.plan(replace(BASE, **changes)).name


def planned(changes: dict[str, list[object]], one: Trial = BASE):
    return Bench(bare_catalog(columns() | changes)).plan(one)


def swapped(values: list[object], row: int, value: object) -> list[object]:
    return [*values[:row], value, *values[row + 1 :]]


def test_images_and_labels_change_the_name(bench):
    whole = replace(BASE, train=Selection({"domain": "odd"}), test=Selection({"domain": "even"}), fold=None)
    one = bench.plan(whole)
    train, test = int(one.train[0]), int(one.test[0])
    ids = [f"{i:064x}" for i in range(36)]
    models, lineages = columns()["model"], columns()["lineage"]
    assert planned({}, whole).name == one.name
    assert planned({"image_id": swapped(ids, train, "f" * 64)}, whole).fit != one.fit
    assert planned({"image_id": swapped(ids, test, "f" * 64)}, whole).name != one.name
    other = "m1" if models[train] == "m0" else "m0"
    assert planned({"model": swapped(models, train, other)}, whole).fit != one.fit
    assert planned({"model": swapped(models, test, "stranger")}, whole).name != one.name
    assert planned({"uri": [f"elsewhere/{i}.png" for i in range(36)]}, whole).name == one.name
    assert planned({"error": swapped([None] * 36, test, "broken")}, whole).name != one.name
    related = planned({"lineage": swapped(lineages, train, "z")}, whole)
    assert related.name != one.name  # lineages stand in the predictions
    assert related.fit == one.fit
    # A prompt that two images share binds them together in the folds of the estimator.
    prompts = columns()["prompt_id"]
    bound = planned(
        {"prompt_id": [prompts[int(one.train[1])] if i == train else p for i, p in enumerate(prompts)]}, whole
    )
    assert bound.fit != one.fit


def test_more_rows_of_the_catalog_leave_the_name(bench):
    """Groups get other numbers, and the trial is the same."""
    whole = replace(BASE, train=Selection({"domain": "odd"}), test=Selection({"domain": "even"}), fold=None)
    own = columns()
    extra = {"model": "m0", "prompt_id": "p7", "domain": "neither", "lineage": "x"}
    more = {name: [extra[name], *values] for name, values in own.items()}
    old = bare_catalog(own)
    more["image_id"] = ["e" * 64, *old.column("image_id")]
    more["phash"] = [12345, *old.column("phash").tolist()]
    one, other = bench.plan(whole), Bench(bare_catalog(more)).plan(replace(whole, train=Selection({"domain": "odd"})))
    assert other.test.tolist() == (one.test + 1).tolist()
    assert other.train.tolist() == (one.train + 1).tolist()
    assert (other.fit, other.name) == (one.fit, one.name)


# -- fits --------------------------------------------------------------------------------------------------------------


def test_trials_share_a_fit(bench):
    views = ("none", "jpeg:50", "scale:0.5")
    trials = [trial(attributor=a, test_view=view) for view in views for a in (CENTROID, FUSED)]
    trials.append(trial(test_view="jpeg:50", cell={"the": "same"}))
    fits = fits_of([bench.plan(one) for one in trials])
    assert [[one.trial.test_view for one in fit.planned] for fit in fits] == [list(views)] * 2
    assert [fit.planned[0].trial.attributor for fit in fits] == [CENTROID, FUSED]


# -- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test": Selection({"domain": "nowhere"})}, "nothing to judge: no image is of domain = nowhere"),
        ({"train": Selection({"domain": "nowhere"})}, "too little to learn from: no image in domain = nowhere"),
        ({"train": Selection({"model": "m1"})}, "one class only, m1 in model = m1"),
        ({"fold": None}, "too little to learn from: no image"),
        ({"fold": Fold(0, 40)}, "40"),
        ({"fold": Fold(0, 40), "straddle": True}, "36 images cannot be dealt to 40 folds"),
    ],
)
def test_too_little_is_named(bench, changes, words):
    with pytest.raises(NotEnoughDataError) as lacking:
        bench.plan(trial(**changes))
    assert words in str(lacking.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "colour"}, "There is no column 'colour'"),
        ({"train": Selection({"colour": "red"})}, "There is no column 'colour'"),
        ({"options": {"metric": ["l1"]}}, "Settings of attributors are words and numbers; metric is"),
    ],
)
def test_mistakes_are_named(bench, changes, words):
    with pytest.raises(MorelliError) as refused:
        bench.plan(trial(**changes))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attributor": "oracle"}, "No attributor is called"),
        ({"attributor": "knn@tea"}, "No encoder is called"),
        ({"test_view": "tea"}, "tea"),
        ({"train_views": ()}, "none at all"),
        ({"train_views": ("none", "none")}, "one or more different"),
        ({"train_views": ("jpeg:75", "jpeg:75")}, "one or more different"),
        ({"same_prompt": SamePrompt(1), "test": Selection(per_class=3)}, "said by same_prompt"),
    ],
)
def test_trials_that_cannot_be(changes, words):
    with pytest.raises(MorelliError) as refused:
        trial(**changes)
    assert words in str(refused.value)


@pytest.mark.parametrize("fold", [(0, 1), (2, 2), (-1, 3)])
def test_folds_that_cannot_be(fold):
    with pytest.raises(MorelliError, match="There is no fold"):
        Fold(*fold)


def test_an_empty_catalog_lacks_everything():
    empty: Catalog = bare_catalog({name: [] for name in columns()})
    with pytest.raises(NotEnoughDataError):
        Bench(empty).plan(trial())
    with pytest.raises(NotEnoughDataError, match="nothing to judge"):
        Bench(empty).plan(trial(fold=None))


def test_a_trial_is_described():
    assert trial(cell={"attributor": "knn", "n": 3}, seed=4).describe() == "attributor knn, n 3, seed 4, fold 1 of 3"
    assert trial(fold=None).describe() == "a 1, seed 0"
