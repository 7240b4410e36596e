from __future__ import annotations

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes import LEFT, RIGHT, TIE, Tally, Votes, fit_ratings, simulate_votes, spread_strengths
from morelli.leaderboard.votes._solve import information, is_separated, solve
from morelli.leaderboard.votes.ratings import ELO, rank_intervals, tie_share
from morelli.leaderboard.votes.simulation import honest_law


def comparisons(score):
    """Winner and loser of each comparison, as choix wants them."""
    return [(i, j) for i, row in enumerate(score) for j, n in enumerate(row) for _ in range(round(n))]


def tally_of(wins, ties=None):
    wins = np.asarray(wins, dtype=float)
    return Tally(tuple("abcdefghij"[: len(wins)]), wins, np.zeros_like(wins) if ties is None else ties)


@st.composite
def scores(draw):
    """Wins of 2 to 6 models in which everybody beats everybody at least once."""
    m = draw(st.integers(2, 6))
    values = draw(st.lists(st.integers(1, 30), min_size=m * m, max_size=m * m))
    return np.array(values, dtype=float).reshape(m, m) * (1 - np.eye(m))


class TestSolving:
    @settings(max_examples=30, deadline=None)
    @given(scores())
    def test_agrees_with_choix(self, score):
        data = comparisons(score)
        theirs = choix.opt_pairwise(len(score), data, method="BFGS", tol=1e-9)
        assert np.allclose(solve(score), theirs - theirs.mean(), atol=1e-4)

    def test_agrees_with_choix_when_few_pairs_met(self):
        rng = np.random.default_rng(0)
        theta = np.linspace(-1, 1, 9)
        data = choix.generate_pairwise(theta, 400)
        ring = [(i, (i + 1) % 9) for i in range(9)] + [((i + 1) % 9, i) for i in range(9)]
        data = [(a, b) for a, b in data if abs(a - b) < 3] + ring
        score = np.zeros((9, 9))
        for a, b in data:
            score[a, b] += 1
        theirs = choix.ilsr_pairwise(9, data, tol=1e-10)
        assert np.allclose(solve(score), theirs - theirs.mean(), atol=1e-6)
        assert np.allclose(solve(score, start=rng.normal(size=9)), theirs - theirs.mean(), atol=1e-6)

    @pytest.mark.parametrize("ridge", [0.1, 2.0])
    def test_ridge_agrees_with_choix(self, ridge):
        score = np.array([[0, 5, 3], [0, 0, 4], [0, 1, 0]], dtype=float)  # the first never loses
        theirs = choix.opt_pairwise(3, comparisons(score), alpha=ridge / 2.0, method="BFGS", tol=1e-10)
        ours = solve(score, ridge)
        assert np.allclose(ours, theirs, atol=1e-4)

    def test_two_models_have_a_closed_form(self):
        assert np.diff(solve(np.array([[0.0, 30.0], [10.0, 0.0]]))[::-1])[0] == pytest.approx(np.log(3))

    @settings(max_examples=30, deadline=None)
    @given(scores())
    def test_turning_all_outcomes_turns_the_ratings(self, score):
        assert np.allclose(solve(score.T), -solve(score), atol=1e-8)

    @settings(max_examples=30, deadline=None)
    @given(scores(), st.randoms(use_true_random=False))
    def test_names_do_not_matter(self, score, random):
        order = list(range(len(score)))
        random.shuffle(order)
        assert np.allclose(solve(score[np.ix_(order, order)]), solve(score)[order], atol=1e-8)

    def test_many_at_once_are_as_one_by_one(self):
        rng = np.random.default_rng(1)
        many = rng.integers(1, 20, size=(7, 5, 5)) * (1 - np.eye(5))
        assert np.allclose(solve(many), [solve(one) for one in many], atol=1e-8)

    def test_gradient_vanishes_with_a_million_votes_and_wide_gaps(self):
        theta = np.linspace(-6, 6, 12)
        p = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
        assert np.allclose(solve(1e5 * p * (1 - np.eye(12))), theta, atol=1e-7)

    def test_without_a_maximum_it_says_so(self):
        with pytest.raises(MorelliError, match="ridge"):
            solve(np.array([[0.0, 5.0], [0.0, 0.0]]))

    def test_information_is_the_curvature(self):
        score = np.array([[0, 3, 1], [2, 0, 4], [2, 2, 0]], dtype=float)
        theta = np.array([0.3, -0.1, -0.2])

        def loss(t):
            return np.sum(score * np.logaddexp(0, -(t[:, None] - t[None, :])))

        step, eye = 1e-4, np.eye(3)
        curvature = [
            [
                (
                    loss(theta + step * (a + b))
                    - loss(theta + step * (a - b))
                    - loss(theta - step * (a - b))
                    + loss(theta - step * (a + b))
                )
                / (4 * step**2)
                for b in eye
            ]
            for a in eye
        ]
        assert np.allclose(information(score + score.T, theta), curvature, atol=1e-5)


