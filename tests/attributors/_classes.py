"""Gaussian classes of three families, for the fused attributor."""

from __future__ import annotations

import numpy as np

from morelli.attributors import Answers

BLOCKS = {"left": slice(0, 6), "middle": slice(6, 8), "right": slice(8, 14)}


def draw(seed: int, n: int, k: int = 3, apart: float = 1.0, groups: int = 0, scale: float = 1.0):
    """Return X (k n, 14), y, groups; a group shifts its images, so that it gives a class away."""
    rng = np.random.default_rng(seed)
    means = apart * np.random.default_rng(99).normal(size=(k, 14))
    y = np.repeat(np.arange(k), n)
    ids = rng.integers(0, groups, k * n) if groups else np.arange(k * n)
    content = np.random.default_rng(7).normal(size=(max(groups, 1), 14)) if groups else np.zeros((k * n, 14))
    return scale * (means[y] + content[ids] + rng.normal(size=(k * n, 14))), y, ids


def same(a: Answers, b: Answers, close: bool = False) -> None:
    """Fail unless two sets of answers are equal to the last bit, or nearly where `close`."""
    check = np.testing.assert_allclose if close else np.testing.assert_array_equal
    check(a.proba, b.proba)
    check(a.undoubted, b.undoubted)
    np.testing.assert_array_equal(a.prediction_set, b.prediction_set)
    check(a.open_set_p, b.open_set_p)
    assert list(a.evidence) == list(b.evidence) == list(a.family_proba) == list(b.family_proba)
    for name in a.evidence:
        check(a.evidence[name], b.evidence[name])
        check(a.family_proba[name], b.family_proba[name])
