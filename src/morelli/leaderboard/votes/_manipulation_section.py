"""Manipulation of votes as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from morelli.leaderboard.votes._rows import long_table, row_of
from morelli.leaderboard.votes.rigging import Needed, Rigging
from morelli.studies.findings import Chart, Column, Findings, LineChart, Point, Series, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["manipulation_section"]


def manipulation_section(rigging: Rigging) -> Section:
    """Return how many votes move the target, and what they cost.

    Parameters
    ----------
    rigging : Rigging
        Rows with a defence are left to `detection_section`, but for the long table.
    """
    plain = [row for row in rigging.rows if row.defence == "none"]
    columns = (
        Column("strategy", "strategy"),
        Column("ranks", "ranks", "count"),
        Column("goal", "to rank", "count"),
        Column("battles", "battles", "count"),
        Column("battles_low", "95% from", "count"),
        Column("battles_high", "to", "count"),
        Column("votes", "votes", "count"),
        Column("dollars", "dollars", "number"),
        Column("accounts", "accounts", "count"),
        Column("reached", "reached", "share"),
    )
    rows = tuple(row_of(row, columns) for row in plain)
    verb = "up" if rigging.direction == "up" else "down"
    sentences = [_easiest(rigging, plain, r, verb) for r in dict.fromkeys(row.ranks for row in plain)]
    m = len(rigging.models)
    recognised = (
        f"{percent(rigging.accuracy)} in 100 images (95% interval {percent(rigging.accuracy_low)} to "
        f"{percent(rigging.accuracy_high)}, n {rigging.images:,}, chance {percent(1.0 / max(1, m))})"
        if rigging.measured
        else f"{percent(rigging.accuracy)} in 100 images, which is assumed and not measured"
    )
    sentences.append(f"Manipulators recognise {recognised}.")
    series = []
    for name in dict.fromkeys(row.strategy for row in plain):
        points = [
            Point(
                float(row.ranks), *(_share(v, rigging.honest) for v in (row.battles, row.battles_low, row.battles_high))
            )
            for row in plain
            if row.strategy == name and row.battles is not None and row.battles <= rigging.honest
        ]
        if points:
            series.append(Series(name, tuple(points)))
    charts: tuple[Chart, ...] = ()
    if series:
        title = f"Battles to be looked at, relative to honest votes, to move {rigging.target} {verb}"
        charts = (LineChart("battles", title, "ranks", "share of honest votes", tuple(series)),)
    price = rigging.price
    notes = [
        f"On top of {rigging.honest:,} honest votes, with at most {rigging.budget:,} battles looked at. A battle that "
        "is looked at costs its references, whether a vote follows or not. Ranks are by point estimate; intervals are "
        "quantiles over simulations, which draw battles, votes and the measured recognition anew, and keep the honest "
        "votes.",
        f"Prices: {price.references} references of each of {price.candidates} models for a prompt at "
        f"${price.dollars_per_image:g} an image, which is ${price.dollars_per_battle:,.2f} a battle; "
        f"${price.dollars_per_account:g} an account of {price.votes_per_account} votes.",
        "The two images of a battle are recognised independently of each other and of how the vote would go.",
    ]
    values: dict[str, Any] = {
        "target": rigging.target,
        "direction": rigging.direction,
        "start_rank": rigging.start_rank,
        "honest": rigging.honest,
        "budget": rigging.budget,
        "accuracy": rigging.accuracy,
        "tie": rigging.tie,
        "rows": [asdict(row) for row in rigging.rows],
    }
    unanswered = not any(row.goal is not None for row in plain)
    table = Table("votes", f"Votes that move {rigging.target} {verb} from rank {rigging.start_rank}", columns, rows)
    return Section(
        "manipulation",
        "Vote manipulation",
        "How many votes of somebody who recognises the models change the ranking, and what do they cost?",
        Findings(tuple(sentences), (table,), charts, tuple(notes), values, unanswered),
        {"needed": long_table(rigging.rows, Needed)},
    )


def _easiest(rigging: Rigging, rows: Sequence[Needed], ranks: int, verb: str) -> str:
    """Say what moving by so many ranks takes at least."""
    here = [row for row in rows if row.ranks == ranks]
    steps = f"{ranks} rank{'s' * (ranks > 1)}"
    if all(row.goal is None for row in here):
        end = "first" if verb == "up" else "last"
        if ranks == 1:
            return f"{rigging.target} is {end} already and cannot move {verb}."
        return (
            f"{rigging.target} cannot move {verb} by {steps} from rank {rigging.start_rank} of {len(rigging.models)}."
        )
    done = [row for row in here if row.battles is not None]
    if not done:
        part = max((row.reached / row.simulations for row in here if row.simulations), default=0.0)
        more = f", or in {percent(part)} in 100 simulations at most" if part else ""
        return (
            f"Within {rigging.budget:,} battles no strategy moves {rigging.target} {verb} by {steps} from rank "
            f"{rigging.start_rank} for sure{more}."
        )
    best = min(done, key=lambda row: row.battles or 0.0)
    assert best.battles is not None and best.votes is not None and best.dollars is not None
    money = f", for ${best.dollars:,.0f}" if best.dollars else ""
    return (
        f"{best.battles:,.0f} battles looked at (95% of {best.simulations} simulations {best.battles_low:,.0f} to "
        f"{best.battles_high:,.0f}) and {best.votes:,.0f} votes, which is {percent(best.votes / rigging.honest)} for "
        f"every 100 honest ones, move {rigging.target} {verb} by {steps} from rank {rigging.start_rank} "
        f"({best.strategy}){money}."
    )


def _share(value: float | None, of: int) -> Any:
    return None if value is None or value > of else value / of
