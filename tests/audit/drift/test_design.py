from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.audit.drift import make_design
from morelli.errors import MorelliError, NotEnoughDataError


def paired(n, each=1):
    group = np.tile(np.repeat(np.arange(n), each), 2)
    return np.arange(2 * n * each) >= n * each, group


def test_all_relabellings_are_given_once_where_they_are_few():
    new, group = paired(6)
    design = make_design(new, group)
    labels, exhaustive = design.relabel(1999, 0)
    assert design.kind == "paired" and exhaustive and len(labels) == 64 == design.n_relabellings
    assert len(np.unique(labels, axis=0)) == 64
    assert np.array_equal(labels[0], design.new)
    for prompt in range(6):  # every prompt keeps one new image
        assert (labels[:, design.group == prompt].sum(axis=1) == 1).all()
    assert design.smallest_p == 2 / 64


def test_random_relabellings_keep_the_numbers_of_each_prompt_and_begin_with_what_was_observed():
    new, group = paired(12, each=2)
    design = make_design(new, group)
    labels, exhaustive = design.relabel(2000, 3)
    assert not exhaustive and labels.shape == (2001, 48) and np.array_equal(labels[0], design.new)
    assert all((labels[:, design.group == prompt].sum(axis=1) == 2).all() for prompt in range(12))
    again, _ = design.relabel(2000, 3)
    assert np.array_equal(labels, again)
    shares = labels[1:].mean(axis=0)
    assert shares.min() > 0.45 and shares.max() < 0.55


def test_whole_prompts_are_exchanged_where_prompts_differ():
    group = np.repeat(np.arange(12), 3)
    new = group >= 6
    design = make_design(new, group)
    labels, _ = design.relabel(200, 0)
    assert design.kind == "grouped" and design.n_relabellings == math.comb(12, 6)
    for prompt in range(12):
        assert (np.ptp(labels[:, design.group == prompt].astype(int), axis=1) == 0).all()
    assert any("no prompts in common" in note for note in design.notes)
    for fold in range(int(design.fold.max()) + 1):  # no prompt is in two folds
        assert not set(design.group[design.fold == fold]) & set(design.group[design.fold != fold])


def test_prompts_with_more_images_do_not_give_the_samples_away():
    group = np.concatenate([np.repeat(np.arange(8), 3), np.arange(8, 16)])
    design = make_design(group >= 8, group)
    assert len(design.rows) == 16 and (np.bincount(design.group) == 1).all()
    assert any("left out" in note for note in design.notes)


def test_only_prompts_that_coincide_are_paired():
    new = np.array([False] * 10 + [True] * 8)
    group = np.concatenate([np.arange(10), np.arange(8) + 2])
    design = make_design(new, group)
    assert design.kind == "paired" and sorted(design.rows) == [*range(2, 10), *range(10, 18)]
    assert design.notes == ("2 images of prompts that only one sample has were left out.",)


def test_few_shared_prompts_give_way_to_many_that_differ():
    new = np.array([False] * 20 + [True] * 20)
    group = np.concatenate([np.arange(20), np.arange(20) + 18])
    assert make_design(new, group).kind == "grouped"
    with pytest.raises(NotEnoughDataError, match=r"no p-value can fall below 0\.5"):
        make_design(new, group, kind="paired")


def test_one_prompt_with_many_images_is_enough():
    design = make_design(np.arange(24) >= 12, np.zeros(24, dtype=int))
    assert design.kind == "paired" and design.fold.max() == 4
    assert any("1 prompts coincide" in note for note in design.notes)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_pairs_are_refused_and_the_reason_is_given(n):
    with pytest.raises(NotEnoughDataError, match=rf"below {2 / 2**n:.2g}"):
        make_design(*paired(n))


@pytest.mark.parametrize(("new", "word"), [([False] * 4, "new"), ([True] * 4, "reference")])
def test_one_sample_is_no_comparison(new, word):
    with pytest.raises(NotEnoughDataError, match=f"no {word} image"):
        make_design(np.array(new), np.arange(4))


def test_a_design_that_there_is_not():
    with pytest.raises(MorelliError, match="paired, grouped"):
        make_design(*paired(8), kind="crossed")


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=14, max_size=30))
def test_relabelling_never_changes_how_many_are_new(rows):
    group, new = (np.array(column) for column in zip(*rows, strict=True))
    try:
        design = make_design(new, group, level=1.0)
    except NotEnoughDataError:
        assert new.all() or not new.any()
        return
    labels, _ = design.relabel(50, 0)
    assert (labels.sum(axis=1) == design.new.sum()).all()
    assert 0 < design.smallest_p <= 2
