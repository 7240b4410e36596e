"""How fast votes are simulated, rated and manipulated, and what manipulation takes on a board of a paper's size.

    python benchmarks/votes.py [--votes 1000000] [--csv benchmarks/votes.csv]

Rows that end in ``ratio`` are the seconds of the other way divided by ours, in this run and on this machine: a loop in
Python over the votes, or choix 0.4.1 on every comparison, both on fewer votes and scaled up. Rows of ``needed`` are
mean battles that move the model in the middle of a simulated board up by one rank. Recognition of 0.91 is what Naseh et
al. 2026 report; wrong answers are spread evenly here.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import choix
import numpy as np

from morelli._files import atomic_path
from morelli.leaderboard.votes import (
    Recognition,
    Tally,
    Votes,
    detection_study,
    fit_ratings,
    model_names,
    online_elo,
    simulate_board,
    simulate_votes,
    spread_strengths,
    votes_needed,
)

MODELS = 22
LOOP = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    rows: list[tuple[str, float, int]] = []

    def add(what: str, value: float, n: int) -> None:
        rows.append((what, float(f"{value:.4g}"), n))
        print(rows[-1], flush=True)

    speed(arguments.votes, add)
    manipulation(add)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "value", "n"), *rows])


def speed(n: int, add: Callable[[str, float, int], None]) -> None:
    theta = spread_strengths(MODELS, 100)
    simulated, votes = timed(lambda: simulate_votes(theta, n, seed=1))
    add("simulated, seconds", simulated, n)
    counted, tally = timed(votes.tally)
    rated, _ = timed(lambda: fit_ratings(tally))
    add("counted and rated with intervals, seconds", counted + rated, n)
    add("simulated and rated, seconds", simulated + counted + rated, n)
    by_voter, voted = timed(lambda: simulate_votes(theta, n, voters=20_000, taste=60, seed=1))
    grouped, _ = timed(lambda: fit_ratings(voted))
    add("simulated and rated by voter, seconds", by_voter + grouped, n)
    bootstrapped, _ = timed(lambda: fit_ratings(tally, interval="bootstrap", n_boot=500))
    add("500 bootstraps of votes, seconds", bootstrapped, n)
    elo, _ = timed(lambda: online_elo(votes.take(np.arange(LOOP)), orders=20))
    add("online Elo in 21 orders, seconds", elo, LOOP)

    looped, counts = timed(lambda: loop(theta, LOOP))
    add("loop over votes simulates and counts, ratio", looped / LOOP * n / (simulated + counted), LOOP)
    small = Tally(tally.models, counts, np.zeros_like(counts))
    ours, fitted = timed(lambda: fit_ratings(small))
    data = [(i, j) for i in range(MODELS) for j in range(MODELS) for _ in range(int(counts[i, j]))]
    theirs, strengths = timed(lambda: choix.opt_pairwise(MODELS, data))
    add("choix.opt_pairwise, ratio", theirs / ours, LOOP)
    add("choix.opt_pairwise, largest difference of strengths", float(np.abs(strengths - fitted.theta).max()), LOOP)
    theirs, strengths = timed(lambda: choix.ilsr_pairwise(MODELS, data))
    add("choix.ilsr_pairwise, ratio", theirs / ours, LOOP)
    add("choix.ilsr_pairwise, largest difference of strengths", float(np.abs(strengths - fitted.theta).max()), LOOP)


def manipulation(add: Callable[[str, float, int], None]) -> None:
    for models, honest in ((MODELS, 100_000), (MODELS, 1_700_000), (129, 1_700_000)):
        names = model_names(models)
        board, target = simulate_board(names, honest, names[models // 2], seed=1), names[models // 2]
        for label, known in (("perfect", Recognition.perfect(names)), ("0.91", even(names, 0.91))):
            seconds, found = timed(
                lambda board=board, known=known, target=target: votes_needed(
                    board, known, target, ranks=(1,), simulations=10
                )
            )
            for row in found.rows:
                where = f"{models} models, recognition {label}, {row.strategy}"
                add(f"needed: battles, {where}", float("nan") if row.battles is None else row.battles, honest)
                add(f"needed: votes, {where}", float("nan") if row.votes is None else row.votes, honest)
            add(f"needed: seconds of 20 searches, {models} models, recognition {label}", seconds, honest)
    names = model_names(MODELS)
    board = simulate_board(names, 100_000, names[11], seed=1)
    seconds, study = timed(lambda: detection_study(board, even(names, 0.91), names[11], repeats=5))
    add("study of detection, seconds", seconds, 100_000)
    for one in study.detected:
        if one.detector == "combined" and one.taste == 60.0:
            where = f"{one.strategy}, {one.votes_per_account} votes an account, taste 60"
            add(f"found by the combined test: {where}", one.power, one.n_accounts)
            add(f"honest accused by the combined test: {where}", one.false_alarms, one.n_honest)


def even(names: tuple[str, ...], accuracy: float) -> Recognition:
    """Return 2,100 answers for each model, the wrong ones spread evenly."""
    m = len(names)
    table = np.full((m, m + 1), (1.0 - accuracy) / (m - 1))
    table[np.arange(m), np.arange(m)] = accuracy
    table[:, -1] = 0.0
    return Recognition(names, 2100 * table)


def loop(theta: np.ndarray, n: int) -> np.ndarray:
    """Simulate and count votes one after another, as one would write it first."""
    draw, strengths, m = random.Random(0), theta.tolist(), len(theta)
    wins = [[0] * m for _ in range(m)]
    for _ in range(n):
        i, j = draw.sample(range(m), 2)
        p = 1.0 / (1.0 + math.exp(strengths[j] - strengths[i]))
        if draw.random() < p:
            wins[i][j] += 1
        else:
            wins[j][i] += 1
    return np.array(wins, dtype=float)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result: Votes | Any = work()
    return time.perf_counter() - begin, result


if __name__ == "__main__":
    main()