class TestWhatCannotBeRanked:
    def test_no_votes_and_one_model(self):
        with pytest.raises(NotEnoughDataError, match="no votes"):
            fit_ratings(tally_of(np.zeros((3, 3))))
        with pytest.raises(NotEnoughDataError, match="two models or more, not 1"):
            fit_ratings(tally_of(np.zeros((1, 1))))
        with pytest.raises(NotEnoughDataError, match="not 0"):
            fit_ratings(tally_of(np.zeros((0, 0))))

    @pytest.mark.parametrize("ridge", [0.0, 0.5])
    def test_groups_that_never_met_are_named(self, ridge):
        wins = np.zeros((5, 5))
        wins[0, 1] = wins[1, 0] = wins[2, 3] = wins[3, 2] = 1
        with pytest.raises(NotEnoughDataError, match=r"3 groups.*\[a, b\].*\[c, d\].*\[e\]|\[c, d\]; \[a, b\]; \[e\]"):
            fit_ratings(tally_of(wins), ridge=ridge)

    def test_a_model_that_never_loses_is_named(self):
        wins = np.array([[0, 4, 4], [0, 0, 3], [0, 2, 0]])
        with pytest.raises(NotEnoughDataError, match=r"^a never lost a point to the other models, and b, c never won"):
            fit_ratings(tally_of(wins))
        assert is_separated(wins)
        found = fit_ratings(tally_of(wins), ridge=0.1)
        assert found.rank.tolist() == [1, 2, 3]
        assert "ridge of 0.1" in found.notes[0]

    def test_a_tie_is_enough(self):
        wins = np.array([[0, 4, 4], [0, 0, 3], [0, 2, 0]])
        ties = np.zeros((3, 3))
        ties[0, 2] = ties[2, 0] = 1
        assert fit_ratings(tally_of(wins, ties)).rank[0] == 1

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"ridge": -1.0}, "at least 0"),
            ({"ridge": float("nan")}, "at least 0"),
            ({"interval": "magic"}, "sandwich"),
            ({"level": 1.0}, "level"),
            ({"n_boot": 1}, "n_boot"),
            ({"anchor": ("z", 1000.0)}, "No model is called z"),
            ({"anchor": ("model-1", float("nan"))}, "finite number"),
            ({"by_voter": True}, "two voters"),
        ],
    )
    def test_arguments_that_make_no_sense(self, arguments, words):
        with pytest.raises(MorelliError, match=words):
            fit_ratings(tally_of([[0, 1], [1, 0]]), **arguments)


@pytest.fixture(scope="module")
def votes():
    return simulate_votes(spread_strengths(6, 80), 6000, voters=200, taste=80, seed=4)


