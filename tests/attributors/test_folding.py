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


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_one_image_stay_together_where_prompts_are_of_no_use(seed):
    images = np.random.default_rng(seed).permutation(48) // 3 * 7
    codes = (images // 7 >= 8).astype(int)
    for groups in (None, np.where(codes == 1, 3, images % 4), np.zeros(48, dtype=int)):
        fold, notes = deal_references(codes, groups, NAMES, 5, seed, images)
        assert all(len(set(fold[images == image])) == 1 for image in set(images))
        assert len(notes) == 1
        # As if each image were shown once, with its class in most folds that there can be.
        assert len(set(fold[codes == 1])) > 1
        alone, same = deal_references(codes, groups, NAMES, 5, seed)
        assert same == notes
        assert any(len(set(alone[images == image])) > 1 for image in set(images))


def test_images_do_not_matter_where_prompts_hold_them():
    codes, groups = np.arange(36) % 2, np.repeat(np.arange(9), 4)
    images = np.arange(36) // 2
    fold, notes = deal_references(codes, groups, NAMES, 4, 0, images)
    np.testing.assert_array_equal(fold, deal_references(codes, groups, NAMES, 4, 0)[0])
    assert notes == []


def test_there_are_no_more_folds_than_images():
    codes, images = np.repeat([0, 1], 6), np.arange(12) // 3
    fold, _ = deal_references(codes, None, NAMES, 10, 0, images)
    assert set(fold) == {0, 1, 2, 3}


def test_what_may_leak_is_told():
    codes = np.repeat([0, 1], 6)
    _, unknown = deal_references(codes, None, NAMES, 3, 0)
    assert unknown[0].startswith("Prompts are not known")
    fold, lonely = deal_references(codes, np.r_[np.arange(6), np.full(6, 7)], NAMES, 3, 0)
    assert lonely == ["All references of bob share one prompt: leakage cannot be excluded for them."]
    assert len(set(fold[codes == 1])) > 1
    with pytest.raises(ValueError, match="n_folds must be at least 2, not 1"):
        deal_references(codes, None, NAMES, 1, 0)
