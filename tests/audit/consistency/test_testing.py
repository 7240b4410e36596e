from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from morelli.audit.consistency import test_consistency as consistency
from morelli.errors import MorelliError, NotEnoughDataError

from ..mixture._simulated import World

WORLD = World(k=6, distance=4.0)
REHEARSAL = WORLD.rehearsal(each=15)


def images(codes, seed=0, world=WORLD):
    return world.draw(np.asarray(codes), np.random.default_rng(seed))


def test_one_generator_is_consistent_and_a_mixture_is_not():
    pure = consistency(*images([0] * 15), [0], REHEARSAL, n_draws=300)
    assert pure.consistent and pure.p_value > 0.05
    assert pure.share_interval[0] == 0 < pure.share_interval[1] < 0.5
    mixed = consistency(*images([0] * 11 + [2] * 4), [0], REHEARSAL, n_draws=300)
    assert not mixed.consistent
    assert set(mixed.order[:4].tolist()) == {11, 12, 13, 14}
    assert (mixed.image_p[11:] < 0.1).all() and mixed.image_p[:11].mean() > 0.2
    assert 0.1 < mixed.share_estimate < 0.6
    assert mixed.share_interval[0] <= mixed.share_estimate <= mixed.share_interval[1]


@pytest.mark.slow
def test_the_rate_of_false_alarms():
    """Fresh references and fresh sets each time: 0.05 is not exceeded by more than chance allows (n = 120)."""
    alarms = 0
    for seed in range(120):
        world = WORLD.rehearsal(each=12, seed=1000 + seed)
        alarms += not consistency(*images([seed % 6] * 12, seed), [seed % 6], world, n_draws=199, seed=seed).consistent
    assert alarms <= 120 * 0.05 + 3 * np.sqrt(120 * 0.05 * 0.95)


def test_small_shares_are_noticed_in_large_sets():
    found = consistency(*images([1] * 190 + [4] * 10), [1], REHEARSAL, n_draws=300)
    assert not found.consistent
    small, large = (consistency(*images([1] * n), [1], REHEARSAL, n_draws=300) for n in (10, 200))
    assert large.smallest_detectable < small.smallest_detectable <= 1


def test_several_claimed():
    codes = [0] * 8 + [3] * 8
    assert consistency(*images(codes), [0, 3], REHEARSAL, n_draws=300).consistent
    assert not consistency(*images(codes), [0], REHEARSAL, n_draws=300).consistent
    assert not consistency(*images([*codes, 2, 2, 2, 2]), [0, 3], REHEARSAL, n_draws=300).consistent


def test_one_image():
    own, other = (consistency(*images([code], 1), [0], REHEARSAL, n_draws=300) for code in (0, 3))
    assert own.consistent and other.p_value < own.p_value
    assert own.order.tolist() == [0]


def test_images_that_are_all_alike():
    words, p = images([0])
    found = consistency(np.repeat(words, 30, axis=0), np.repeat(p, 30), [0], REHEARSAL, n_draws=200)
    assert np.isfinite(found.statistic) and found.order.tolist() == list(range(30))


def test_the_same_input_gives_the_same_numbers():
    first, again = (consistency(*images([0] * 9), [0], REHEARSAL, n_draws=200, seed=4) for _ in range(2))
    for field in dataclasses.fields(first):
        assert np.array_equal(getattr(first, field.name), getattr(again, field.name))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"claimed": []}, MorelliError, "one or more candidates"),
        ({"claimed": [6]}, MorelliError, "from 0 to 5"),
        ({"claimed": [-1]}, MorelliError, "from 0 to 5"),
        ({"claimed": list(range(6))}, MorelliError, "nobody else"),
        ({"level": 0.0}, MorelliError, "level"),
        ({"n_draws": 5}, MorelliError, "100 draws"),
        ({"log_proba": np.empty((0, 6)), "open_set_p": np.empty(0)}, NotEnoughDataError, "no image"),
        ({"log_proba": np.full((9, 6), np.nan)}, MorelliError, "could not be judged"),
        ({"open_set_p": np.zeros(9)}, MorelliError, "could not be judged"),
        ({"log_proba": np.zeros((9, 5))}, MorelliError, "do not fit"),
    ],
)
def test_bad_input(change, error, says):
    words, p = images([0] * 9)
    given = {"log_proba": words, "open_set_p": p, "claimed": [0], "rehearsal": REHEARSAL, **change}
    with pytest.raises(error, match=says):
        consistency(**given)


def test_a_candidate_without_references():
    keep = REHEARSAL.codes != 2
    part = dataclasses.replace(
        REHEARSAL,
        **{name: getattr(REHEARSAL, name)[keep] for name in ("log_proba", "codes", "groups", "open_set_p")},
    )
    with pytest.raises(NotEnoughDataError, match="no reference"):
        consistency(*images([2] * 9), [2], part)
