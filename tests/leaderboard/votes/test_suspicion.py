from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chi2, kstest

from morelli.errors import MorelliError
from morelli.leaderboard.votes import list_detectors, pair_probabilities, simulate_votes, spread_strengths
from morelli.leaderboard.votes.defences import list_defences, parse_defence, register_defence
from morelli.leaderboard.votes.simulation import honest_law
from morelli.leaderboard.votes.suspicion import (
    Evidence,
    binomial_interval,
    binomial_tail,
    busiest_hour,
    get_detector,
    register_detector,
)

M = 8
THETA = spread_strengths(M, 90)


def evidence(left, right, outcome, voter, n_voters=None, theta=THETA, tie=0.1, pairs=None):
    who = np.asarray(voter)
    return Evidence(
        np.asarray(left),
        np.asarray(right),
        np.asarray(outcome, dtype=np.int8),
        who,
        int(who.max()) + 1 if n_voters is None else n_voters,
        np.asarray(theta, dtype=float),
        tie,
        pair_probabilities(len(theta)) if pairs is None else pairs,
    )


def honest(voters=1500, n=60, seed=0, **more):
    """Voters with the same number of votes each."""
    votes = simulate_votes(THETA, voters * n, tie=0.1, seed=seed, **more)
    return evidence(votes.left, votes.right, votes.outcome, np.arange(len(votes)) % voters)


@pytest.fixture(scope="module")
def crowd():
    return honest()


def test_binomial_tail_and_interval_agree_with_scipy():
    for n in (1, 7, 40):
        for p in (0.0, 0.05, 0.5, 1.0):
            k = np.arange(n + 1)
            tail = binomial_tail(k, np.full(n + 1, n), np.full(n + 1, p))
            assert np.allclose(tail, binom.sf(k - 1, n, p))
    from scipy.stats import binomtest

    for k, n in ((0, 10), (3, 10), (10, 10), (250, 4000)):
        assert np.allclose(binomial_interval(k, n), tuple(binomtest(k, n).proportion_ci()))
    assert np.isnan(binomial_interval(0, 0)).all()


@pytest.mark.parametrize("name", [one.name for one in list_detectors()])
def test_honest_voters_are_accused_no_more_often_than_promised(crowd, name):
    p = get_detector(name).p_values(crowd)
    assert p.shape == (1500,)
    assert ((p >= 0) & (p <= 1)).all()
    for level in (0.01, 0.05):
        slack = 4 * np.sqrt(level * (1 - level) / 1500)
        assert (p <= level).mean() <= level + slack


@pytest.mark.parametrize("name", ["taste", "agreement"])
def test_p_values_of_voters_with_many_votes_are_uniform(name):
    p = get_detector(name).p_values(honest(voters=600, n=600, seed=1))
    assert kstest(p, "uniform").pvalue > 0.001


def test_favour_of_two_models_is_the_binomial_test():
    theta = np.array([0.4, -0.4])
    chance = 1 / (1 + np.exp(-0.8))
    outcome = np.array([0] * 12 + [1] * 3)
    found = get_detector("favour").p_values(evidence([0] * 15, [1] * 15, outcome, [0] * 15, theta=theta, tie=0.0))
    tails = binom.sf(11, 15, chance), binom.cdf(12, 15, chance)
    assert found[0] == pytest.approx(min(1, 2 * 2 * min(tails)))  # two sides, two models


def test_taste_of_two_models_is_the_score_test():
    theta = np.array([0.4, -0.4])
    p = 1 / (1 + np.exp(-0.8))
    found = get_detector("taste").p_values(evidence([0] * 20, [1] * 20, [0] * 20, [0] * 20, theta=theta, tie=0.0))
    statistic = (20 - 20 * p) ** 2 / (20 * p * (1 - p))
    assert found[0] == pytest.approx(chi2.sf(statistic, 1))


def test_taste_does_not_hang_on_how_voters_are_put_together(crowd, monkeypatch):
    from morelli.leaderboard.votes import suspicion

    whole = get_detector("taste").p_values(crowd)
    monkeypatch.setattr(suspicion, "_CHUNK", 64 * 100)
    assert np.allclose(get_detector("taste").p_values(crowd), whole)


