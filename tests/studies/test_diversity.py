"""The check for stock scenery, on simulated models that follow prompts, translate them, or do not understand them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.diversity import ImageDiversity, image_diversity
from morelli.trials.metrics import permutation_accuracy

LANGUAGES = np.array(["en", "es", "ja", "tr", "zh"])


def simulate(
    prompt: float, language: float, rest: float = 1.0, n_prompts=60, n_features=40, seed=0, fails: tuple[str, ...] = ()
):
    """Images as the sum of parts for prompt, language and rest, of these standard deviations.

    In the languages that `fails` names the prompt is not understood: every image is the language's scenery.
    """
    rng = np.random.default_rng(seed)
    of_prompt = np.repeat(np.arange(n_prompts), len(LANGUAGES))
    of_language = np.tile(np.arange(len(LANGUAGES)), n_prompts)
    understood = ~np.isin(LANGUAGES[of_language], fails)
    # The same five values in every feature, in another order: their variance is 1, and not only on average.
    scenery = rng.permuted(np.tile(np.linspace(-2, 2, 5) / np.sqrt(2.5), (n_features, 1)), axis=1).T
    X = (
        prompt * rng.normal(size=(n_prompts, n_features))[of_prompt] * understood[:, None]
        + language * scenery[of_language]
        + rest * rng.normal(size=(len(of_prompt), n_features))
    )
    return X, LANGUAGES[of_language], np.char.add("p", of_prompt.astype(str))


def tell_language(X, languages, prompts):
    """Answers of a nearest-centroid classifier of the language, fitted on the first half of the prompts."""
    learnt = np.isin(prompts, np.unique(prompts)[: len(np.unique(prompts)) // 2])
    centroids = np.stack([X[learnt & (languages == name)].mean(axis=0) for name in LANGUAGES])
    distances = ((X[~learnt, None] - centroids) ** 2).sum(axis=2)
    return languages[~learnt], LANGUAGES[distances.argmin(axis=1)], prompts[~learnt]


def only(result: tuple[ImageDiversity, ...]) -> ImageDiversity:
    assert len(result) == 1
    return result[0]


def slow(X, languages, prompts):
    """The measures pair by pair."""
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    n, d = scaled.shape
    apart_own, apart_other, same_other = [], [], []
    for i in range(n):
        for j in range(i):
            distance = ((scaled[i] - scaled[j]) ** 2).sum() / (2 * d) * (n - 1) / n
            if prompts[i] != prompts[j]:
                (apart_own if languages[i] == languages[j] else apart_other).append(distance)
            elif languages[i] != languages[j]:
                same_other.append(distance)
    own, other, same = np.mean(apart_own), np.mean(apart_other), np.mean(same_other)
    return own, 1 - same / other, 1 - own / other


def test_measures_are_those_of_all_pairs():
    X, languages, prompts = simulate(1.0, 0.7, n_prompts=8, n_features=3, seed=4)
    keep = np.random.default_rng(0).random(len(X)) < 0.8  # not every prompt exists in every language
    X, languages, prompts = (np.concatenate([part[keep], part[:7]]) for part in (X, languages, prompts))
    X[-7:] += 0.1  # and some exist twice
    got = only(image_diversity(X, languages, prompts, n_boot=10))
    values = (got.diversity.value, got.prompt_share.value, got.language_share.value)
    assert values == pytest.approx(slow(X, languages, prompts))
    assert got.prompt_response.value == pytest.approx(values[1] - values[2])


def test_one_is_the_distance_of_any_two_images():
    X = np.random.default_rng(0).normal(3.0, 7.0, (200, 30))
    languages, prompts = np.tile(["en", "ja"], 100), np.repeat(np.arange(100), 2).astype(str)
    got = only(image_diversity(X, languages, prompts))
    assert got.diversity.value == pytest.approx(1.0, abs=0.02)
    assert got.prompt_share.value == pytest.approx(0.0, abs=0.05)
    assert got.governed_by == "undecided"


def test_shares_are_the_shares_of_variance():
    X, languages, prompts = simulate(1.5, 1.0, 0.5, n_prompts=200, n_features=300, seed=1)
    got = only(image_diversity(X, languages, prompts, n_boot=200))
    assert got.prompt_share.value == pytest.approx(2.25 / 3.5, abs=0.02)
    assert got.language_share.value == pytest.approx(1.0 / 3.5, abs=0.02)
    assert got.prompt_share.low < got.prompt_share.value < got.prompt_share.high


def test_the_three_kinds_of_models():
    """Follows prompts; follows them in the language's manner; does not understand them and paints stock scenery."""
    parts = {"follower": simulate(2.0, 0.0), "manner": simulate(2.0, 1.0, seed=1), "stock": simulate(0.0, 2.0, seed=2)}
    X, languages, prompts = (np.concatenate([part[i] for part in parts.values()]) for i in range(3))
    models = np.repeat(list(parts), 300)
    found = {one.model: one for one in image_diversity(X, languages, prompts, models)}
    p = {name: permutation_accuracy(*tell_language(*part), n_permutations=999) for name, part in parts.items()}

    assert list(found) == sorted(parts)
    assert p["follower"].p > 0.05
    assert p["manner"].p == p["stock"].p == pytest.approx(1 / 1000)  # the accuracy alone does not tell them apart
    assert (p["manner"].accuracy, p["stock"].accuracy) > (0.5, 0.9)
    assert {name: one.governed_by for name, one in found.items()} == {
        "follower": "prompt",
        "manner": "prompt",
        "stock": "language",
    }
    assert found["stock"].prompt_share.high < 0.05 < 0.6 < found["manner"].prompt_share.low
    assert found["stock"].diversity.high < 0.5 * found["follower"].diversity.low
    for follower, stock in zip(found["follower"].languages, found["stock"].languages, strict=True):
        assert follower.relative.value == pytest.approx(1.0, abs=0.1)
        assert stock.relative.value < 0.4


