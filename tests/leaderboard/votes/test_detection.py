from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.votes import (
    Recognition,
    Votes,
    detection_study,
    judge_voters,
    simulate_board,
    simulate_votes,
    spread_strengths,
)

NAMES = tuple("abcdefgh")


@pytest.fixture(scope="module")
def board():
    return simulate_board(NAMES, 20_000, "d", rank=4, spread=90, seed=1)


@pytest.fixture(scope="module")
def study(board):
    return detection_study(
        board,
        Recognition.perfect(NAMES),
        "d",
        strategies=("target-only", "omnipresent"),
        defences=("none", "probation:10", "remove:favour"),
        tastes=(0.0, 80.0),
        votes_per_account=(10, 60),
        accounts=20,
        voters=200,
        repeats=3,
    )


def rows(study, **wanted):
    return [one for one in study.detected if all(getattr(one, k) == v for k, v in wanted.items())]


def test_every_combination_has_a_row(study):
    assert len(study.detected) == 5 * 2 * 2 * 2
    for one in study.detected:
        assert one.n_accounts == 60
        assert 500 < one.n_honest <= 600
        assert 0 <= one.power_low <= one.power <= one.power_high <= 1
        assert 0 <= one.false_low <= one.false_alarms <= one.false_high <= 1
        assert 0 <= one.auc <= 1


def test_more_votes_an_account_show_more(study):
    for detector, strategy in (("favour", "target-only:abstain"), ("taste", "omnipresent:abstain")):
        few, many = rows(study, detector=detector, strategy=strategy, taste=0.0)
        assert few.power < many.power
        assert many.power > 0.9
        assert many.auc > 0.99


def test_abstaining_shows_in_presence_and_omnipresent_votes_do_not(study):
    (target,) = rows(study, detector="presence", strategy="target-only:abstain", taste=0.0, votes_per_account=60)
    (everywhere,) = rows(study, detector="presence", strategy="omnipresent:abstain", taste=0.0, votes_per_account=60)
    assert target.power == 1.0
    assert everywhere.power < 0.1


def test_tastes_raise_false_alarms_of_the_test_for_taste(study):
    plain, varied = (
        np.mean([one.false_alarms for one in rows(study, detector="taste", taste=taste)]) for taste in (0.0, 80.0)
    )
    assert varied > plain
    assert all(one.false_alarms < 0.02 for one in rows(study, taste=0.0))


def test_curves_rise(study):
    for key in {(p.detector, p.strategy, p.taste, p.votes_per_account) for p in study.roc}:
        curve = [p for p in study.roc if (p.detector, p.strategy, p.taste, p.votes_per_account) == key]
        assert (np.diff([p.power for p in curve]) >= 0).all()
        assert (np.diff([p.false_alarms for p in curve]) >= 0).all()


def test_limits_and_what_defences_keep_of_honest_votes(study):
    assert {(one.cap, one.votes_per_account) for one in study.paced} == {
        (c, n) for c in (20, 60, 100) for n in (10, 60)
    }
    assert all(one.accounts == 0 for one in study.paced if one.cap >= one.votes_per_account)
    kept = {(one.defence, one.taste): one.kept for one in study.kept}
    assert kept["none", 0.0] == 1.0
    assert kept["probation:10", 0.0] < 0.9
    assert kept["remove:favour", 0.0] > 0.98 > kept["remove:favour", 80.0]


def test_same_seed_same_study(board):
    def run(seed):
        return detection_study(
            board,
            Recognition.chance(NAMES),
            "d",
            tastes=(0.0,),
            votes_per_account=(20,),
            voters=50,
            repeats=2,
            seed=seed,
        ).detected

    assert repr(run(0)) == repr(run(0))
    assert repr(run(0)) != repr(run(1))


def test_who_casts_no_votes_is_not_found(board):
    found = detection_study(
        board,
        Recognition.chance(NAMES),
        "d",
        strategies=("omnipresent",),
        tastes=(0.0,),
        votes_per_account=(20,),
        voters=60,
        repeats=2,
    )
    assert all(one.n_accounts == 0 and np.isnan(one.power) for one in found.detected)
    assert found.roc == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "z"}, "called z"),
        ({"accounts": 0}, "needs voters"),
        ({"level": 0.0}, "0 < level"),
        ({"votes_per_account": (0,)}, "needs voters"),
        ({"strategies": ("x",)}, "no strategy"),
        ({"defences": ("x",), "tastes": ()}, "no defence"),
    ],
)
def test_what_makes_no_sense(board, change, words):
    whole = {"recognition": Recognition.perfect(NAMES), "target": "d", **change}
    with pytest.raises(MorelliError, match=words):
        detection_study(board, **whole)


def test_voters_of_a_table():
    votes = simulate_votes(spread_strengths(6, 90), 12_000, voters=150, seed=3)
    outcome, voter = votes.outcome.copy(), votes.voter.copy()
    mine = np.bincount(voter).argmax()
    outcome[(voter == mine) & (votes.left == 5)] = 0
    outcome[(voter == mine) & (votes.right == 5)] = 1
    rigged = Votes(votes.models, votes.left, votes.right, outcome, voter, votes.voters)
    p, adjusted = judge_voters(rigged, "favour")
    assert p.argmin() == mine
    assert adjusted[mine] < 1e-4
    assert (adjusted <= 0.05).sum() == 1
    assert (adjusted >= p).all()
    with pytest.raises(MorelliError, match='column "voter"'):
        judge_voters(Votes(votes.models, votes.left, votes.right, outcome))