class TestRatings:
    def test_scale_and_anchor(self, votes):
        plain = fit_ratings(votes)
        assert plain.rating.mean() == pytest.approx(1000)
        assert np.allclose(plain.rating - 1000, ELO * plain.theta)
        fixed = fit_ratings(votes, anchor=("model-3", 1234.0))
        assert fixed.rating[2] == pytest.approx(1234)
        assert fixed.low[2] == pytest.approx(1234) == fixed.high[2]
        assert np.allclose(np.diff(fixed.rating), np.diff(plain.rating))
        assert fixed.rank.tolist() == plain.rank.tolist()

    def test_order_of_votes_does_not_matter(self, votes):
        turned = votes.take(np.random.default_rng(0).permutation(len(votes)))
        first, second = fit_ratings(votes), fit_ratings(turned)
        assert np.allclose(first.rating, second.rating, atol=1e-7)
        assert np.allclose(first.low, second.low, atol=1e-6)

    def test_sides_do_not_matter(self, votes):
        swap = np.array([RIGHT, LEFT, TIE])
        turned = Votes(votes.models, votes.right, votes.left, swap[votes.outcome], votes.voter, votes.voters)
        assert np.allclose(fit_ratings(votes).rating, fit_ratings(turned).rating, atol=1e-7)

    def test_taste_widens_intervals_by_voter(self, votes):
        wide, narrow = fit_ratings(votes), fit_ratings(votes, by_voter=False)
        assert wide.n_voters and narrow.n_voters is None
        assert (wide.high - wide.low).mean() > 1.2 * (narrow.high - narrow.low).mean()

    @pytest.mark.parametrize("by_voter", [True, False])
    def test_bootstrap_and_sandwich_agree(self, votes, by_voter):
        first = fit_ratings(votes, by_voter=by_voter)
        second = fit_ratings(votes, by_voter=by_voter, interval="bootstrap", n_boot=1000)
        assert np.allclose(first.high - first.low, second.high - second.low, rtol=0.15)
        assert np.allclose(first.rank_low, second.rank_low, atol=1)

    def test_votes_of_one_voter_each_are_votes(self, votes):
        alone = Votes(
            votes.models,
            votes.left,
            votes.right,
            votes.outcome,
            np.arange(len(votes)),
            tuple(map(str, range(len(votes)))),
        )
        grouped, single = fit_ratings(alone), fit_ratings(votes.tally())
        ratio = len(votes) / (len(votes) - 1)
        assert np.allclose(grouped.covariance, ratio * single.covariance, rtol=1e-6, atol=1e-12)

    def test_two_models_have_the_variance_of_log_odds(self):
        found = fit_ratings(tally_of([[0, 30], [10, 0]]))
        spread = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
        assert spread == pytest.approx(1 / 30 + 1 / 10)

    def test_all_ties(self):
        ties = 5.0 * (1 - np.eye(3))
        found = fit_ratings(tally_of(np.zeros((3, 3)), ties))
        assert found.rating.tolist() == pytest.approx([1000] * 3)
        assert found.rank.tolist() == [1, 1, 1]
        assert found.rank_low.tolist() == [1, 1, 1]
        assert found.rank_high.tolist() == [3, 3, 3]
        assert any("ties" in note for note in found.notes)

    def test_few_voters_are_noted_and_resamples_that_separate_too(self):
        votes = Votes.of(["a"] * 9 + ["b"], ["b"] * 9 + ["a"], [LEFT] * 10, voter=list("uuuuvvvwww"), time=range(10))
        found = fit_ratings(votes, interval="bootstrap", n_boot=200)
        assert any("3 voters" in note for note in found.notes)
        assert any("never loses" in note for note in found.notes)
        assert found.high[0] > found.rating[0]

    def test_coverage_of_intervals(self):
        theta = spread_strengths(5, 100)
        hits, ranks = [], []
        for seed in range(120):
            found = fit_ratings(simulate_votes(theta, 1500, tie=0.2, seed=seed).tally(), seed=seed)
            truth = 1000 + ELO * theta
            hits.append((found.low <= truth) & (truth <= found.high))
            place = np.arange(1, 6)
            ranks.append(((found.rank_low <= place) & (place <= found.rank_high)).all())
        assert 0.92 <= np.mean(hits) <= 0.98
        assert np.mean(ranks) >= 0.93  # for all models at once

    def test_ties_do_not_bias(self):
        theta = spread_strengths(6, 120)
        law = honest_law(theta, 0.3)
        wins = law[:, :, 0] + law[:, :, 1].T
        ties = law[:, :, 2] + law[:, :, 2].T
        off = 1 - np.eye(6)
        tally = tally_of(1000 * wins * off, 1000 * ties * off)
        found = fit_ratings(tally)
        assert np.allclose(found.theta, theta, atol=1e-6)
        assert tie_share(tally, found.theta) == pytest.approx(0.3, abs=1e-6)

    def test_rank_intervals_of_clear_and_unclear_cases(self):
        theta = np.array([2.0, 0.01, 0.0, -2.0])
        covariance = 0.01 * (np.eye(4) - 0.25)
        draws = np.random.default_rng(0).multivariate_normal(np.zeros(4), covariance, size=500)
        low, high = rank_intervals(theta, covariance, draws)
        assert low.tolist() == [1, 2, 2, 4]
        assert high.tolist() == [1, 3, 3, 4]