def planted(kind, seed=0):
    """Honest voters, and 20 of one kind of manipulator after them."""
    rng = np.random.default_rng(seed)
    votes = simulate_votes(THETA, 200 * 60, tie=0.1, seed=seed)
    left, right, outcome = votes.left.copy(), votes.right.copy(), votes.outcome.copy()
    who = np.arange(len(votes)) % 200
    bad = who >= 180
    if kind == "pushes":  # always for model 3
        outcome[bad & (left == 3)] = 0
        outcome[bad & (right == 3)] = 1
    elif kind == "visits":  # honest, but only battles of model 3
        at = np.flatnonzero(bad & (left != 3) & (right != 3))
        left[at] = 3
        right[at] = rng.choice([0, 1, 2, 4, 5, 6, 7], len(at))
        law = honest_law(THETA, 0.1)[left[at], right[at]]
        outcome[at] = (rng.random(len(at))[:, None] > np.cumsum(law, axis=1)[:, :2]).sum(axis=1)
    elif kind == "contrary":  # the weaker wins
        outcome[bad] = np.where(THETA[left[bad]] > THETA[right[bad]], 1, 0)
    return evidence(left, right, outcome, who)


@pytest.mark.parametrize(
    ("kind", "name", "blind"),
    [("pushes", "favour", "presence"), ("visits", "presence", "favour"), ("contrary", "agreement", "presence")],
)
def test_each_test_sees_what_it_is_for(kind, name, blind):
    p = get_detector(name).p_values(planted(kind))
    assert (p[180:] < 0.01).mean() > 0.7
    assert (p[:180] < 0.01).mean() < 0.04
    assert (get_detector(blind).p_values(planted(kind))[180:] < 0.01).mean() < 0.2
    assert (get_detector("combined").p_values(planted(kind))[180:] < 0.04).mean() > 0.7


def test_taste_sees_pushing_and_contrary_votes():
    for kind in ("pushes", "contrary"):
        assert (get_detector("taste").p_values(planted(kind))[180:] < 0.01).mean() > 0.6


@pytest.mark.parametrize("name", [one.name for one in list_detectors()])
def test_nothing_is_known_of_voters_without_votes(name):
    p = get_detector(name).p_values(evidence([0], [1], [0], [1], n_voters=3))
    assert p[[0, 2]].tolist() == [1, 1]
    nobody = evidence(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), n_voters=2)
    assert get_detector(name).p_values(nobody).tolist() == [1, 1]


def test_a_tie_where_there_are_none_is_unlikely_but_not_undefined():
    p = get_detector("agreement").p_values(evidence([0, 0], [1, 1], [2, 2], [0, 0], tie=0.0))
    assert 0 <= p[0] < 0.05


def test_busiest_hour():
    hour = 3600.0
    voter = np.array([0, 0, 0, 0, 2, 2, 2])
    time = np.array([0.0, 1800, hour - 1, hour + 1, 5 * hour, 1e7, 1e7 + 1])
    assert busiest_hour(voter, 3, time).tolist() == [3, 0, 2]
    order = np.random.default_rng(0).permutation(7)
    assert busiest_hour(voter[order], 3, time[order]).tolist() == [3, 0, 2]
    assert busiest_hour(voter[:0], 2, time[:0]).tolist() == [0, 0]


def test_weights_of_defences(crowd):
    first = parse_defence("probation:10").weigh(crowd)
    assert first.sum() == 1500 * 50
    late = np.bincount(crowd.voter, np.arange(len(first)) * (1 - first), 1500)
    early = np.bincount(crowd.voter, np.arange(len(first)) * first, 1500)
    assert (late < early).all()
    kept = parse_defence("remove:taste").weigh(crowd)
    assert set(kept.tolist()) == {0.0, 1.0}
    assert kept.mean() > 0.97
    part = parse_defence("weigh-agreement").weigh(crowd)
    assert part.mean() == pytest.approx(0.75, abs=0.02)  # uniform p-values, doubled and cut at 1
    bad = parse_defence("weigh-agreement").weigh(planted("contrary"))
    assert bad[planted("contrary").voter >= 180].mean() < 0.1


def test_sampling_defence_keeps_a_law():
    pairs = parse_defence("fewer-battles:0.5").pairs(pair_probabilities(4), 1)
    assert pairs.sum() == pytest.approx(1)
    assert pairs[1, 0] == pytest.approx(pairs[2, 0] / 2)
    assert np.array_equal(pairs, pairs.T)


def test_registries():
    assert {name.partition(":")[0] for name, _ in list_defences()} >= {"none", "probation", "remove", "rate-limit"}
    assert "0.25 times" in parse_defence("fewer-battles").summary
    with pytest.raises(MorelliError, match="there are: favour"):
        get_detector("luck")
    with pytest.raises(MorelliError, match="already is"):
        register_detector("favour", "")(lambda e: e.theta)
    with pytest.raises(MorelliError, match="already is"):
        register_defence("none", "")(lambda a, b, c: parse_defence("none"))
