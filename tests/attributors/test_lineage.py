from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.attributors.lineage import lineage_labels, lineage_probabilities, set_lineage

CLASSES = ["a1", "a2", "b", "c1", "c2"]
LINES = ["A", "A", None, "C", "C"]


def test_probabilities_add_up():
    labels, p = lineage_probabilities([[0.1, 0.2, 0.3, 0.25, 0.15]], LINES, CLASSES)
    assert labels == ("A", "b", "C")
    np.testing.assert_allclose(p, [[0.3, 0.3, 0.4]])


def test_a_class_named_like_a_lineage_belongs_to_it():
    labels, index = lineage_labels([None, "sdxl", None], ["sdxl", "sdxl-turbo", "flux"])
    assert labels == ("sdxl", "flux")
    assert index.tolist() == [0, 0, 1]


def test_sets():
    sets = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1] * 5])
    assert set_lineage(sets.astype(bool), LINES, CLASSES) == ["A", "A", None, "b", None, None]
    assert set_lineage(np.zeros((0, 5), dtype=bool), LINES, CLASSES) == []


@given(st.lists(st.sampled_from(["x", "y", "z", None]), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_mass_is_kept_and_sets_agree_with_a_loop(lines, seed):
    rng = np.random.default_rng(seed)
    classes = [f"m{i}" for i in range(len(lines))]
    p = rng.dirichlet(np.ones(len(lines)), size=5)
    labels, rolled = lineage_probabilities(p, lines, classes)
    np.testing.assert_allclose(rolled.sum(axis=1), 1)
    names = [line or name for line, name in zip(lines, classes, strict=True)]
    assert set(labels) == set(names)
    sets = rng.random((5, len(lines))) < 0.4
    expected = [{n for n, member in zip(names, row, strict=True) if member} for row in sets]
    assert set_lineage(sets, lines, classes) == [next(iter(e)) if len(e) == 1 else None for e in expected]


def test_bad_input():
    with pytest.raises(ValueError, match="2 lineages for 3 classes"):
        lineage_labels(["a", None], ["x", "y", "z"])
    with pytest.raises(ValueError, match="one column"):
        lineage_probabilities([[0.5, 0.5]], LINES, CLASSES)
    with pytest.raises(ValueError, match="boolean"):
        set_lineage(np.ones((1, 5)), LINES, CLASSES)
    with pytest.raises(ValueError, match="one column"):
        set_lineage(np.zeros((1, 0), dtype=bool), [], [])
