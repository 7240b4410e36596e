"""Honest voters and manipulators on top of a board, for studies of detection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.leaderboard.votes._solve import ranks_of, solve
from morelli.leaderboard.votes.ballots import Tally, Votes
from morelli.leaderboard.votes.ratings import tie_share
from morelli.leaderboard.votes.recognition import Recognition
from morelli.leaderboard.votes.rigging import Direction
from morelli.leaderboard.votes.simulation import draw_cells, honest_law, pair_probabilities, simulate_votes
from morelli.leaderboard.votes.strategies import ABSTAIN, Situation, Strategy, vote_law
from morelli.leaderboard.votes.suspicion import Evidence

__all__ = ["World", "evidence_of"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The board before anything is simulated."""

    tally: Tally
    recognition: Recognition
    theta: Float
    tie: float
    pairs: Float
    situation: Situation
    ridge: float

    @classmethod
    def of(
        cls, tally: Tally, known: Recognition, target: str, direction: Direction, pairs: Float | None, ridge: float
    ) -> World:
        theta = solve(tally.score, ridge)
        m, at, up = len(theta), tally.models.index(target), direction == "up"
        shown = pair_probabilities(m) if pairs is None else pair_probabilities(m, pairs)
        rank = int(ranks_of(theta)[at])
        goal = min(max(rank - 1 if up else rank + 1, 1), m)
        situation = Situation(theta, tally.battles, shown, known.rates, at, up, goal)
        return cls(tally, known, theta, tie_share(tally, theta), shown, situation, ridge)

    def honest(self, taste: float, voters: int, votes_per_voter: float, seed: int) -> Votes:
        n = max(1, round(voters * votes_per_voter))
        return simulate_votes(
            self.theta,
            n,
            models=self.tally.models,
            tie=self.tie,
            pairs=self.pairs,
            voters=voters,
            taste=taste,
            seed=seed,
        )

    def evidence(self, votes: Votes) -> Evidence:
        theta = solve((self.tally + votes.tally()).score, self.ridge, self.theta)
        return evidence_of(votes, theta, self.tie, self.pairs)

    def repeats(
        self,
        plan: Strategy,
        taste: float,
        number: int,
        accounts: int,
        voters: int,
        votes_per_voter: float,
        repeats: int,
        seed: int,
    ) -> Iterator[Evidence]:
        """Yield the votes of honest voters and then of manipulators, who are the last voters."""
        m = len(self.theta)
        policy = plan.policy(self.situation)
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, repeat, number, round(taste * 1000)])
            people = self.honest(taste, voters, votes_per_voter, int(rng.integers(2**31)))
            truth = self.recognition.resampled(rng).rates
            table = vote_law(policy, truth, honest_law(self.theta, self.tie)) * self.pairs[:, :, None]
            voting = table[..., :ABSTAIN]
            n = accounts * number if float(voting.sum()) > 1e-12 else 0
            cells = draw_cells(voting, n, rng) if n else np.zeros(0, dtype=np.int64)
            pair, outcome = np.divmod(cells, 3)
            left, right = np.divmod(pair, m)
            assert people.voter is not None
            votes = Votes(
                people.models,
                np.concatenate([people.left, left]),
                np.concatenate([people.right, right]),
                np.concatenate([people.outcome, outcome.astype(np.int8)]),
                np.concatenate([people.voter, voters + np.arange(n) // number]),
                (*people.voters, *(f"account-{i + 1}" for i in range(accounts))),
            )
            yield self.evidence(votes)


def evidence_of(votes: Votes, theta: Float, tie: float, pairs: Float) -> Evidence:
    assert votes.voter is not None
    return Evidence(votes.left, votes.right, votes.outcome, votes.voter, len(votes.voters), theta, tie, pairs)
