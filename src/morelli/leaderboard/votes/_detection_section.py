"""Detection of manipulators as a section of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isfinite

from morelli.leaderboard.votes._rows import long_table, reached_share, row_of
from morelli.leaderboard.votes.detection import Detected, DetectionStudy, RocPoint
from morelli.leaderboard.votes.rigging import Needed, Rigging
from morelli.studies.findings import Chart, Column, Findings, LineChart, Point, Series, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["detection_section"]


def detection_section(study: DetectionStudy, rigging: Rigging | None = None) -> Section:
    """Return what an operator sees of manipulators, whom else it accuses, and what defences cost the manipulators.

    Parameters
    ----------
    study : DetectionStudy
    rigging : Rigging, optional
        With rows for defences.
    """
    tables = [_power_table(study), _roc_table(study), _pace_table(study)]
    sentences = [_found(study, strategy) for strategy in dict.fromkeys(one.strategy for one in study.detected)]
    worst = max(study.detected, key=lambda one: one.false_alarms, default=None)
    if worst is not None:
        sentences.append(
            f"Most false alarms has the test {worst.detector} with honest tastes of {worst.taste:g} points: "
            f"{percent(worst.false_alarms)} in 100 honest voters (95% interval {percent(worst.false_low)} to "
            f"{percent(worst.false_high)}, n {worst.n_honest:,})."
        )
    guarded = [row for row in rigging.rows if row.goal is not None] if rigging is not None else []
    if any(row.defence != "none" for row in guarded):
        tables.insert(0, _defence_table(study, guarded))
        sentences += _defended(guarded)
    charts = tuple(_power_charts(study)) + tuple(_roc_charts(study))
    notes = (
        f"{study.repeats} repeats of {study.voters:,} honest voters with {study.votes_per_voter:g} votes each in the "
        f"mean and {study.accounts} accounts of manipulators, all on top of the board's votes and judged by ratings "
        "fitted to everything.",
        f"That manipulators pause {study.gap:g} seconds between votes in the mean, and honest voters "
        f"{study.honest_gap:g} in one session, is assumed; so is the gamma law of how much honest voters vote.",
        "Manipulators do not adapt to the tests here.",
    )
    values = {
        "target": study.target,
        "detected": [asdict(one) for one in study.detected],
        "paced": [asdict(one) for one in study.paced],
        "kept": [asdict(one) for one in study.kept],
    }
    long = {"roc": long_table(study.roc, RocPoint)} if study.roc else {}
    if study.detected:
        long["detected"] = long_table(study.detected, Detected)
    return Section(
        "detection",
        "Detection of manipulators",
        "Would the operator notice, whom else would be accused, and what do defences change?",
        Findings(tuple(sentences), tuple(tables), charts, notes, values, not study.detected),
        long,
    )


def _found(study: DetectionStudy, strategy: str) -> str:
    """Say what the best test finds of a strategy, by votes of an account, where honest tastes differ most."""
    taste = max(one.taste for one in study.detected)
    parts = []
    for number in dict.fromkeys(one.votes_per_account for one in study.detected):
        here = [
            one
            for one in study.detected
            if one.strategy == strategy and one.taste == taste and one.votes_per_account == number
        ]
        best = max(here, key=lambda one: -1.0 if not isfinite(one.power) else one.power)
        if best.n_accounts == 0:
            return f"{strategy} casts no votes, so that there is nothing to find."
        parts.append(
            f"{percent(best.power)} in 100 accounts of {number} votes (95% interval {percent(best.power_low)} to "
            f"{percent(best.power_high)}, n {best.n_accounts:,}; {best.detector} accuses {percent(best.false_alarms)} "
            "in 100 honest voters)"
        )
    return f"Of {strategy}, the best test finds {'; '.join(parts)}; honest tastes vary by {taste:g} points."


def _defended(rows: Sequence[Needed]) -> list[str]:
    """Say which defence costs each strategy most."""
    sentences = []
    ranks = min(row.ranks for row in rows)
    for strategy in dict.fromkeys(row.strategy for row in rows):
        here = {row.defence: row for row in rows if row.strategy == strategy and row.ranks == ranks}
        bare = here.get("none")
        if bare is None or bare.battles is None:
            continue
        stopped = [name for name, row in here.items() if row.reached == 0]
        factors = {name: row.battles / bare.battles for name, row in here.items() if row.battles is not None}
        factors.pop("none", None)
        parts = [f"is not successful within the budget against {', '.join(stopped)}"] if stopped else []
        if factors:
            name = max(factors, key=lambda key: factors[key])
            parts.append(f"needs at most {factors[name]:.1f} times the battles against the other defences ({name})")
        many = max((row for row in here.values() if row.accounts), key=lambda row: row.accounts or 0)
        if many is not bare:
            parts.append(
                f"votes from {many.accounts:,} accounts instead of {bare.accounts:,} against {many.defence}, which "
                f"takes {(many.battles or 0.0) / bare.battles:.1f} times the battles"
            )
        if parts:
            sentences.append(f"{strategy} {', and '.join(parts)}.")
    return sentences


def _defence_table(study: DetectionStudy, rows: Sequence[Needed]) -> Table:
    ranks = min(row.ranks for row in rows)
    here = [row for row in rows if row.ranks == ranks]
    bare = {row.strategy: row.battles for row in here if row.defence == "none"}
    tastes = sorted({one.taste for one in study.kept})
    kept = {(one.defence, one.taste): one.kept for one in study.kept}
    columns = (
        Column("defence", "defence"),
        Column("strategy", "strategy"),
        Column("battles", "battles", "count"),
        Column("battles_low", "95% from", "count"),
        Column("battles_high", "to", "count"),
        Column("factor", "times as many", "number"),
        Column("votes", "votes", "count"),
        Column("accounts", "accounts", "count"),
        Column("votes_per_account", "votes an account", "count"),
        Column("dollars", "dollars", "number"),
        Column("reached", "reached", "share"),
        *(Column(f"kept_{taste:g}", f"honest votes kept, taste {taste:g}", "share") for taste in tastes),
    )
    lines = []
    for row in here:
        before = bare.get(row.strategy)
        factor = row.battles / before if row.battles is not None and before else None
        values = {**asdict(row), "factor": factor, "reached": reached_share(row)}
        values.update({f"kept_{taste:g}": kept.get((row.defence, taste)) for taste in tastes})
        lines.append(tuple(values[column.name] for column in columns))
    title = f"What defences change for manipulators who move the model by {ranks} rank{'s' * (ranks > 1)}"
    return Table(
        "defences",
        title,
        columns,
        tuple(lines),
        "No figure: not reached within the budget in all simulations. Manipulators know the defence and "
        "choose how many votes an account casts.",
    )


def _power_table(study: DetectionStudy) -> Table:
    """Return what is found where honest tastes differ most, beside the false alarms with every taste."""
    tastes = sorted({one.taste for one in study.detected})
    alarms = {(one.detector, one.strategy, one.votes_per_account, one.taste): one for one in study.detected}
    columns = (
        Column("strategy", "strategy"),
        Column("detector", "test"),
        Column("votes_per_account", "votes an account", "count"),
        Column("power", "found", "share"),
        Column("power_low", "95% from", "share"),
        Column("power_high", "to", "share"),
        *(Column(f"false_{taste:g}", f"honest accused, taste {taste:g}", "share") for taste in tastes),
        Column("auc", "AUC", "share"),
        Column("n_accounts", "n", "count"),
    )
    rows = []
    for one in study.detected:
        if one.taste == tastes[-1]:
            key = (one.detector, one.strategy, one.votes_per_account)
            false = [alarms[(*key, taste)].false_alarms for taste in tastes]
            shown = row_of(one, [column for column in columns if not column.name.startswith("false_")])
            rows.append((*shown[:6], *false, *shown[6:]))
    level = study.detected[0].level if study.detected else 0.05
    return Table(
        "power",
        f"Accounts found at a false discovery rate of {level:.0%}",
        columns,
        tuple(rows),
        "Taste is the spread of honest opinions about each model, in points of Elo; what is found is with the widest.",
    )


def _roc_table(study: DetectionStudy) -> Table:
    columns = (
        Column("detector", "test"),
        Column("strategy", "strategy"),
        Column("taste", "taste", "count"),
        Column("votes_per_account", "votes an account", "count"),
        Column("threshold", "p at most"),
        Column("power", "found", "share"),
        Column("false_alarms", "honest accused", "share"),
    )
    number, taste = _middle(study)
    rows = [p for p in study.roc if p.votes_per_account == number and p.taste == taste]
    return Table(
        "roc", "Found and accused by threshold, without correction", columns, tuple(row_of(p, columns) for p in rows)
    )


def _pace_table(study: DetectionStudy) -> Table:
    columns = (
        Column("cap", "votes an hour", "count"),
        Column("votes_per_account", "votes an account", "count"),
        Column("accounts", "accounts over it", "share"),
        Column("honest", "honest over it", "share"),
    )
    return Table("pace", "Rate limits", columns, tuple(row_of(one, columns) for one in study.paced))


def _middle(study: DetectionStudy) -> tuple[int, float]:
    """Return the middle size of accounts and the widest tastes, for what is shown of many."""
    numbers = sorted({one.votes_per_account for one in study.detected})
    tastes = [one.taste for one in study.detected]
    return (numbers[len(numbers) // 2] if numbers else 0), max(tastes, default=0.0)


def _power_charts(study: DetectionStudy) -> Iterable[Chart]:
    _, taste = _middle(study)
    here = [one for one in study.detected if one.taste == taste and one.n_accounts]
    for index, strategy in enumerate(dict.fromkeys(one.strategy for one in here)):
        series = tuple(
            Series(
                name,
                tuple(
                    Point(float(one.votes_per_account), one.power, one.power_low, one.power_high)
                    for one in sorted(here, key=lambda one: one.votes_per_account)
                    if one.strategy == strategy and one.detector == name
                ),
            )
            for name in dict.fromkeys(one.detector for one in here)
        )
        title = f"Accounts found of {strategy}"
        yield LineChart(f"power-{index + 1}", title, "votes an account", "share found", series, log_x=True)


def _roc_charts(study: DetectionStudy) -> Iterable[Chart]:
    number, taste = _middle(study)
    here = [p for p in study.roc if p.taste == taste and p.votes_per_account == number]
    for index, strategy in enumerate(dict.fromkeys(p.strategy for p in here)):
        series = tuple(
            Series(
                name,
                tuple(Point(p.false_alarms, p.power) for p in here if p.strategy == strategy and p.detector == name),
            )
            for name in dict.fromkeys(p.detector for p in here)
        )
        title = f"Found and accused: {strategy}, accounts of {number} votes"
        yield LineChart(f"roc-{index + 1}", title, "share of honest voters accused", "share found", series)
