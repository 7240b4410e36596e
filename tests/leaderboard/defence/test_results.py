"""A defence is never reported against an attacker who does not know it alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import NearestCentroid
from morelli.leaderboard.board import Board
from morelli.leaderboard.defence import DefenceResult, Encounter, Score, judge_defence

PROMPTS = tuple(f"p{i}" for i in range(8))
MODELS = ("a", "b")


def encounter(right: np.ndarray) -> Encounter:
    """Two models at -1 and +1 for each prompt; an image that is named wrongly lies beside the other model."""
    model, prompt = np.tile([0, 1], 8), np.repeat(np.arange(8), 2)
    side = 2.0 * model[:, None] - 1.0
    references = Board(side, model, prompt, MODELS, PROMPTS)
    return Encounter(references, np.where(right[:, None], side, -side), model, prompt)


RIGHT, WRONG = np.ones(16, dtype=bool), np.zeros(16, dtype=bool)
HALF = np.tile([True, False], 8)


def judged(**more):
    known = more.pop("adaptive", {"retrains": [encounter(HALF)], "purifies": [encounter(WRONG)]})
    return judge_defence("x", [encounter(RIGHT)], [encounter(WRONG)], known, NearestCentroid(), **more)


def test_accuracies_are_counted():
    result = judged()
    assert (result.before.accuracy, result.unaware.accuracy) == (1.0, 0.0)
    assert [score.accuracy for score in result.adaptive] == [0.5, 0.0]
    assert result.best.attacker == result.optimistic.attacker == "retrains" and result.best.accuracy == 0.5
    assert (result.best.n, result.best.n_prompts, result.chance) == (16, 8, 0.5)
    assert result.best.low <= 0.5 <= result.best.high
    assert result.drop is not None and result.drop[0] == pytest.approx(0.5)
    assert [score.knows for score in (result.unaware, *result.adaptive)] == [False, True, True]


def test_no_result_without_an_attacker_who_knows():
    with pytest.raises(MorelliError, match="an attacker who knows it"):
        judged(adaptive={})
    result = judged()
    with pytest.raises(MorelliError, match="does not know it alone"):
        replace(result, adaptive=())
    ignorant = replace(result.adaptive[0], knows=False)
    with pytest.raises(MorelliError, match="does not know it alone"):
        replace(result, adaptive=(ignorant,))
    score = Score("s", False, 0.5, 0.4, 0.6, 10, 5)
    with pytest.raises(TypeError):
        DefenceResult("x", "", "images", 0.5, before=score, unaware=score)  # type: ignore[call-arg]


def test_who_knows_may_ignore_the_defence():
    """An adaptive attack that fails does not make a defence look good."""
    result = judge_defence(
        "x", [encounter(RIGHT)], [encounter(RIGHT)], {"retrains": [encounter(WRONG)]}, NearestCentroid()
    )
    assert result.best.accuracy == 1.0 and result.best.attacker == "does not know the defence"


def test_a_poor_choice_does_not_flatter_the_defence():
    """Attackers who are right on one half of the prompts only are chosen for the other half, and fail."""
    rng = np.random.default_rng(1)
    for seed in range(10):
        halves = [encounter(np.repeat(rng.permutation([True, False] * 4), 2)) for _ in range(6)]
        known = {f"half {i}": [half] for i, half in enumerate(halves)}
        result = judge_defence(
            "x", [encounter(RIGHT)], [encounter(HALF)], known, NearestCentroid(), seed=seed, n_boot=50
        )
        assert result.best.accuracy >= result.unaware.accuracy


def test_the_best_attacker_is_chosen_on_other_prompts_than_judge_it():
    """Of many guessers the luckiest looks skilled where it was chosen, and is a guesser elsewhere."""
    rng = np.random.default_rng(0)
    guessers = {f"guess {i}": [encounter(rng.random(16) < 0.5)] for i in range(60)}
    results = [judged(adaptive=guessers, seed=seed, n_boot=50) for seed in range(20)]
    assert all(result.optimistic.accuracy >= 0.75 for result in results)
    assert np.mean([result.best.accuracy for result in results]) < 0.65
    assert all(result.best.accuracy <= result.optimistic.accuracy for result in results)


def test_one_prompt_has_no_halves():
    def alone(right):
        whole = encounter(RIGHT)
        one = encounter(right)
        return Encounter(whole.references, one.X[:2], one.model[:2], one.prompt[:2])

    result = judge_defence("x", [alone(RIGHT)], [alone(WRONG)], {"retrains": [alone(HALF)]}, NearestCentroid())
    assert result.best.accuracy == result.optimistic.accuracy == 0.5 and np.isnan(result.best.low)
    assert any("single prompt" in note for note in result.notes)


def test_draws_are_put_together_and_prompts_stay_the_clusters():
    one = judge_defence("x", [encounter(RIGHT)] * 3, [encounter(HALF)] * 3, {"r": [encounter(HALF)] * 3},
                        NearestCentroid())  # fmt: skip
    single = judged(adaptive={"r": [encounter(HALF)]})
    assert one.best.n == 48 and one.best.n_prompts == 8
    assert (one.best.low, one.best.high) == (single.best.low, single.best.high)


def test_other_images_are_refused_or_unpaired():
    other = encounter(RIGHT)
    fewer = Encounter(other.references, other.X[:4], other.model[:4], other.prompt[:4])
    with pytest.raises(MorelliError, match="images that the unaware one judges"):
        judged(adaptive={"retrains": [fewer]})
    result = judge_defence("x", [encounter(RIGHT)], [fewer], {"r": [fewer]}, NearestCentroid())
    assert result.drop is None and result.before.n == 16 and result.best.n == 4
    none = Encounter(other.references, other.X[:0], other.model[:0], other.prompt[:0])
    with pytest.raises(NotEnoughDataError, match="no image"):
        judge_defence("x", [encounter(RIGHT)], [none], {"r": [none]}, NearestCentroid())
