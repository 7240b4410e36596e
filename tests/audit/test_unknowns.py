from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from morelli.audit import unknowns as module
from morelli.audit.unknowns import LONER, cluster_unknowns, same_source_distance
from morelli.errors import MorelliError

from .mixture._simulated import World

WORLD = World(k=8, distance=5.0, hidden=8)
WORLD.hidden = 2.0 * np.column_stack([np.cos(np.arange(8) * 0.8 + 0.2), np.sin(np.arange(8) * 0.8 + 0.2)])
REHEARSAL = WORLD.rehearsal(each=20)


def strangers(codes, seed=0):
    return WORLD.draw_hidden(np.asarray(codes), np.random.default_rng(seed))[0]


def test_sources_far_apart_are_told():
    codes = np.repeat([0, 4], 15)
    found = cluster_unknowns(strangers(codes), REHEARSAL)
    kept = found.labels != LONER
    assert kept.mean() > 0.5
    assert adjusted_rand_score(codes[kept], found.labels[kept]) > 0.5


def test_typical_images_come_first_and_groups_by_size():
    codes = np.repeat([0, 4], [8, 20])
    found = cluster_unknowns(strangers(codes), REHEARSAL)
    sizes = [len(rows) for rows in found.central]
    assert sizes == sorted(sizes, reverse=True) and min(sizes) >= found.smallest
    for name, rows in enumerate(found.central):
        assert (found.labels[rows] == name).all()
        assert len(set(rows.tolist())) == (found.labels == name).sum()


def test_images_that_are_all_alike_are_one_source():
    found = cluster_unknowns(np.repeat(strangers([2]), 7, axis=0), REHEARSAL)
    assert found.n_sources == 1 and found.labels.tolist() == [0] * 7


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images(n):
    found = cluster_unknowns(strangers([0, 4])[:n], REHEARSAL)
    assert found.n_sources == 0 and found.labels.tolist() == [LONER] * n and found.central == ()


def test_it_cannot_be_told_without_hidden_models():
    assert same_source_distance(WORLD.rehearsal(hidden=False)) is None
    assert cluster_unknowns(strangers([0] * 5), WORLD.rehearsal(hidden=False)) is None


def test_many_images_go_to_groups_of_a_part(monkeypatch):
    codes = np.repeat([0, 4], 100)
    whole = cluster_unknowns(strangers(codes), REHEARSAL)
    monkeypatch.setattr(module, "MOST", 60)
    part = cluster_unknowns(strangers(codes), REHEARSAL)
    assert len(part.labels) == 200
    assert adjusted_rand_score(whole.labels, part.labels) > 0.3


@pytest.mark.parametrize("words", [np.zeros((3, 5)), np.full((3, 8), np.nan), np.zeros(8)])
def test_bad_input(words):
    with pytest.raises(MorelliError, match="8 candidates"):
        cluster_unknowns(words, REHEARSAL)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 25))
def test_the_order_of_images_does_not_matter(seed, n):
    rng = np.random.default_rng(seed)
    words = strangers(rng.integers(8, size=n), seed)
    order = rng.permutation(n)
    one, other = cluster_unknowns(words, REHEARSAL), cluster_unknowns(words[order], REHEARSAL)
    assert adjusted_rand_score(one.labels[order], other.labels) == pytest.approx(1)