def test_the_language_that_fails_is_named():
    X, languages, prompts = simulate(2.0, 0.0, fails=("ja",), seed=3)
    X[languages == "ja"] += 2.0 * np.random.default_rng(9).normal(size=X.shape[1])
    got = only(image_diversity(X, languages, prompts))
    assert got.governed_by == "prompt"  # the mean over languages does not see it
    by_name = {one.language: one for one in got.languages}
    assert by_name["ja"].prompt_share.high < 0.1
    assert min(by_name[name].prompt_share.low for name in LANGUAGES if name != "ja") > 0.2
    assert by_name["ja"].relative.high < min(by_name[name].relative.low for name in LANGUAGES if name != "ja")
    assert (by_name["ja"].n, by_name["ja"].n_prompts) == (60, 60)


def test_p_values_of_followers_are_even():
    """No planted failure: the test rejects as often as it says, and the planted one is found every time."""
    p = np.array(
        [permutation_accuracy(*tell_language(*simulate(1.0, 0.0, seed=s)), n_permutations=199).p for s in range(150)]
    )
    assert np.mean(p <= 0.1) < 0.1 + 3 * np.sqrt(0.1 * 0.9 / 150)
    assert 0.3 < np.mean(p <= 0.5) < 0.7
    planted = [
        permutation_accuracy(*tell_language(*simulate(0.0, 0.6, seed=s)), n_permutations=199).p for s in range(20)
    ]
    assert max(planted) == pytest.approx(1 / 200)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(100):
        got = only(image_diversity(*simulate(1.0, 0.0, n_prompts=30, n_features=5, seed=seed), n_boot=200, seed=seed))
        held.append(got.prompt_share.low <= 0.5 <= got.prompt_share.high)
    assert np.mean(held) > 0.85


def test_order_units_and_names_do_not_matter():
    X, languages, prompts = simulate(1.0, 0.5, n_prompts=12, n_features=6)
    expected = only(image_diversity(X, languages, prompts))
    order = np.random.default_rng(0).permutation(len(X))
    scaled = np.column_stack([1000 * X + 5, np.full(len(X), 3.0)])  # a feature that never varies says nothing
    got = only(image_diversity(scaled[order], languages[order], prompts[order]))
    for field in ("diversity", "prompt_share", "language_share", "prompt_response"):
        want = dataclasses.astuple(getattr(expected, field))
        assert dataclasses.astuple(getattr(got, field)) == pytest.approx(want)
    assert only(image_diversity(X, languages, prompts)) == expected
    assert only(image_diversity(X, languages, prompts, seed=1)) != expected


def test_pieces_of_work_do_not_matter(monkeypatch):
    data = simulate(1.0, 0.5, n_prompts=12, n_features=6)
    whole = only(image_diversity(*data, n_boot=50))
    monkeypatch.setattr("morelli.studies.diversity._CHUNK", 200)
    pieces = only(image_diversity(*data, n_boot=50))
    assert dataclasses.astuple(pieces.prompt_share) == pytest.approx(dataclasses.astuple(whole.prompt_share))


def test_one_image_for_all_leaves_shares_undefined():
    """A model that paints one picture has no diversity, and shares of nothing are not defined."""
    X, languages, prompts = simulate(1.0, 0.0, n_prompts=5, n_features=4)
    both = np.concatenate([X, np.ones_like(X)])
    twice = [np.concatenate([part, part]) for part in (languages, prompts)]
    found = {one.model: one for one in image_diversity(both, *twice, np.repeat(["alive", "stuck"], len(X)))}
    assert found["stuck"].diversity.value == pytest.approx(0.0, abs=1e-9)
    assert found["stuck"].prompt_share.value is None
    assert found["stuck"].governed_by == "undecided"
    assert found["alive"].prompt_share.value is not None


def test_refusals():
    X, languages, prompts = simulate(1.0, 0.0, n_prompts=4, n_features=3)
    with pytest.raises(MorelliError, match="shape"):
        image_diversity(X[0], languages, prompts)
    with pytest.raises(MorelliError, match="prompts for each"):
        image_diversity(X, languages, prompts[:-1])
    with pytest.raises(MorelliError, match="NaN"):
        image_diversity(np.where(X > 1, np.nan, X), languages, prompts)
    with pytest.raises(MorelliError, match="languages are unknown"):
        image_diversity(X, [None, *languages[1:]], prompts)
    with pytest.raises(MorelliError, match="n_boot"):
        image_diversity(X, languages, prompts, n_boot=0)
    with pytest.raises(NotEnoughDataError, match="No feature differs"):
        image_diversity(np.ones_like(X), languages, prompts)
    with pytest.raises(NotEnoughDataError, match="No feature differs"):
        image_diversity(np.empty((0, 3)), [], [])
    with pytest.raises(NotEnoughDataError, match='model "one" must have at least two prompts'):
        image_diversity(X, ["en"] * len(X), prompts, ["one"] * len(X))
    with pytest.raises(NotEnoughDataError, match="two prompts in common"):
        image_diversity(X, languages, [f"{prompt}-{name}" for prompt, name in zip(prompts, languages, strict=True)])
