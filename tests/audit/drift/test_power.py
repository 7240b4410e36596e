from __future__ import annotations

import numpy as np
import pytest

from morelli.audit.drift import compare_samples
from morelli.audit.drift.design import make_design
from morelli.audit.drift.power import _Shift
from morelli.audit.drift.trace import make_traces

from ._drifting import BLOCKS, two_samples


def shifted(n, size, seed, paired=True):
    """Return samples whose families all shift by `size` deviations of their independent measurements."""
    rng = np.random.default_rng([9, seed])
    X, new, group = two_samples(n, seed=seed, paired=paired, content=0.0)
    for block in BLOCKS.values():
        direction = rng.normal(size=block.stop - block.start)
        X[np.ix_(new, range(block.start, block.stop))] += size * direction / np.linalg.norm(direction)
    return X, new, group


@pytest.mark.parametrize("paired", [True, False])
def test_a_shift_of_the_stated_size_is_found_with_the_stated_power(paired):
    X, new, group = shifted(14, 0.0, 100, paired)
    power = compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=150).power
    assert power.shift_everywhere < power.shift_alone and 0.5 < power.everywhere < 1
    found = [
        compare_samples(
            *shifted(14, power.shift_everywhere, seed, paired), blocks=BLOCKS, n_permutations=199, n_simulations=0
        ).changed
        for seed in range(80)
    ]
    # The covariance is estimated from few images, so that a known size is not measured exactly: 0.8 give or take.
    assert 0.6 < np.mean(found) < 0.95


def test_more_images_find_less():
    sizes = []
    for n in (8, 16, 32):
        X, new, group = two_samples(n, seed=1)
        sizes.append(compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=60).power)
    assert sizes[0].shift_everywhere > sizes[1].shift_everywhere > sizes[2].shift_everywhere
    assert [power.images for power in sizes] == [8, 16, 32]


def test_of_many_images_the_power_is_scaled():
    X, new, group = two_samples(60, seed=2)
    scaled = compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=60).power
    assert scaled.scaled_from == 80 and scaled.images == 60
    X, new, group = two_samples(40, seed=2)
    whole = compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=60).power
    assert whole.scaled_from is None
    assert scaled.shift_everywhere == pytest.approx(whole.shift_everywhere * np.sqrt(40 / 60), rel=0.3)


def test_the_number_that_is_needed_falls_with_the_change():
    found = []
    for size in (1.2, 2.0, 4.0):
        X, new, group = shifted(20, size, 3)
        found.append(compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=60).power.needed)
    assert found[0] > found[1] >= found[2]
    X, new, group = shifted(20, 0.0, 5)
    nothing = compare_samples(X, new, group, blocks=BLOCKS, n_permutations=199, n_simulations=60)
    assert not nothing.changed and (nothing.power.needed is None or nothing.power.needed > 20)


def test_directions_have_the_length_that_they_are_given():
    """With many images the estimated covariance is the true one: a unit shift is one deviation of an image."""
    X, new, group = two_samples(300, seed=4, content=0.0)
    design = make_design(new, group)
    (trace, _), _ = make_traces(X, BLOCKS, design)
    shift = _Shift(trace, design, np.random.default_rng(0))
    # Mahalanobis in units of the covariance of images less their prompt's mean, which is half of an image's.
    assert shift.length.mean() == pytest.approx(2.0, rel=0.1)
    # In plain measurements, a unit shift of independent ones is about as long as one of them varies.
    assert shift.square.mean() * trace.n_features == pytest.approx(1.0, rel=0.2)
