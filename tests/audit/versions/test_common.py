from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from _small import ENCODER, small_rows, write_rows
from morelli.attributors import fit_bundle
from morelli.audit.versions import CommonTest, compare_on
from morelli.audit.versions.common import _difference
from morelli.audit.versions.intervals import expanded
from morelli.catalog import build_catalog
from morelli.encoders import extract
from morelli.errors import MorelliError, NotEnoughDataError


@pytest.fixture(scope="module")
def common(desk):
    return compare_on(desk.early, desk.late, desk.catalog, cache=desk.cache, workers=1)


def test_only_images_that_neither_has_seen_are_judged(common, desk):
    assert (common.n, common.n_groups) == (24, 6)
    assert (common.seen_images, common.seen_prompts, common.foreign, common.unreadable) == (40, 0, 0, 0)
    assert common.notes == ()
    unseen = compare_on(desk.early, desk.late, desk.of(*range(10, 16)), cache=desk.cache, workers=1)
    assert unseen == replace(common, seen_images=0)


def test_figures_are_those_of_the_answers(common, desk):
    images = desk.of(*range(10, 16))
    X, truth = extract(images, desk.early.encoder, cache=desk.cache, workers=1).X, images.text("model").astype(str)
    answers = [bundle.attributor.answer(X) for bundle in (desk.early, desk.late)]
    named = [np.array(desk.early.classes)[one.proba.argmax(axis=1)] for one in answers]
    right = [one == truth for one in named]
    assert (common.first.accuracy, common.second.accuracy) == (right[0].mean(), right[1].mean())
    assert common.difference == pytest.approx(right[1].mean() - right[0].mean())
    assert (common.only_first, common.only_second) == ((right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum())
    assert common.agreement == (named[0] == named[1]).mean()
    y = np.searchsorted(desk.early.classes, truth)
    assert common.second.log_loss == pytest.approx(-np.log(answers[1].proba[np.arange(24), y]).mean())
    assert common.first.coverage == answers[0].prediction_set[np.arange(24), y].mean()
    for one in common.classes:
        own = truth == one.name
        assert (one.n, one.first, one.second) == (own.sum(), right[0][own].sum(), right[1][own].sum())
    assert sum(one.n for one in common.classes) == common.n


def test_p_is_the_exact_binomial_one(common):
    few, n = sorted((common.only_first, common.only_second))[0], common.only_first + common.only_second
    assert n > 0
    assert common.p == pytest.approx(min(1.0, 2 * binom.cdf(few, n, 0.5)))


def test_the_interval_is_that_of_resampled_prompts():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    first = rng.random(600) < 0.5
    second = np.where(rng.random(600) < 0.3, rng.random(600) < 0.7, first)
    low, high = _difference(first, second, groups, 0)
    by_prompt = (second.astype(float) - first).reshape(30, 20).mean(axis=1)
    # Student's interval of the prompts' means is the closed form where prompts are of one size.
    half = 2.045 * by_prompt.std(ddof=1) / np.sqrt(30)
    assert (low + high) / 2 == pytest.approx(by_prompt.mean(), abs=0.01)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert _difference(second, first, groups, 0) == pytest.approx((-high, -low), abs=0.01)
    assert _difference(first, second, np.zeros(600, dtype=int), 0) is None
    assert 0.95 < expanded(30, 0.95) < 0.98


def told(difference, p):
    values = dict.fromkeys(CommonTest.__dataclass_fields__)
    return CommonTest(**{**values, "interval": difference, "p": p}).told


def test_a_difference_is_told_where_prompts_and_images_say_so():
    assert told((0.01, 0.1), 0.04) and told((-0.1, -0.01), 0.04)
    assert not told((0.01, 0.1), 0.06) and not told((-0.01, 0.1), 0.001) and not told(None, 0.001)


def test_equally_good_bundles_are_seldom_told_apart():
    from scipy.stats import binomtest

    found = 0
    groups = np.repeat(np.arange(6), 20)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        better = rng.normal(0, 0.2, 6)[groups]  # each is better for some prompts
        first = rng.random(120) < 0.6
        second = np.where(rng.random(120) < 0.3, rng.random(120) < 0.6 + better, first)
        one, other = int((first & ~second).sum()), int((second & ~first).sum())
        p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
        found += told(_difference(first, second, groups, 0), p)
    assert found <= 16  # 0.05 of 200, and chance


def test_a_bundle_with_itself(desk):
    found = compare_on(desk.late, desk.late, desk.catalog, cache=desk.cache, workers=1)
    assert found.first == found.second and found.difference == 0 and found.agreement == 1
    assert found.interval is None and found.p == 1 and not found.told


def test_one_prompt(desk):
    found = compare_on(desk.early, desk.late, desk.of(12), cache=desk.cache, workers=1)
    assert (found.n, found.n_groups, found.interval, found.first.interval) == (4, 1, None, None)


def test_one_class(desk):
    catalog = desk.of(*range(10, 16))
    own = catalog.filter(catalog.text("model") == "acnet-gan")
    found = compare_on(desk.early, desk.late, own, cache=desk.cache, workers=1)
    assert found.n == 6 and [one.name for one in found.classes] == ["acnet-gan"]


def test_everything_can_be_written(common):
    values = json.loads(json.dumps(common.to_dict()))
    assert values["first"]["accuracy"] == common.first.accuracy and values["told"] == common.told
    assert [one["name"] for one in values["classes"]] == [one.name for one in common.classes]


def test_the_same_seed_gives_the_same_interval(common, desk):
    assert compare_on(desk.early, desk.late, desk.catalog, cache=desk.cache, workers=1) == common


def test_other_labels_cannot_be_compared(desk):
    with pytest.raises(MorelliError, match="a model and the other a language"):
        compare_on(desk.early, replace(desk.late, label="language"), desk.catalog)


@pytest.mark.parametrize("column", ["model", "prompt_id"])
def test_nothing_is_left(desk, column):
    if column == "model":
        catalog, why = desk.catalog.with_column("model", [None] * 64), "64 are of no class that both have"
    else:
        catalog, why = desk.of(*range(10)), "40 are references"
    with pytest.raises(NotEnoughDataError, match=why):
        compare_on(desk.early, desk.late, catalog, cache=desk.cache, workers=1)


def test_an_empty_catalog(desk):
    with pytest.raises(NotEnoughDataError, match="None of the 0 images"):
        compare_on(desk.early, desk.late, desk.catalog.filter(np.zeros(64, dtype=bool)))


def test_other_candidates_are_left_out_and_told(desk, fit):
    catalog = desk.of(*range(10))
    fewer = fit(catalog.filter(catalog.text("model") != "acnet-gan"), desk.cache)
    found = compare_on(fewer, desk.late, desk.catalog, cache=desk.cache, workers=1)
    assert found.foreign == 16 and found.n == 18 and "choose among 3 and 4 candidates" in found.notes[0]
    none = replace(fewer, attributor=fit(catalog.filter(catalog.text("model") == "acnet-gan").concat(
        [catalog.filter(catalog.text("model") == "acnet-gan").with_column("model", [name] * 10) for name in "xy"]
    ), desk.cache).attributor)  # fmt: skip
    with pytest.raises(NotEnoughDataError, match="64 are of no class"):
        compare_on(none, desk.late, desk.catalog, cache=desk.cache, workers=1)


@pytest.fixture(scope="module")
def odd(desk, tmp_path_factory):
    """Images of new prompts; what a bundle has seen under other names; and what nobody can judge."""
    folder = tmp_path_factory.mktemp("odd images é")
    rows = small_rows(prompts=16)
    seen = [row for row in rows if row["prompt_id"] == desk.prompts[0]]
    new = [row for row in rows if row["prompt_id"] in desk.prompts[10:]]
    for number, row in enumerate(seen):  # another file with nearly the same picture, by another name for its prompt
        path = folder / f"copy of {number} é.png"
        with Image.open(row["path"]) as picture:
            picture.convert("RGB").save(path)
        row |= {"path": str(path), "prompt_id": f"again {number}"}
    old = [row for row in small_rows(prompts=16) if row["prompt_id"] == desk.prompts[0]]
    (folder / "cut off.jpg").write_bytes(b"\xff\xd8\xff")
    broken = dict(new[0], path=str(folder / "cut off.jpg"))
    silent = dict(new[1], path=str(folder / "no prompt.png"), prompt_id="")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(silent["path"])
    table = write_rows(folder / "images.csv", [*new, *seen, *old, broken, silent])
    with table.open(encoding="utf-8") as stream:
        assert len(list(csv.reader(stream))) == 35
    return build_catalog(table, workers=1)


def test_near_copies_of_what_was_seen_are_left_out_too(desk, odd):
    found = compare_on(desk.early, desk.late, odd, cache=desk.cache, workers=1)
    assert (found.n, found.seen_images, found.seen_prompts, found.unreadable) == (25, 4, 4, 1)
    assert found.notes == ("1 of 25 images have no prompt_id: whether a bundle has seen their prompts cannot be told.",)


def test_bundles_that_know_no_prompts_are_told(desk):
    forgetful = replace(desk.early, references=replace(desk.early.references, prompt_hashes=frozenset()))
    found = compare_on(forgetful, desk.late, desk.catalog, cache=desk.cache, workers=1)
    assert "The first bundle does not know the prompts" in found.notes[0] and found.n == 24


def test_each_bundle_measures_by_its_own_recipe(desk):
    done = []
    other = fit_bundle(desk.of(*range(6)), encoder="forensic[colour]", workers=1, cache=desk.cache)
    assert other.encoder.recipe_hash != desk.late.encoder.recipe_hash and ENCODER != "forensic[colour]"
    found = compare_on(
        other, desk.late, desk.catalog, cache=desk.cache, workers=1, progress=lambda *given: done.append(given)
    )
    alone = compare_on(desk.late, desk.late, desk.catalog, cache=desk.cache, workers=1)
    assert found.second == alone.second and found.first != found.second
    assert done[-1] == (48, 48)
