"""Two results on the same images, against sums by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.studies.paired import difference, fusion_gain, pooled
from morelli.trials import Predictions
from morelli.trials.cells import Cell
from morelli.trials.runner import Outcome
from morelli.trials.trial import Fold, Trial


def table(
    proba: Sequence[Sequence[float]],
    label: Sequence[str | None],
    group: Sequence[int],
    classes: tuple[str, ...] = ("a", "b"),
    first_id: int = 0,
) -> Predictions:
    n, k = len(label), len(classes)
    return Predictions(
        classes=classes,
        lineages=(None,) * k,
        image_id=[f"{first_id + i:064x}" for i in range(n)],
        uri=["x"] * n,
        label=label,
        group=np.asarray(group),
        proba=np.asarray(proba, dtype=float).reshape(n, k),
        prediction_set=np.ones((n, k), dtype=bool),
        open_set_p=np.full(n, 0.5),
        decision=["attributed"] * n,
        evidence={},
        family_proba={},
        without_family={},
        error=[None] * n,
        judged_as=[None] * n,
        prompt_known=True,
    )


def cell(*tables: Predictions | None, seeds: Sequence[int] | None = None) -> Cell:
    """Put tables into a cell, each a fold of its own unless seeds are given."""
    trials = [
        Trial({"at": "x"}, seed=seed, fold=Fold(0, 2))
        if seeds
        else Trial({"at": "x"}, fold=Fold(number, len(tables) + 1))
        for number, seed in enumerate(seeds or [0] * len(tables))
    ]
    outcomes = [
        Outcome(trial, one, None if one is not None else "nothing") for trial, one in zip(trials, tables, strict=True)
    ]
    return Cell({"at": "x"}, tuple(outcomes))


LABEL, GROUP = ["a", "a", "b", "b"], [0, 0, 1, 1]
ONE = table([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.55, 0.45]], LABEL, GROUP)
OTHER = table([[0.4, 0.6], [0.8, 0.2], [0.55, 0.45], [0.1, 0.9]], LABEL, GROUP)


def test_two_that_err_on_different_images_are_all_right_together():
    gain = fusion_gain(cell(ONE), cell(OTHER))
    assert gain is not None
    # 0.9 * 0.4 > 0.1 * 0.6, 0.4 * 0.8 > 0.6 * 0.2, 0.2 * 0.55 < 0.8 * 0.45, 0.55 * 0.1 < 0.45 * 0.9
    assert (gain.first, gain.second, gain.fused, gain.points, gain.n) == (0.5, 0.5, 1.0, 0.5, 4)
    # One image in each prompt is gained: every draw of prompts gains half.
    assert (gain.low, gain.high) == (0.5, 0.5)
    assert gain.interval == "95% interval 50 to 50, n 4"


def test_images_are_matched_by_what_they_are_and_not_by_their_place():
    turned = OTHER.take([3, 1, 0, 2])
    assert fusion_gain(cell(ONE), cell(turned)) == fusion_gain(cell(ONE), cell(OTHER))
    assert difference([(cell(ONE), cell(turned))]) == difference([(cell(ONE), cell(OTHER))])


def test_images_that_only_one_has_judged_do_not_count():
    gain = fusion_gain(cell(ONE), cell(OTHER.take([0, 1])))
    assert gain is not None
    assert (gain.first, gain.second, gain.fused, gain.n) == (0.5, 0.5, 1.0, 2)
    assert (gain.low, gain.high) == (None, None)  # one prompt says nothing of the next
    assert gain.interval == "no interval, as all images share one prompt; n 2"
    unreadable = replace(
        OTHER, error=[None, "broken", None, None], decision=["attributed", "unreadable", "attributed", "attributed"],
        proba=np.where(np.arange(4)[:, None] == 1, np.nan, OTHER.proba),
        prediction_set=np.arange(4)[:, None] * np.ones(2) != 1,
    )  # fmt: skip
    fewer = fusion_gain(cell(ONE), cell(unreadable))
    assert fewer is not None and fewer.n == 3


def test_a_class_that_one_lacks_is_no_candidate_of_it():
    narrow = table([[0.6, 0.4], [0.3, 0.7]], ["a", "c"], [0, 1], ("a", "c"))
    wide = table([[0.3, 0.5, 0.2], [0.1, 0.5, 0.4]], ["a", "c"], [0, 1], ("a", "b", "c"))
    gain = fusion_gain(cell(narrow), cell(wide))
    assert gain is not None
    # The wide one says b for both; b is nothing to the narrow one.
    assert (gain.first, gain.second, gain.fused) == (1.0, 0.0, 1.0)


def test_only_equal_seeds_and_folds_are_put_together():
    far = table([[0.9, 0.1]], ["a"], [2], first_id=9)
    assert fusion_gain(cell(ONE, seeds=[0]), cell(OTHER, seeds=[1])) is None
    assert difference([(cell(ONE, seeds=[0]), cell(OTHER, seeds=[1]))]) is None
    assert difference([(cell(ONE), cell(None))]) is None
    gap = difference([(cell(ONE, far), cell(OTHER, None))])
    assert gap is not None and gap.n == 4
    twice = difference([(cell(ONE, ONE, seeds=[0, 1]), cell(OTHER, OTHER, seeds=[0, 1]))])
    assert twice is not None and twice.n == 8


def test_a_difference_by_hand():
    worse = table([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.55, 0.45]], LABEL, GROUP)
    gap = difference([(cell(ONE), cell(worse))])
    assert gap is not None
    assert (gap.first, gap.second, gap.points) == (0.5, 0.25, 0.25)
    # One prompt loses nothing and the other half: the draws are 0, 1/4 and 1/2.
    assert (gap.low, gap.high) == (0.0, 0.5)
    over_both = difference([(cell(ONE), cell(worse)), (cell(ONE), cell(ONE))])
    assert over_both is not None and (over_both.points, over_both.n) == (0.125, 8)


def test_pooled_is_the_cell_and_counts_each_cell():
    one = cell(ONE)
    over = pooled([one])
    assert over is not None
    assert (over.accuracy, over.low, over.high, over.n) == (one.accuracy, *one.interval, 4)
    both = pooled([one, cell(table([[0.9, 0.1]] * 4, LABEL, GROUP))])
    assert both is not None and (both.accuracy, both.n) == (0.5, 8)
    assert pooled([]) is None
    assert pooled([cell(None)]) is None


def test_what_counts_can_be_said():
    def second_only(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(predictions)) == 1, np.ones(len(predictions), dtype=bool)

    over = pooled([cell(ONE)], right=second_only)
    assert over is not None and (over.accuracy, over.n) == (1.0, 1)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Predictions, Predictions]:
    n, k = draw(st.integers(1, 8)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = tuple("abcd"[:k])
    label = [classes[i] for i in rng.integers(0, k, n)]
    group = rng.integers(0, 3, n)
    first, second = (table(rng.dirichlet(np.ones(k), n), label, group, classes) for _ in range(2))
    return first, second


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_laws_of_fusion(pair: tuple[Predictions, Predictions]):
    one, other = (cell(part) for part in pair)
    with_itself = fusion_gain(one, one)
    assert with_itself is not None and with_itself.points == 0.0
    there, back = fusion_gain(one, other), fusion_gain(other, one)
    assert there is not None and back is not None
    assert (there.points, there.fused, there.first) == (back.points, back.fused, back.second)
    assert there.points == pytest.approx(there.fused - max(there.first, there.second))
    k = len(pair[0].classes)
    even = cell(replace(pair[0], proba=np.full((len(pair[0]), k), 1.0 / k)))
    with_guessing = fusion_gain(one, even)
    assert with_guessing is not None and with_guessing.fused == with_guessing.first
