from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from morelli.attributors.rehearsal import Rehearsal
from morelli.audit import unknowns
from morelli.audit.unknowns import LONER, cluster_unknowns

K, PROMPTS = 10, 12


def answers(rng, signature, n, noise=0.7):
    """Return answers for images of a model that is mistaken in its own way."""
    words = np.asarray(signature) + rng.normal(0, noise, (n, K))
    return words - np.log(np.exp(words).sum(axis=1, keepdims=True))


def rehearsal(hidden=True, noise=0.7) -> Rehearsal:
    rng = np.random.default_rng(0)
    signatures = rng.normal(0, 2, (K, K))
    codes, groups = np.repeat(np.arange(K), PROMPTS), np.tile(np.arange(PROMPTS), K)
    words = np.concatenate([answers(rng, signatures[k] + 5 * np.eye(K)[k], PROMPTS, noise) for k in range(K)])
    away = np.concatenate([answers(rng, signatures[k], PROMPTS, noise) for k in range(K)])
    p = rng.uniform(0.01, 1, len(codes))
    away[np.arange(len(codes)), codes] = np.nan
    away -= np.log(np.nansum(np.exp(away), axis=1, keepdims=True))
    m = slice(None) if hidden else slice(0, 0)
    return Rehearsal(words, codes, groups, p, away[m], codes[m], groups[m], p[m])


def planted(sizes, seed=1, noise=0.7):
    rng = np.random.default_rng(seed)
    signatures = rng.normal(0, 2, (len(sizes), K))
    parts = [answers(rng, own, n, noise) for own, n in zip(signatures, sizes, strict=True)]
    return np.concatenate(parts), np.repeat(np.arange(len(sizes)), sizes)


def test_planted_sources_are_found_the_largest_first():
    words, truth = planted((8, 20, 12))
    found = cluster_unknowns(words, rehearsal())
    assert found.n_groups == 3
    assert adjusted_rand_score(truth, found.label) > 0.9
    assert (
        np.bincount(found.label[found.label >= 0]).tolist() == sorted(np.bincount(found.label[found.label >= 0]))[::-1]
    )
    assert (found.label[truth == 1] == 0).mean() > 0.9


def test_one_source_is_one_group():
    words, _ = planted((30,))
    found = cluster_unknowns(words, rehearsal())
    assert (found.label == 0).mean() > 0.9


def test_typical_images_are_near_the_middle():
    words, _ = planted((30,))
    words[0] = answers(np.random.default_rng(9), np.zeros(K), 1, 0.1)
    found = cluster_unknowns(words, rehearsal())
    inside = found.label == 0
    middle = unknowns._vectors(words)[inside].mean(axis=0)
    nearest = np.flatnonzero(inside)[((unknowns._vectors(words)[inside] - middle) ** 2).mean(axis=1).argmin()]
    assert found.distance[inside].min() == found.distance[nearest]


def test_an_image_that_is_like_no_other_is_a_loner():
    words, _ = planted((12, 12))
    strange = np.full((1, K), -9.0)
    strange[0, 3] = np.log(1 - 9 * np.exp(-9.0))
    found = cluster_unknowns(np.concatenate([words, strange]), rehearsal())
    assert found.label[-1] == LONER


def test_without_hidden_models_nothing_is_claimed():
    words, _ = planted((5, 5))
    found = cluster_unknowns(words, rehearsal(hidden=False))
    assert (found.label == 0).all()
    assert found.threshold is None
    assert "not grouped" in found.notes[0]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_to_group(n):
    found = cluster_unknowns(planted((1,))[0][:n], rehearsal())
    assert found.label.tolist() == [LONER] * n
    assert found.n_groups == 0


def test_of_very_many_a_part_is_grouped_and_the_others_join(monkeypatch):
    words, truth = planted((60, 90))
    monkeypatch.setattr(unknowns, "MOST", 40)
    found = cluster_unknowns(words, rehearsal())
    assert "40 of 150" in found.notes[0]
    assert adjusted_rand_score(truth, found.label) > 0.9
    assert np.array_equal(found.label, cluster_unknowns(words, rehearsal()).label)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 10**6))
def test_groups_do_not_depend_on_the_order_of_images(sizes, seed):
    words, _ = planted(tuple(sizes), seed)
    known = rehearsal()
    order = np.random.default_rng(seed).permutation(len(words))
    found, shuffled = cluster_unknowns(words, known), cluster_unknowns(words[order], known)
    assert adjusted_rand_score(found.label[order], shuffled.label) == pytest.approx(1.0)
    assert np.array_equal(found.label[order] == LONER, shuffled.label == LONER)


def test_answers_of_other_candidates_are_refused():
    with pytest.raises(ValueError, match="do not fit 10 candidates"):
        cluster_unknowns(np.zeros((3, 4)), rehearsal())
