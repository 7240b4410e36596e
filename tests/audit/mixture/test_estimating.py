from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from morelli.audit.mixture import em_shares, estimate_mixture, estimate_mixtures, roll_up_shares
from morelli.audit.mixture import estimating as module
from morelli.errors import MorelliError, NotEnoughDataError

from ._simulated import World

WORLD = World()
REHEARSAL = WORLD.rehearsal()


def of(counts, seed=0, strangers=0, world=WORLD):
    rng = np.random.default_rng(seed)
    words, p = world.draw(np.repeat(np.arange(len(counts)), counts), rng)
    if strangers:
        more, own = world.draw_hidden(np.zeros(strangers, dtype=int), rng)
        words, p = np.concatenate([words, more]), np.concatenate([p, own])
    return words, p


def test_shares_are_found():
    found = estimate_mixture(*of([30, 15, 5, 0]), REHEARSAL, unknown=False, n_boot=50)
    assert found.shares[:4] == pytest.approx([0.6, 0.3, 0.1, 0.0], abs=0.08)
    assert found.shares.sum() == pytest.approx(1) and found.shares[4] == 0
    assert (found.lower <= found.shares).all() and (found.shares <= found.upper).all()
    assert found.lower[3] == 0  # an interval of one who made nothing can hold nothing
    assert found.n == 50


def test_intervals_hold_what_they_say():
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(60, rng.dirichlet(np.ones(4)))
        found = estimate_mixture(*of(counts, seed), WORLD.rehearsal(seed=seed), unknown=False, n_boot=100)
        truth = counts / 60
        held.append(((found.lower[:4] <= truth + 1e-9) & (truth <= found.upper[:4] + 1e-9)).mean())
    # n = 240 intervals in 60 sets; the standard error is below 0.02.
    assert 0.91 <= np.mean(held) <= 1


def test_unknown_models_have_a_share():
    none = estimate_mixture(*of([20, 20, 20, 20]), REHEARSAL, n_boot=60)
    many = estimate_mixture(*of([10, 10, 10, 10], strangers=40), REHEARSAL, n_boot=60)
    assert none.shares[-1] < 0.15 and none.lower[-1] == 0
    assert many.shares[-1] > 0.3 and many.upper[-1] > 0.5
    assert many.shares.sum() == pytest.approx(1)


def test_without_hidden_models_it_says_so():
    blind = WORLD.rehearsal(hidden=False)
    found = estimate_mixture(*of([5, 5, 5, 5]), blind, n_boot=20)
    assert found.shares[-1] == found.upper[-1] == 0
    assert "hidden" in found.notes[0]
    assert estimate_mixture(*of([5, 5, 5, 5]), blind, unknown=False, n_boot=20).notes == ()


def test_only_candidates_that_are_possible():
    found = estimate_mixture(*of([20, 20, 0, 0]), REHEARSAL, among=[0, 1], unknown=False, n_boot=30)
    assert found.shares[2:].tolist() == [0, 0, 0] and found.upper[2:].tolist() == [0, 0, 0]
    alone = estimate_mixture(*of([20, 20, 0, 0]), REHEARSAL, among=[3], unknown=False, n_boot=30)
    assert alone.shares[3] == pytest.approx(1)


def test_one_image_and_images_that_are_all_alike():
    words, p = of([1, 0, 0, 0])
    one = estimate_mixture(words, p, REHEARSAL, n_boot=30)
    assert one.n == 1 and one.shares.sum() == pytest.approx(1)
    same = estimate_mixture(np.repeat(words, 20, axis=0), np.repeat(p, 20), REHEARSAL, n_boot=30)
    assert np.isfinite(same.draws).all()


