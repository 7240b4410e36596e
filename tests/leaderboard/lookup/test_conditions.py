from __future__ import annotations

import numpy as np
import pytest

from morelli.attributors.prompts.distances import cell_means
from morelli.leaderboard.lookup.conditions import CONDITIONS, Situation, Worded


def situation(seed=0, **more):
    """Six prompts, three models; prompt 5 is not in the store, model 2 has no references for prompt 0."""
    rng = np.random.default_rng(seed)
    n = 60
    X, prompt, model = rng.normal(size=(n, 4)).astype(np.float32), rng.integers(0, 5, n), rng.integers(0, 3, n)
    cell = np.concatenate([np.arange(15), prompt * 3 + model])
    rows = np.concatenate([rng.normal(size=(15, 4)).astype(np.float32), X])
    keep = cell != 2
    means, _ = cell_means(rows[keep], cell[keep], 18)
    asked = rng.integers(0, 5, 40)
    given = {
        "X": rng.normal(size=(40, 4)).astype(np.float32),
        "prompt": np.concatenate([[0], asked[1:]]),
        "model": np.concatenate([[2], rng.integers(0, 3, 39)]),
        "centroids": means.reshape(6, 3, 4),
        "same": np.eye(6, dtype=bool),
        **more,
    }
    return Situation(**given)


def by_hand(s, allowed_prompts):
    """Nearest of all prompts and models, one image at a time."""
    found, right = [], []
    for x, p, m in zip(s.X.astype(float), s.prompt, s.model, strict=True):
        best = min(
            (np.linalg.norm(x - s.centroids[q, j]), q, j)
            for q in allowed_prompts(p)
            for j in range(3)
            if not np.isnan(s.centroids[q, j, 0])
        )
        found.append(best[1])
        right.append(best[2] == m)
    return np.array(found), np.array(right)


def test_the_known_prompt_is_the_nearest_centroid_there():
    s = situation()
    looked = CONDITIONS["known"].look(s)
    found, right = by_hand(s, lambda p: [p])
    np.testing.assert_array_equal(looked.found, found)
    np.testing.assert_array_equal(looked.right, right)
    unnamed = (s.prompt == 0) & (s.model == 2)
    assert unnamed.any()
    assert not looked.right[unnamed].any()
    assert (looked.chance[unnamed] == 0).all()
    np.testing.assert_allclose(looked.chance[(s.prompt == 0) & ~unnamed], 1 / 2)
    np.testing.assert_allclose(looked.chance[s.prompt > 0], 1 / 3)


def test_searching_all_is_the_nearest_of_all_centroids():
    s = situation()
    for name, allowed in (("joint", lambda p: range(5)), ("absent-joint", lambda p: set(range(5)) - {p})):
        looked = CONDITIONS[name].look(s)
        found, right = by_hand(s, allowed)
        np.testing.assert_array_equal(looked.found, found)
        np.testing.assert_array_equal(looked.right, right)
    # A random one of 14 cells, 4 of them by model 2.
    assert CONDITIONS["joint"].look(s).chance[s.model == 2] == pytest.approx(4 / 14)


def test_the_nearest_prompt_by_image_has_the_nearest_mean_of_its_models():
    s = situation()
    means = np.array([np.nanmean(s.centroids[p], axis=0) for p in range(5)])
    for name in ("image", "absent-image"):
        distances = np.linalg.norm(s.X[:, None].astype(float) - means, axis=2)
        if name == "absent-image":
            distances[np.arange(40), s.prompt] = np.inf
        looked = CONDITIONS[name].look(s)
        np.testing.assert_array_equal(looked.found, distances.argmin(axis=1))


def test_without_texts_nothing_is_looked_up_by_text():
    s = situation()
    assert all(CONDITIONS[name].look(s) is None for name in CONDITIONS if "text" in name or "para" in name)


def test_texts_find_the_nearest_text_in_the_store():
    vectors = np.eye(6, dtype=np.float32)
    vectors[1] = [0, 0.6, 0, 0, 0, 0.8]  # nearest to prompt 5, which is not in the store
    there = np.array([1, 1, 1, 1, 0, 1], dtype=bool)
    vectors[4] = 0
    others = {"paraphrased-light": Worded(vectors, there)}
    s = situation(texts=Worded(vectors, there), others=others)
    looked = CONDITIONS["paraphrased-light"].look(s)
    np.testing.assert_array_equal(looked.asked, s.prompt != 4)
    np.testing.assert_array_equal(looked.found[looked.asked], s.prompt[looked.asked])
    assert CONDITIONS["paraphrased-heavy"].look(s) is None
    absent = CONDITIONS["absent-text"].look(s)
    assert (absent.found[absent.asked] != s.prompt[absent.asked]).all()
    assert not (absent.found == 5).any()


def test_prompts_that_say_the_same_are_left_out_together():
    same = np.eye(6, dtype=bool)
    same[0, 1] = same[1, 0] = True
    s = situation(same=same)
    for name in ("absent-image", "absent-joint"):
        found = CONDITIONS[name].look(s).found
        assert not np.isin(found[s.prompt <= 1], [0, 1]).any()


def test_a_store_of_one_prompt_has_no_other():
    only = np.full((6, 3, 4), np.nan)
    only[0] = np.eye(3, 4)
    s = situation(centroids=only, prompt=np.zeros(40, dtype=int))
    for name in ("absent-image", "absent-joint"):
        looked = CONDITIONS[name].look(s)
        assert (looked.found == -1).all()
        assert not looked.right.any()
        assert (looked.chance == 0).all()
