from __future__ import annotations

import numpy as np
import pytest

from morelli.attributors._folding import check_classes, check_group_ids, deal_references
from morelli.errors import NotEnoughDataError

NAMES = np.array(["ada", "bob"])


def test_classes():
    check_classes(NAMES, np.array([0, 0, 0, 1, 1, 1]), 3)
    with pytest.raises(NotEnoughDataError, match="one class \\(ada\\)"):
        check_classes(NAMES[:1], np.zeros(5, dtype=int), 1)
    with pytest.raises(NotEnoughDataError, match=r"at least 3 reference images; too few of: bob \(1\)"):
        check_classes(NAMES, np.array([0, 0, 0, 1]), 3)


def test_groups():
    assert check_group_ids(None, 3) is None
    assert check_group_ids(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="one entry for each of 3 images"):
        check_group_ids([1, 2], 3)


def test_whole_groups_stay_together():
    groups = np.repeat(np.arange(9), 4)
    fold, notes = deal_references(np.arange(36) % 2, groups, NAMES, 4, 0)
    assert notes == []
    assert set(fold) == {0, 1, 2, 3}
    assert all(len(set(fold[groups == group])) == 1 for group in range(9))
    assert (deal_references(np.arange(36) % 2, groups, NAMES, 4, 0)[0] == fold).all()


def test_what_may_leak_is_told():
    codes = np.repeat([0, 1], 6)
    _, unknown = deal_references(codes, None, NAMES, 3, 0)
    assert unknown[0].startswith("Prompts are not known")
    fold, lonely = deal_references(codes, np.r_[np.arange(6), np.full(6, 7)], NAMES, 3, 0)
    assert lonely == ["All references of bob share one prompt: leakage cannot be excluded for them."]
    assert len(set(fold[codes == 1])) > 1
    with pytest.raises(ValueError, match="n_folds must be at least 2, not 1"):
        deal_references(codes, None, NAMES, 1, 0)