def test_the_same_input_gives_the_same_numbers():
    first, again = (estimate_mixture(*of([9, 3, 3, 0]), REHEARSAL, n_boot=40, seed=3) for _ in range(2))
    for field in dataclasses.fields(first):
        one, other = getattr(first, field.name), getattr(again, field.name)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def test_the_correction_is_used_where_it_is_warranted():
    """Overconfident answers that take half of one candidate's images for another's, with many references to say so."""
    rng = np.random.default_rng(0)

    def answers(codes):
        said = np.where((codes == 0) & (rng.random(len(codes)) < 0.5), 1, codes)
        proba = np.full((len(codes), 3), 0.02)
        proba[np.arange(len(codes)), said] = 0.96
        return np.log(proba)

    codes = np.repeat(np.arange(3), 200)
    rehearsal = dataclasses.replace(World(3).rehearsal(each=200, hidden=False), log_proba=answers(codes), codes=codes)
    judged = np.repeat(np.arange(3), [150, 75, 75])
    words = answers(judged)
    found = estimate_mixture(words, np.ones(300), rehearsal, unknown=False, n_boot=40)
    assert found.blend >= 0.75
    naive = em_shares(np.exp(words))
    assert abs(found.shares[0] - 0.5) < 0.1 < abs(naive[0] - 0.5)
    assert found.lower[0] <= 0.5 <= found.upper[0]


def test_few_references_correct_nothing():
    assert estimate_mixture(*of([9, 3, 3, 0]), WORLD.rehearsal(each=3), unknown=False, n_boot=20).blend == 0


def test_large_sets_are_resampled_in_parts(monkeypatch):
    words, p = of([300, 100, 50, 50])
    whole = estimate_mixture(words, p, REHEARSAL, unknown=False, n_boot=200)
    monkeypatch.setattr(module, "_RESAMPLED", 200)
    parts = estimate_mixture(words, p, REHEARSAL, unknown=False, n_boot=200)
    assert parts.shares == pytest.approx(whole.shares)
    assert (parts.upper - parts.lower)[:4] == pytest.approx((whole.upper - whole.lower)[:4], rel=0.5)


def test_roll_up():
    found = estimate_mixture(*of([20, 10, 10, 0], strangers=5), REHEARSAL, n_boot=60)
    rolled = roll_up_shares(found, ["b", "b", None, "a"])
    assert rolled.names == ("a", "b", "not stated", "unknown")
    assert rolled.shares == pytest.approx([found.shares[3], found.shares[:2].sum(), found.shares[2], found.shares[4]])
    assert (rolled.lower <= rolled.shares).all() and (rolled.shares <= rolled.upper).all()
    with pytest.raises(ValueError, match="3 groups"):
        roll_up_shares(found, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("words", "p", "error", "says"),
    [
        (np.empty((0, 4)), np.empty(0), NotEnoughDataError, "no image"),
        (np.zeros((2, 3)), np.ones(2), MorelliError, "do not fit"),
        (np.full((2, 4), np.nan), np.ones(2), MorelliError, "could not be judged"),
        (np.full((2, 4), -np.inf), np.ones(2), MorelliError, "could not be judged"),
        (np.full((2, 4), np.log(0.25)), np.zeros(2), MorelliError, "p-values"),
        (np.full((2, 4), np.log(0.25)), np.array([0.5, np.nan]), MorelliError, "p-values"),
        (np.full((2, 4), 3.0), np.ones(2), MorelliError, "logarithms"),
    ],
)
def test_bad_input(words, p, error, says):
    with pytest.raises(error, match=says):
        estimate_mixture(words, p, REHEARSAL, n_boot=20)


@pytest.mark.parametrize("changes", [{"level": 1.0}, {"n_boot": 3}, {"among": []}, {"among": [4]}, {"among": [-1]}])
def test_bad_arguments(changes):
    with pytest.raises(MorelliError):
        estimate_mixture(*of([3, 3, 3, 3]), REHEARSAL, **{"n_boot": 20, **changes})


def test_both_mixtures_come_from_the_same_sets():
    given = of([20, 10, 10, 0], strangers=5)
    both = estimate_mixtures(*given, REHEARSAL, n_boot=40, seed=2)
    each = (estimate_mixture(*given, REHEARSAL, unknown=unknown, n_boot=40, seed=2) for unknown in (True, False))
    for one, other in zip(both, each, strict=True):
        for field in dataclasses.fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name))
