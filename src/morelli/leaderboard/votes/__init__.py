"""Votes: ratings, manipulation and its price, and what an operator can see and do.

`fit_ratings` and `online_elo` rate; `simulate_votes` makes honest votes; `votes_needed` searches for what moves a
model; `judge_voters` and `detection_study` test voters. Each has a ``..._section`` for the page.
"""

from __future__ import annotations

from morelli.leaderboard.votes.ballots import LEFT, RIGHT, TIE, Tally, Votes
from morelli.leaderboard.votes.defences import list_defences, parse_defence, register_defence
from morelli.leaderboard.votes.detection import DetectionStudy, detection_study, judge_voters
from morelli.leaderboard.votes.elo import OnlineElo, online_elo
from morelli.leaderboard.votes.prices import Price
from morelli.leaderboard.votes.ratings import Ratings, fit_ratings
from morelli.leaderboard.votes.reading import read_votes
from morelli.leaderboard.votes.recognition import Recognition, read_recognition
from morelli.leaderboard.votes.rigging import Rigging, votes_needed
from morelli.leaderboard.votes.sections import detection_section, manipulation_section, ratings_section, voters_section
from morelli.leaderboard.votes.simulation import (
    model_names,
    pair_probabilities,
    simulate_board,
    simulate_votes,
    spread_strengths,
)
from morelli.leaderboard.votes.strategies import list_strategies, parse_strategy, register_strategy
from morelli.leaderboard.votes.suspicion import list_detectors, register_detector

__all__ = [
    "LEFT",
    "RIGHT",
    "TIE",
    "DetectionStudy",
    "OnlineElo",
    "Price",
    "Ratings",
    "Recognition",
    "Rigging",
    "Tally",
    "Votes",
    "detection_section",
    "detection_study",
    "fit_ratings",
    "judge_voters",
    "list_defences",
    "list_detectors",
    "list_strategies",
    "manipulation_section",
    "model_names",
    "online_elo",
    "pair_probabilities",
    "parse_defence",
    "parse_strategy",
    "ratings_section",
    "read_recognition",
    "read_votes",
    "register_defence",
    "register_detector",
    "register_strategy",
    "simulate_board",
    "simulate_votes",
    "spread_strengths",
    "voters_section",
    "votes_needed",
]
