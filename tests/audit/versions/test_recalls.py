from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import binomtest

from morelli.audit.versions.recalls import MOST_IMAGES, measure_recalls


def counted(hits, n):
    """Return recalls of candidates with so many images, each of a prompt of its own."""
    codes = np.repeat(np.arange(len(n)), n)
    right = np.concatenate([np.arange(m) < h for h, m in zip(hits, n, strict=True)])
    return measure_recalls(codes, np.where(right, codes, (codes + 1) % len(n)), np.arange(len(codes)), len(n))


@given(some.lists(some.tuples(some.integers(0, 20), some.integers(0, 20)), min_size=2, max_size=6))
def test_intervals_are_exact_binomial_ones_where_prompts_differ(counts):
    hits, n = [right for right, _ in counts], [right + wrong for right, wrong in counts]
    if not sum(n):
        return
    recalls = counted(hits, n)
    for place in range(len(n)):
        if n[place]:
            assert recalls.interval(place) == pytest.approx(tuple(binomtest(hits[place], n[place]).proportion_ci()))
        else:
            assert recalls.interval(place) == (0.0, 1.0)
    means = recalls.means()
    assert ((means > 0) & (means < 1)).all()


def test_images_of_one_prompt_that_stand_and_fall_together_count_once():
    rng = np.random.default_rng(0)
    codes, groups = np.repeat(np.arange(4), 40), np.tile(np.repeat(np.arange(10), 4), 4)
    right = rng.random((4, 10))[codes, groups] < 0.5
    recalls = measure_recalls(codes, np.where(right, codes, (codes + 1) % 4), groups, 4)
    np.testing.assert_allclose(recalls.independent, 10)
    alone = counted(recalls.hits // 4, [10] * 4)
    assert recalls.interval(0) == pytest.approx(alone.interval(0))


def test_images_of_one_prompt_that_are_judged_independently_all_count():
    rng = np.random.default_rng(1)
    codes, groups = np.repeat(np.arange(20), 60), np.tile(np.repeat(np.arange(20), 3), 20)
    named = np.where(rng.random(1200) < 0.6, codes, (codes + 1) % 20)
    assert measure_recalls(codes, named, groups, 20).independent.min() > 52


def test_one_prompt_says_nothing_about_the_next():
    codes = np.repeat([0, 1], 8)
    recalls = measure_recalls(codes, codes, np.zeros(16, dtype=int), 2)
    np.testing.assert_allclose(recalls.independent, 1)
    assert recalls.interval(0) == pytest.approx((0.025, 1.0))


def test_intervals_hold_when_prompts_are_shared():
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        codes, groups = np.repeat(np.arange(5), 24), np.tile(np.repeat(np.arange(8), 3), 5)
        easy = rng.beta(1.5, 1.5, size=(5, 8))[codes, groups]
        recalls = measure_recalls(codes, np.where(rng.random(120) < easy, codes, (codes + 1) % 5), groups, 5)
        held += sum(low <= 0.5 <= high for low, high in map(recalls.interval, range(5)))
    assert held / 300 > 0.93


def test_the_worst_of_many_alike_is_drawn_to_the_others():
    rng = np.random.default_rng(3)
    hits = rng.binomial(10, 0.6, 40)
    recalls = counted(hits, [10] * 40)
    worst = int(hits.argmin())
    assert hits[worst] <= 3 and recalls.means()[worst] > 0.45
    drawn = recalls.draw(np.full(4000, recalls.middle), rng)
    np.testing.assert_allclose(drawn.mean(axis=0), recalls.means(), atol=0.02)
    assert (drawn >= 0).all() and (drawn <= 1).all()


def test_candidates_that_differ_stand_for_themselves():
    recalls = counted([0, 0, 0, 0, 20, 20, 20, 20], [20] * 8)
    assert recalls.worth < 2 and recalls.means()[0] < 0.05 and recalls.means()[-1] > 0.95


def test_two_candidates_say_little_about_each_other():
    assert counted([5, 6], [10, 10]).worth < 10 < counted([5, 6] * 20, [10, 10] * 20).worth


@pytest.mark.parametrize("hits", [[1, 0, 1], [1, 1, 1], [0, 0, 0]])
def test_one_image_each(hits):
    recalls = counted(hits, [1, 1, 1])
    assert recalls.worth == pytest.approx(1)
    assert recalls.interval(0) == pytest.approx((0.025, 1.0) if hits[0] else (0.0, 0.975))


def test_how_many_images_it_takes_to_know():
    recalls = counted([7] * 30, [14] * 30)
    needed = recalls.images_to_know(0, 0.8)
    assert needed == 14  # 7 of 14: the interval ends below 0.8 already
    more = recalls.images_to_know(0, 0.6)
    share = recalls.means()[0]
    assert more is not None and 14 < more < MOST_IMAGES
    assert binomtest(int(np.floor(share * more)), more).proportion_ci().high < 0.6
    assert binomtest(int(np.ceil(share * (more // 2))), more // 2).proportion_ci().high > 0.6
    assert recalls.images_to_know(0, float(share)) is None
