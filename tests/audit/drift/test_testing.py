from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from morelli.audit.drift import compare_samples
from morelli.errors import NotEnoughDataError

from ._drifting import BLOCKS, two_samples

QUICK = {"blocks": BLOCKS, "n_permutations": 199, "n_simulations": 0}


@pytest.mark.parametrize("family", ["residual", "colour"])
def test_a_change_is_found_and_the_family_is_named(family):
    X, new, group = two_samples(20, 3.0, family=family)
    found = compare_samples(X, new, group, **(QUICK | {"n_permutations": 999}))
    assert found.changed and found.design.kind == "paired" and found.p < 0.01
    named = [one.name for one in found.families if one.p_adjusted <= 0.05]
    assert named == [family]
    strongest = max(found.families, key=lambda one: one.effect.d)
    assert strongest.name == family and strongest.effect.auc > 0.8
    assert strongest.effect.d_interval[0] < strongest.effect.d < strongest.effect.d_interval[1]


def test_the_same_prompts_make_a_change_visible_that_content_hides():
    X, new, group = two_samples(16, 4.0, content=8.0, seed=3)
    assert compare_samples(X, new, group, **QUICK).p < 0.02
    assert compare_samples(X, new, np.arange(32), **QUICK).p > 0.1


@pytest.mark.parametrize(("paired", "each"), [(True, 1), (False, 1), (False, 3), (True, 2)])
def test_the_rate_of_false_alarms_is_held(paired, each):
    """150 draws without a change; a binomial test refuses an excess at one in a thousand."""
    alarms = 0
    for seed in range(150):
        X, new, group = two_samples(8, seed=seed, paired=paired, each=each)
        alarms += compare_samples(X, new, group, seed=seed, **QUICK).changed
    assert binomtest(alarms, 150, 0.05, alternative="greater").pvalue > 1e-3


def test_over_all_relabellings_p_is_exact():
    """Every relabelling of six pairs in turn is the observed one: the share below each level is at most the level."""
    X, new, group = two_samples(6, 1.0)
    values = np.array(
        [
            compare_samples(X, new ^ np.tile(turned, 2), group, seed=4, **QUICK).p
            for turned in itertools.product([False, True], repeat=6)
        ]
    )
    assert len(np.unique(values)) > 20
    assert all((values <= level + 1e-12).mean() <= level + 1e-12 for level in np.unique(values))


def test_the_same_arguments_give_the_same_answer():
    X, new, group = two_samples(12, 1.0)
    first, second = (compare_samples(X, new, group, seed=5, **QUICK).to_dict() for _ in range(2))
    assert first == second


def test_more_relabellings_are_drawn_where_the_level_needs_them():
    X, new, group = two_samples(20)
    assert compare_samples(X, new, group, level=0.002, **QUICK).n_permutations == 10_001


def test_many_images_are_compared_in_part():
    X, new, group = two_samples(600, 0.0)
    few = {"blocks": BLOCKS, "n_permutations": 19, "n_simulations": 0, "level": 0.9}
    found = compare_samples(X, new, group, **few)
    assert len(found.design.rows) == 1000 and found.design.kind == "paired"
    assert "in whole prompts" in found.notes[0]
    found = compare_samples(X, new, np.zeros(1200, dtype=int), **few)
    assert len(found.design.rows) == 1000 and "at random" in found.notes[0]


def test_images_that_measure_the_same_cannot_be_compared():
    with pytest.raises(NotEnoughDataError, match="measure the same"):
        compare_samples(np.ones((20, 3)), np.arange(20) >= 10, np.arange(20), n_simulations=0)


def test_all_columns_are_one_family_by_default():
    X, new, group = two_samples(10)
    assert [one.name for one in compare_samples(X, new, group, n_simulations=0).families] == ["features"]
