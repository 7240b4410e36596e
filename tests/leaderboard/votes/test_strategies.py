from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.votes import LEFT, RIGHT, Recognition, list_strategies, pair_probabilities, parse_strategy
from morelli.leaderboard.votes._solve import solve
from morelli.leaderboard.votes.simulation import honest_law, spread_strengths
from morelli.leaderboard.votes.strategies import ABSTAIN, HONEST, Situation, register_strategy, vote_law

M = 6
THETA = spread_strengths(M, 90)
NAMES = tuple("abcdef")


def situation(recognition=None, target=3, up=True, goal=2, battles=1000.0):
    rates = (recognition or Recognition.perfect(NAMES)).rates
    return Situation(THETA, battles * (1 - np.eye(M)), pair_probabilities(M), rates, target, up, goal)


def noisy(accuracy):
    table = np.full((M, M + 1), (1 - accuracy) / M)
    table[np.arange(M), np.arange(M)] = accuracy
    return Recognition(NAMES, table, measured=False)


def test_rivals_are_those_that_are_still_to_be_passed():
    assert situation(goal=2).rivals.tolist() == [1, 2]
    assert situation(goal=1).rivals.tolist() == [0, 1, 2]
    assert situation(target=2, up=False, goal=5).rivals.tolist() == [3, 4]
    assert situation(target=0, goal=1).rivals.tolist() == [1]  # nobody is left: the next


@pytest.mark.parametrize(("up", "win"), [(True, LEFT), (False, RIGHT)])
def test_target_only(up, win):
    policy = parse_strategy("target-only:honest").policy(situation(up=up, goal=2 if up else 5))
    assert (policy[3, [0, 1, 2, 4, 5, 6], win] == 1).all()
    assert (policy[[0, 1, 2, 4, 5, 6], 3, 1 - win] == 1).all()
    rest = np.delete(np.delete(policy, 3, 0), 3, 1)
    assert (rest[..., HONEST] == 1).all()
    assert policy[3, 3, HONEST] == 1
    assert np.allclose(policy.sum(axis=2), 1)


def test_target_and_rivals():
    policy = parse_strategy("target-and-rivals").policy(situation(goal=2))
    assert policy[3, 1, LEFT] == 1
    assert policy[1, 3, RIGHT] == 1
    assert policy[1, 0, RIGHT] == 1
    assert policy[4, 2, LEFT] == 1
    assert policy[1, 2, ABSTAIN] == 1
    assert policy[0, 5, ABSTAIN] == 1


def test_omnipresent_votes_for_the_outcome_that_helps_most_by_refitting():
    """With perfect recognition, the vote in each battle is the one after which the lead is greatest."""
    here = situation(goal=2)
    base = honest_law(THETA)[:, :, 0] * here.battles
    policy = parse_strategy("omnipresent").policy(here)
    for i in range(M):
        for j in range(M):
            if i == j:
                continue
            leads = []
            for winner, loser in ((i, j), (j, i)):
                score = base.copy()
                score[winner, loser] += 1
                theta = solve(score, start=THETA)
                leads.append(theta[3] - theta[here.rivals].mean())
            assert policy[i, j].argmax() == int(np.argmax(leads)), (i, j)


def test_omnipresent_downwards_is_its_opposite():
    up = parse_strategy("omnipresent").policy(situation(target=2, goal=1))
    assert up[2, 0, LEFT] == 1
    down = parse_strategy("omnipresent").policy(situation(target=2, up=False, goal=4))
    assert down[2, 0, RIGHT] == 1
    assert down[3, 5, LEFT] == 1


def test_who_guesses_has_no_use_for_any_battle():
    policy = parse_strategy("omnipresent").policy(situation(Recognition.chance(NAMES)))
    named = policy[:M, :M]
    assert (named[..., ABSTAIN] == 1).all()


def test_noise_lowers_the_gain():
    gains = []
    for accuracy in (1.0, 0.7, 0.4):
        known = noisy(accuracy)
        here = situation(known)
        law = vote_law(parse_strategy("omnipresent").policy(here), known.rates, honest_law(THETA))
        score = here.pairs[..., None] * law
        wins = score[:, :, LEFT] + score[:, :, RIGHT].T
        moved = solve(honest_law(THETA)[:, :, 0] * here.battles + 500 * wins)
        gains.append(moved[3] - moved[here.rivals].mean())
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > THETA[3] - THETA[[1, 2]].mean()


def test_law_of_votes_agrees_with_drawing_answers_one_by_one():
    known, here = noisy(0.6), situation(noisy(0.6))
    policy = parse_strategy("target-only:random").policy(here)
    honest = honest_law(THETA, 0.1)
    law = vote_law(policy, known.rates, honest)
    assert np.allclose(law.sum(axis=2), 1)
    rng, n, i, j = np.random.default_rng(0), 100_000, 3, 1
    first = rng.choice(M + 1, n, p=known.rates[i])
    second = rng.choice(M + 1, n, p=known.rates[j])
    assert np.allclose(policy[first, second].mean(axis=0)[:4], law[i, j], atol=0.006)
    voting = vote_law(parse_strategy("target-only:honest").policy(here), known.rates, honest)
    assert np.allclose(voting.sum(axis=2), 1)
    assert not voting[..., ABSTAIN].any()


def test_names():
    assert [name for name, _ in list_strategies()] == ["target-only", "target-and-rivals", "omnipresent"]
    assert parse_strategy(" omnipresent ").name == "omnipresent:abstain"
    with pytest.raises(MorelliError, match='no strategy "bribe"; there are: target-only'):
        parse_strategy("bribe")
    with pytest.raises(MorelliError, match="one of: abstain, honest, random"):
        parse_strategy("omnipresent:sleep")
    with pytest.raises(MorelliError, match="already is"):
        register_strategy("omnipresent", "again")(lambda here: here.theta)
