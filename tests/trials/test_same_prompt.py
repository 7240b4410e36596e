from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.trials.same_prompt import SamePrompt, among_candidates, deal_same_prompt


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.none() | st.integers(1, 2), st.integers(2, 3), st.booleans())
def test_laws(seed, references, judged, candidates, short):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 80))
    classes, prompts = rng.integers(3, size=n), rng.integers(5, size=n)
    rows = np.sort(rng.choice(n, size=int(rng.integers(0, n + 1)), replace=False))
    asked, known = deal_same_prompt(rows, classes, prompts, SamePrompt(references, judged, candidates, short), seed=4)
    assert not set(asked) & set(known) and set(asked) | set(known) <= set(rows)
    for prompt in np.unique(prompts[asked]):
        assert len(np.unique(classes[known][prompts[known] == prompt])) >= 2
        assert len(np.unique(classes[rows][prompts[rows] == prompt])) >= candidates
    for row in asked:  # the truth can be named
        assert ((classes[known] == classes[row]) & (prompts[known] == prompts[row])).any()


def test_the_deal_hangs_on_the_seed_alone():
    classes, prompts = np.tile([0, 1], 20), np.repeat([0, 1], 20)
    rows = np.arange(40)
    deals = [deal_same_prompt(rows, classes, prompts, SamePrompt(k, judged=1), seed=7) for k in (1, 2, 5)]
    assert all(np.array_equal(deals[0][0], judged) for judged, _ in deals)
    assert set(deals[0][1]) < set(deals[1][1]) < set(deals[2][1])
    one_prompt = deal_same_prompt(rows[:20], classes, prompts, SamePrompt(2, judged=1), seed=7)
    assert set(one_prompt[1]) <= set(deals[1][1])
    other = deal_same_prompt(rows, classes, prompts, SamePrompt(1, judged=1), seed=8)
    assert not np.array_equal(other[1], deals[0][1])


@pytest.mark.parametrize("values", [(0,), (1, 0), (1, None, 1)])
def test_numbers_that_make_no_sense(values):
    with pytest.raises(MorelliError, match="one image or more is known"):
        SamePrompt(*values)


def test_candidates_keep_a_probability(make):
    """By which their number, and chance, are counted: one that an attributor thinks impossible is one all the same."""
    proba = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    candidates = np.array([[True, True, False], [True, True, False], [False, False, False]])
    found = among_candidates(make(3, proba=proba, prediction_set=proba > 0.2), candidates)
    assert ((found.proba > 0) == np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]])).all()
    assert np.allclose(found.proba, [[1, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]])
    assert found.prediction_set.tolist() == [[True, False, False], [False, False, False], [False, True, True]]
