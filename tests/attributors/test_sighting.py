from __future__ import annotations

import numpy as np

from morelli.attributors.sighting import Sighting


def sighting() -> Sighting:
    rng = np.random.default_rng(0)
    return Sighting(rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5)))


def test_among_some_candidates():
    seen = sighting()
    some = seen.among(np.array([2, 0]))
    np.testing.assert_array_equal(some.log_likelihood, seen.log_likelihood[:, :, [2, 0]])
    np.testing.assert_array_equal(some.alignment, seen.alignment[:, :, [2, 0]])
    np.testing.assert_array_equal(some.outlyingness, seen.outlyingness)
    bare = Sighting(seen.log_likelihood, seen.alignment)
    assert bare.among(np.array([1, 3])).outlyingness is None


def test_among_all_in_another_order_fuses_to_the_same():
    seen, order, weights = sighting(), np.array([3, 1, 0, 2]), np.array([0.3, 0.7])
    np.testing.assert_array_equal(seen.among(order).fuse(weights), seen.fuse(weights)[:, order])
