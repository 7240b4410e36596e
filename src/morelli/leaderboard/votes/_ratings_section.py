"""Ratings and voters as sections of the page."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from morelli.leaderboard.votes.ballots import Votes
from morelli.leaderboard.votes.elo import OnlineElo
from morelli.leaderboard.votes.ratings import ELO, Ratings
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, HeatMap, Level, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["ratings_section", "voters_section"]

_MOST_BARS: Final = 40
_MOST_CELLS: Final = 30
_SHOWN_VOTERS: Final = 20


def ratings_section(ratings: Ratings, elo: OnlineElo | None = None) -> Section:
    """Return the ratings, with intervals for ratings and ranks, and how much online Elo hangs on the order of votes.

    Parameters
    ----------
    ratings : Ratings
    elo : OnlineElo, optional
        Of the same models.
    """
    order = ratings.order.tolist()
    columns = [
        Column("rank", "rank", "count"),
        Column("model", "model"),
        Column("rating", "rating", "count"),
        Column("low", "95% from" if ratings.level == 0.95 else "from", "count"),
        Column("high", "to", "count"),
        Column("rank_low", "rank at best", "count"),
        Column("rank_high", "at worst", "count"),
        Column("n", "n", "count"),
    ]
    vectors = [ratings.rank, None, ratings.rating, ratings.low, ratings.high, ratings.rank_low, ratings.rank_high]
    vectors.append(ratings.battles)
    if elo is not None:
        columns += [
            Column("elo", "Elo online", "count"),
            Column("elo_low", "other orders from", "count"),
            Column("elo_high", "to", "count"),
        ]
        vectors += [elo.given, elo.low, elo.high]
    names = ratings.models
    rows = tuple(tuple(names[i] if v is None else v[i].item() for v in vectors) for i in order)
    first = order[0]
    rivals = sum(int(ratings.rank_low[i]) == 1 for i in order) - 1
    basis = f"{ratings.n:,} votes" + (f" by {ratings.n_voters:,} voters" if ratings.n_voters else "")
    sentences = [
        f"{names[first]} leads {len(names)} models with a rating of {ratings.rating[first]:.0f} "
        f"({ratings.level:.0%} interval {ratings.low[first]:.0f} to {ratings.high[first]:.0f}), from {basis}; "
        + (
            "no other model may be the first."
            if rivals == 0
            else f"{rivals} other model{'s' * (rivals > 1)} may be the first as well."
        )
    ]
    settled = int((ratings.rank_low == ratings.rank_high).sum())
    widest = int((ratings.rank_high - ratings.rank_low).max()) + 1
    sentences.append(
        f"The rank of {settled} of {len(names)} models is certain at {ratings.level:.0%} for all models at once; the "
        f"widest interval spans {widest} rank{'s' * (widest > 1)}."
    )
    if elo is not None:
        width = float((elo.high - elo.low).max())
        moved = int((elo.rank_low != elo.rank_high).sum())
        sentences.append(
            f"Online Elo with K = {elo.k:g} depends on the order of the same votes: over {elo.orders} random orders "
            f"ratings vary by up to {width:.0f} points, and {moved} of {len(names)} models change rank."
        )
    # Where a rating stands against the mean model: a share of battles, which charts can show.
    level = ratings.rating - ELO * ratings.theta
    share, low, high = (expit((v - level) / ELO) for v in (ratings.rating, ratings.low, ratings.high))
    bars = tuple(Bar(names[i], float(share[i]), float(low[i]), float(high[i])) for i in order[:_MOST_BARS])
    charts: list[Chart] = [
        BarChart(
            "strength",
            "Expected share of battles won against a model of mean strength",
            "share of battles",
            bars,
            (Level("equal", 0.5),),
        )
    ]
    if len(names) <= _MOST_CELLS:
        p = expit(ratings.theta[:, None] - ratings.theta[None, :])
        cells = tuple(tuple(None if i == j else float(p[i, j]) for j in order) for i in order)
        shown = tuple(names[i] for i in order)
        charts.append(
            HeatMap("wins", "Expected share of battles won by the row", "model", "against", shown, shown, cells)
        )
    how = "by voter, as votes of one voter are not independent" if ratings.n_voters else "with independent votes"
    method = "the bootstrap" if ratings.interval == "bootstrap" else "the sandwich estimate"
    notes = [
        f"Ratings are Bradley-Terry strengths on Elo's scale (400 points are odds of ten to one), ties counted as half "
        f"a win; intervals by {method}, {how}; those of ranks hold for all models at once.",
        *ratings.notes,
    ]
    values = {
        "n_votes": ratings.n,
        "n_voters": ratings.n_voters,
        "models": [dict(zip([c.name for c in columns], row, strict=True)) for row in rows],
    }
    table = Table("ratings", "Ratings", tuple(columns), rows)
    long = {"models": pa.table({c.name: [row[k] for row in rows] for k, c in enumerate(columns)})}
    return Section(
        "ratings",
        "Ratings",
        "How good are the models, by the votes, and how sure is the ranking?",
        Findings(tuple(sentences), (table,), tuple(charts), tuple(notes), values),
        long,
    )


def voters_section(
    votes: Votes, p: NDArray[np.float64], adjusted: NDArray[np.float64], detector: str, level: float = 0.05
) -> Section:
    """Return which voters of a table of votes do not vote like the others.

    Parameters
    ----------
    votes : Votes
        With voters.
    p, adjusted : ndarray, shape (voters,)
        See `judge_voters`.
    detector : str
    level : float
        False discovery rate.
    """
    counts = np.bincount(votes.voter if votes.voter is not None else [], minlength=len(votes.voters))
    order = np.lexsort((np.arange(len(p)), p))
    called = int((adjusted <= level).sum())
    share = float(counts[adjusted <= level].sum()) / max(1, len(votes))
    columns = (
        Column("voter", "voter"),
        Column("n", "votes", "count"),
        Column("p", "p", "p"),
        Column("adjusted", "p adjusted", "p"),
    )
    shown = order[:_SHOWN_VOTERS].tolist()
    rows = tuple((votes.voters[i], int(counts[i]), float(p[i]), float(adjusted[i])) for i in shown)
    sentence = (
        f"{called:,} of {len(p):,} voters, with {percent(share)} in 100 votes, do not vote like the others (test "
        f'"{detector}", false discovery rate {level:.0%}).'
    )
    names = pa.array([votes.voters[i] for i in order.tolist()], pa.string())
    return Section(
        "voters",
        "Voters",
        "Which voters vote as manipulators would?",
        Findings(
            (sentence,),
            (Table("voters", "Voters who are least like the others", columns, rows),),
            (),
            ("A voter with a taste of one's own is no manipulator: look before you remove.",),
            {"accused": called, "voters": len(p), "share_of_votes": share, "detector": detector, "level": level},
        ),
        {"tested": pa.table({"voter": names, "n": counts[order], "p": p[order], "adjusted": adjusted[order]})},
    )
