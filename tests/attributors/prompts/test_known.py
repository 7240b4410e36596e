from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.attributors.prompts import Known, deal_episode


def counts_of(codes, prompts, rows):
    table = np.zeros((prompts.max() + 1, codes.max() + 1), dtype=int)
    np.add.at(table, (prompts[rows], codes[rows]), 1)
    return table


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.none() | st.integers(1, 3), st.booleans())
def test_images_are_dealt_as_promised(seed, references, judged, short):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    codes, prompts = rng.integers(3, size=n), rng.integers(4, size=n)
    asked, known = deal_episode(codes, prompts, references, rng, judged=judged, short=short)
    assert not set(asked) & set(known)
    size = counts_of(codes, prompts, np.arange(n))
    has, told = counts_of(codes, prompts, known), counts_of(codes, prompts, asked)
    left = size - has
    if short:
        assert (has == np.minimum(references, np.maximum(size - 1, np.minimum(size, 1)))).all()
    else:
        assert (has == np.where(size > references, references, 0)).all()
        left = np.where(has > 0, left, 0)
    assert (told == (left if judged is None else np.minimum(left, judged))).all()


def test_fewer_references_are_a_part_of_more_and_the_same_is_judged():
    codes, prompts = np.repeat([0, 1], 8), np.zeros(16, dtype=int)
    dealt = [deal_episode(codes, prompts, k, np.random.default_rng(3), judged=2) for k in (1, 3, 6)]
    assert set(dealt[0][1]) < set(dealt[1][1]) < set(dealt[2][1])
    assert {tuple(sorted(asked)) for asked, _ in dealt} == {tuple(sorted(dealt[0][0]))}


def test_in_the_order_given():
    asked, known = deal_episode(np.zeros(4, dtype=int), np.zeros(4, dtype=int), 3, None)
    assert known.tolist() == [0, 1, 2] and asked.tolist() == [3]


def test_who_has_images_for_a_prompt():
    known = Known(np.zeros((3, 1)), np.array([0, 2, 2]), np.array([7, 7, 9]), 3)
    occupied = known.occupied(np.array([9, 7, 8, 100, -1]))
    assert occupied.tolist() == [[0, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert not Known(np.zeros((0, 1)), np.zeros(0, int), np.zeros(0, int), 2).occupied(np.array([1])).any()
