from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.attributors.pooling import SetPooling, draw_sets, learn_pooling
from morelli.errors import NotEnoughDataError


def answers(seed: int, n: int, shared: float = 0.0, k: int = 4, worth: float = 1.0, broken: float = 0.0):
    """Return proba (k n, k), y, prompts: calibrated answers, with errors that a share of a model's images have in
    common; of `broken` images the answer is sure and random.

    Each model's images come in batches of 8 prompts that share their error.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(k), n)
    common = rng.normal(size=(k, k))[y]
    noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=(k * n, k))
    logits = worth * (worth * np.eye(k)[y] + noise)
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    off = rng.random(k * n) < broken
    proba[off] = 1e-9 + (1 - k * 1e-9) * np.eye(k)[rng.integers(0, k, off.sum())]
    return proba, y, np.tile(np.arange(n), k)


def test_sets_are_of_one_model_and_of_different_prompts():
    y = np.array([0] * 12 + [1] * 12 + [2] * 3)
    groups = np.array([*np.arange(12) // 2, *np.arange(12) % 4, 0, 1, 2])
    sets = draw_sets(y, groups, 4, 30, 0)
    assert sets.shape == (60, 4)  # the third has three prompts only
    for rows in sets:
        assert len(set(y[rows])) == 1
        assert len(set(groups[rows])) == 4
    assert set(sets.ravel()) == set(range(24))
    np.testing.assert_array_equal(sets, draw_sets(y, groups, 4, 30, 0))
    assert (sets != draw_sets(y, groups, 4, 30, 1)).any()
    assert draw_sets(y, groups, 9, 30, 0).shape == (0, 9)


def test_independent_images_count_in_full():
    pooling = SetPooling.fit(*answers(0, 400), n_draws=100)
    assert pooling.dependence < 0.05
    proba, y, groups = answers(1, 400)
    sets = draw_sets(y, groups, 8, 300, 1)
    together = pooling.pool(proba[sets])
    right = together.argmax(axis=1) == y[sets[:, 0]]
    assert right.mean() > (proba.argmax(axis=1) == y).mean() + 0.2
    assert abs(together.max(axis=1).mean() - right.mean()) < 0.04


def fit_to_many(shared: float, **kwargs) -> tuple[SetPooling, list[tuple[np.ndarray, np.ndarray]]]:
    """Fit to many worlds at once, each with errors of its own, numbered as models of their own."""
    worlds = [answers(seed, 24, shared, **kwargs) for seed in range(80)]
    proba = np.concatenate([world[0] for world in worlds[:40]])
    y = np.concatenate([world[1] for world in worlds[:40]])
    # A set never leaves its world: what one has in common, another has not.
    sets = [draw_sets(world[1], world[2], 8, 10, 0) for world in worlds[40:]]
    fresh = [(world[0][rows], world[1][rows[:, 0]]) for world, rows in zip(worlds[40:], sets, strict=True)]
    code = np.concatenate([world[1] + 4 * number for number, world in enumerate(worlds[:40])])
    groups = np.concatenate([world[2] for world in worlds[:40]])
    drawn = [draw_sets(code, groups, size, 10, 0) for size in (2, 4, 8)]
    best, found = np.inf, SetPooling(0.0, 0.01)
    for dependence in np.linspace(0, 1, 41):
        one = SetPooling(float(dependence), 0.01)
        loss = np.mean([-np.log(one.pool(proba[s])[np.arange(len(s)), y[s[:, 0]]]).mean() for s in drawn])
        if loss < best:
            best, found = loss, one
    return found, fresh


def test_common_errors_are_allowed_for():
    pooling, fresh = fit_to_many(0.4, worth=1.5)
    assert pooling.dependence > 0.1
    proba, y = (np.concatenate(parts) for parts in zip(*fresh, strict=True))
    together, naive = pooling.pool(proba), SetPooling(0.0, 0.01).pool(proba)
    right = (together.argmax(axis=1) == y).mean()
    np.testing.assert_array_equal(together.argmax(axis=1), naive.argmax(axis=1))
    assert naive.max(axis=1).mean() > right + 0.08  # as if independent: far too sure
    assert abs(together.max(axis=1).mean() - right) < 0.04


def test_a_common_error_raises_the_dependence():
    low, high = (SetPooling.fit(*answers(3, 200, shared, k=12), n_draws=20).dependence for shared in (0.0, 0.6))
    assert high > low + 0.05


def test_one_worthless_answer_does_not_overrule_the_others():
    pooling = SetPooling.fit(*answers(0, 200, broken=0.1), n_draws=50)
    assert pooling.doubt >= 0.03
    good = np.tile([0.6, 0.2, 0.1, 0.1], (7, 1))
    bad = np.array([[1e-12, 1 - 3e-12, 1e-12, 1e-12]])
    assert pooling.pool(np.concatenate([good, bad])).argmax() == 0
    assert pooling.pool(good)[0] > 0.9


def test_order_does_not_count():
    proba = answers(0, 3)[0]
    pooling = SetPooling(0.2, 0.01)
    np.testing.assert_allclose(pooling.pool(proba), pooling.pool(proba[::-1]))
    np.testing.assert_allclose(pooling.pool(proba[:1]), 0.99 * proba[0] + 0.01 / 4)
    np.testing.assert_allclose(SetPooling(1.0, 0.01).pool(np.tile(proba[0], (5, 1))), pooling.pool(proba[:1]))


def test_images_one_by_one():
    proba = answers(0, 3)[0]
    pooling = SetPooling(0.2, 0.01)
    total = np.zeros(4)
    for number, row in enumerate(proba, start=1):
        total += pooling.words(row)
        np.testing.assert_allclose(pooling.of_words(total, number), pooling.pool(proba[:number]), rtol=1e-12)
    np.testing.assert_array_equal(pooling.of_words(pooling.words(proba).sum(axis=0), 12), pooling.pool(proba))
    assert [pooling.design_effect(n) for n in (1, 2, 11)] == [1.0, 1.2, 3.0]


def test_what_cannot_be_learned_is_none():
    proba, y, groups = answers(0, 20)
    assert learn_pooling(proba, y, groups, seed=3) == SetPooling.fit(proba, y, groups, seed=3)
    assert learn_pooling(proba, y, None) == SetPooling.fit(proba, y, np.arange(80))
    assert learn_pooling(proba, y, np.zeros(80, dtype=int)) is None


def test_a_set_is_in_one_condition(monkeypatch):
    import morelli.attributors.pooling as module

    seen = []
    real = module.draw_sets

    def spy(*args):
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(module, "draw_sets", spy)
    proba, y, groups = answers(0, 20)
    conditions = np.repeat([5, 9], len(y))
    SetPooling.fit(np.tile(proba, (2, 1)), np.tile(y, 2), np.tile(groups, 2), conditions=conditions, n_draws=10, seed=0)
    assert [len(sets) for sets in seen] == [80, 80, 80]
    for sets in seen:
        assert all(len(set(conditions[rows])) == 1 == len(set(np.tile(y, 2)[rows])) for rows in sets)


def test_too_few_prompts():
    with pytest.raises(NotEnoughDataError, match="several prompts"):
        SetPooling.fit(np.full((6, 2), 0.5), [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(("dependence", "doubt"), [(-0.1, 0.1), (1.1, 0.1), (0.5, 0.0), (0.5, 1.0), (np.nan, 0.1)])
def test_no_shares(dependence, doubt):
    with pytest.raises(ValueError, match="no share"):
        SetPooling(dependence, doubt)


def test_round_trip():
    pooling = SetPooling(0.125, 0.01)
    assert SetPooling.from_dict(json.loads(json.dumps(pooling.to_dict()))) == pooling
