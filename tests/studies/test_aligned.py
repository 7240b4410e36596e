from __future__ import annotations

import numpy as np
import pytest

from morelli.studies.aligned import by_image, together
from morelli.trials import Predictions
from morelli.trials.cells import Cell
from morelli.trials.runner import Outcome
from morelli.trials.trial import Fold, Trial


def outcome(images, right, seed=0, fold=0) -> Outcome:
    """Judge images, each of its own prompt, rightly or not."""
    n = len(images)
    proba = np.where(np.array(right)[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    table = Predictions(
        classes=("a", "b"), lineages=(None, None), image_id=[f"i{i}" for i in images], uri=["x"] * n, label=["a"] * n,
        group=np.array(images), proba=proba, prediction_set=proba > 0.5, open_set_p=np.full(n, 0.5),
        decision=["attributed"] * n, evidence={}, family_proba={}, without_family={}, error=[None] * n,
        judged_as=[None] * n, prompt_known=True,
    )  # fmt: skip
    return Outcome(Trial({}, seed=seed, fold=Fold(fold, 3)), table)


def cell(*outcomes) -> Cell:
    return Cell({}, outcomes)


def test_images_are_matched_whatever_fold_judged_them():
    first = cell(outcome([0, 1], [True, True]), outcome([2, 3], [True, False], fold=1))
    second = cell(outcome([3, 0], [False, False], fold=2), outcome([2, 1, 9], [True, False, True], fold=0))
    found = by_image(first, second)
    assert (found.value, found.n, found.same) == (pytest.approx(0.5), 4, False)
    assert found.low <= 0.5 <= found.high and found.spread is None
    turned = by_image(second, first)
    assert turned.value == -found.value


def test_an_image_that_several_judged_counts_once():
    several = cell(outcome([0, 1], [True, False]), outcome([0, 1], [True, True]), outcome([0], [False]))
    once = cell(outcome([0, 1], [False, False]))
    assert by_image(several, once).value == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_seeds_are_kept_apart():
    first = cell(outcome([0, 1], [True, True]), outcome([0, 1], [True, False], seed=1))
    second = cell(outcome([0, 1], [False, False]), outcome([0, 1], [True, False], seed=1))
    found = by_image(first, second)
    assert (found.value, found.n) == (0.5, 4)
    assert found.spread == pytest.approx(np.std([1.0, 0.0], ddof=1))


def test_no_difference_claims_no_certainty():
    one = cell(outcome([0, 1, 2], [True, False, True]))
    found = by_image(one, one)
    assert (found.value, found.low, found.high, found.same) == (0.0, None, None, True)
    assert not found.above_zero and not found.below_zero
    assert found.words() == "no difference on any of n 3 images"


def test_nothing_in_common_and_one_prompt_only():
    assert by_image(cell(outcome([0], [True])), cell(outcome([1], [True]))).words() == "no image was judged by both"
    one = by_image(cell(outcome([0], [True])), cell(outcome([0], [False])))
    assert (one.value, one.low) == (1.0, None) and "all images share one prompt" in one.words()


def test_cells_together_have_all_judgements():
    whole = together([cell(outcome([0, 1], [True, False])), cell(outcome([0], [True], seed=1))], {"kind": "x"})
    assert whole.at == {"kind": "x"} and whole.measures["n"] == 3 and whole.accuracy == pytest.approx(2 / 3)
    assert whole.measures["seeds"] == 2
