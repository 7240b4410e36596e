"""What attacks found: tables beside the paper's, curves over references, and who is taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.registry import parse_attributor
from morelli.leaderboard.paper import BY_REFERENCES, TOPS
from morelli.studies.findings import (
    Bar,
    BarChart,
    Chart,
    Column,
    Findings,
    HeatMap,
    Level,
    LineChart,
    Point,
    Series,
    Table,
    Value,
)
from morelli.studies.study import Frame
from morelli.studies.words import interval, nothing_found, percent
from morelli.trials.cells import Cell, Results
from morelli.trials.metrics import cluster_bootstrap_difference, none_for_nan, top_k_accuracy

__all__ = ["CROSS", "attack_findings"]

CROSS: Final = 0
"""The coordinate `k` of attributors that know no references of the prompt."""

_N_BOOT = 2000

_COLUMNS = (
    Column("attributor", "attributor"),
    Column("reads", "reads"),
    Column("k", "references", "count"),
    Column("accuracy", "first", "share"),
    Column("low", "95% from", "share"),
    Column("high", "to", "share"),
    Column("top2", "first two", "share"),
    Column("top3", "first three", "share"),
    Column("chance", "chance", "share"),
    Column("candidates", "candidates", "number"),
    Column("ece", "calibration error", "number"),
    Column("coverage", "sets hold truth", "share"),
    Column("n", "n", "count"),
)


def attack_findings(frame: Frame, results: Results) -> Findings:
    """Return accuracies by attributor and references, beside the paper's.

    Parameters
    ----------
    frame : Frame
    results : Results
        With coordinates ``attributor``, ``reads`` and ``k``; `CROSS` where no references were known.
    """
    cells = [cell for cell in results if cell.accuracy is not None]
    if not cells:
        return nothing_found("No image of a candidate could be judged.")
    # The first that could be judged, and of what it reads all, or else the only thing.
    first = next(name for name in frame.attributors if any(c.at["attributor"] == name for c in cells))
    of_first = [c for c in cells if c.at["attributor"] == first]
    whole = "all" if any(c.at["reads"] == "all" for c in of_first) else of_first[0].at["reads"]
    mine = sorted((c for c in of_first if c.at["reads"] == whole), key=_k)
    sentences = [_sentence(cell) for cell in (mine[:1] + mine[-1:] if len(mine) > 1 else mine)]
    against = _against_centroid(cells, mine, frame.seed)
    if against is not None:
        sentences.append(_compared(first, against))
    tables = [
        Table(
            "attributors",
            "Right model by attributor and references",
            _COLUMNS,
            tuple(_row(cell) for cell in cells),
            "A model is a candidate for a prompt if it has more images of it than there are references. No references: "
            "learned from other prompts alone. Intervals by bootstrap over prompts; n counts images times draws.",
        ),
    ]
    if against:
        tables.append(
            Table(
                "against-centroid",
                f"{first} less the nearest centroid, on the same images",
                (
                    Column("k", "references", "count"),
                    Column("centroid", "nearest centroid", "share"),
                    Column("own", "this", "share"),
                    Column("gain", "gain", "difference"),
                    Column("low", "95% from", "difference"),
                    Column("high", "to", "difference"),
                ),
                tuple(against),
                "The centroid reads the embedding alone, or where there is none whatever serves it best.",
            )
        )
    tables.append(_paper_table(cells))
    return Findings(
        sentences=tuple(sentences),
        tables=tuple(tables),
        charts=tuple(_charts(frame, cells, mine)),
        notes=(
            "What attributors learn beside the references of the prompt they learn on other prompts.",
            "Where models had sizes or formats of their own before images were made alike, features of pixels may "
            "tell those apart: then see what the embedding alone says.",
        ),
        values={
            "accuracy": {f"{c.at['attributor']} {c.at['reads']} {c.at['k']}": c.accuracy for c in cells},
            "interval": {f"{c.at['attributor']} {c.at['reads']} {c.at['k']}": list(c.interval) for c in cells},
        },
    )


def _k(cell: Cell) -> int:
    return int(cell.at["k"])  # type: ignore[arg-type]


def _name(cell: Cell) -> str:
    """Return the attributor without its encoder."""
    return parse_attributor(str(cell.at["attributor"])).info.name


def _counts(cell: Cell) -> NDArray[np.int64]:
    """Return how many candidates each image has for which an answer was given: those with a probability above 0."""
    return np.concatenate([(t.proba[t.known & t.answered] > 0).sum(axis=1) for t in cell.draws])


def _candidates(cell: Cell) -> float | None:
    """Return how many candidates an image has, on average; None where nothing was answered."""
    counts = _counts(cell)
    return float(counts.mean()) if len(counts) else None


def _chance(cell: Cell) -> float | None:
    """Return what guessing among each image's candidates scores; None where nothing was answered."""
    counts = _counts(cell)
    return float((1.0 / counts).mean()) if len(counts) else None


def _top(cell: Cell, k: int) -> float:
    """Return how often the truth is within the first k; an image without an answer counts as wrong."""
    right = 0.0
    for table in cell.draws:
        said = table.known & table.answered
        if said.any():
            right += top_k_accuracy(table.y[said], table.proba[said], k) * int(said.sum())
    return right / len(cell.hits)


def _images(cell: Cell) -> NDArray[np.object_]:
    """Return the image of each of the cell's hits."""
    return np.concatenate([table.image_id[table.known] for table in cell.draws])


def _row(cell: Cell) -> tuple[Value, ...]:
    m = cell.measures
    return (
        _name(cell),
        cell.at["reads"],
        None if _k(cell) == CROSS else _k(cell),
        cell.accuracy,
        *cell.interval,
        _top(cell, 2),
        _top(cell, 3),
        _chance(cell),
        _candidates(cell),
        m["ece"],
        m["coverage"],
        len(cell.hits),
    )


def _sentence(cell: Cell) -> str:
    known = f"{_k(cell)} reference{'' if _k(cell) == 1 else 's'} of each model" if _k(cell) else "no reference"
    return (
        f"With {known} for the prompt, {_name(cell)} names the model behind {percent(cell.accuracy)} of 100 images "
        f"({interval(cell)}; {_candidates(cell) or 0:.1f} candidates on average, chance {percent(_chance(cell))})."
    )


def _against_centroid(cells: Sequence[Cell], mine: Sequence[Cell], seed: int) -> list[tuple[Value, ...]] | None:
    """Return how much better the first attributor is than the nearest centroid, for each number of references."""
    rows: list[tuple[Value, ...]] = []
    for cell in mine:
        others = [c for c in cells if _name(c) == "prompt-centroid" and c.at["k"] == cell.at["k"] and c is not cell]
        plain = [c for c in others if str(c.at["reads"]).endswith("embedding")] or others
        if not plain or _name(cell) == "prompt-centroid":
            continue
        best = max(plain, key=lambda c: c.accuracy or 0.0)
        if not np.array_equal(_images(best), _images(cell)):
            continue  # not the same images: some could not be judged by one of the two
        limits = cluster_bootstrap_difference(cell.hits, best.hits, cell.clusters, _N_BOOT, seed)
        gain = (cell.accuracy or 0.0) - (best.accuracy or 0.0)
        rows.append((_k(cell), best.accuracy, cell.accuracy, gain, *map(none_for_nan, limits)))
    return rows or None


def _compared(first: str, rows: Sequence[tuple[Value, ...]]) -> str:
    """Say whether the first attributor is better, which it is where all of the interval lies above 0."""

    def points(row: tuple[Value, ...]) -> str:
        gain, *limits = (f"{100 * float(value):+.1f}" for value in row[3:] if value is not None)
        return f"{gain} at {row[0]}" + (f", {limits[0]} to {limits[1]}" if limits else "")

    # One prompt has no interval, and shows nothing.
    better = all(row[4] is not None and float(row[4]) > 0 for row in rows)
    where = "at every number of references" if better else "beyond chance at every number of references"
    name = parse_attributor(first).info.name
    parts = "; ".join(points(row) for row in rows)
    return f"{name} is {'' if better else 'not '}better than the nearest centroid {where} (points: {parts})."


def _paper_table(cells: Sequence[Cell]) -> Table:
    rows: list[tuple[Value, ...]] = []
    for name, theirs in TOPS.items():
        own = [c for c in cells if _name(c).split(":small")[0] == name]
        own = [c for c in own if str(c.at["reads"]).endswith("embedding")] or own
        if not own:
            rows.append((name, None, None, None, None, *theirs))
            continue
        cell = max(own, key=_k)
        rows.append((_name(cell), _k(cell) or None, cell.accuracy, _top(cell, 2), _top(cell, 3), *theirs))
    return Table(
        "beside-the-paper",
        "Beside the paper's figures",
        (
            Column("attributor", "attributor"),
            Column("k", "references here", "count"),
            Column("first", "first, here", "share"),
            Column("top2", "first two, here", "share"),
            Column("top3", "first three, here", "share"),
            Column("paper", "first (paper)", "share"),
            Column("paper2", "first two (paper)", "share"),
            Column("paper3", "first three (paper)", "share"),
        ),
        tuple(rows),
        "The paper's are of 22 models with 30 references for each of 280 prompts.",
    )


def _charts(frame: Frame, cells: Sequence[Cell], mine: Sequence[Cell]) -> list[Chart]:
    charts: list[Chart] = []
    series = []
    for attributor in frame.attributors:
        own = sorted((c for c in cells if c.at["attributor"] == attributor and _k(c) != CROSS), key=_k)
        reads = {str(c.at["reads"]) for c in own}
        shown = "all" if attributor == mine[0].at["attributor"] and "all" in reads else None
        shown = shown or next((name for name in sorted(reads) if name.endswith("embedding")), "all")
        points = tuple(_point(c) for c in own if c.at["reads"] == shown)
        if points:
            series.append(Series(_name(own[0]), points))
    if any(len(line.points) > 1 for line in series):
        paper = Series("nearest centroid", tuple(Point(k, y) for k, y in BY_REFERENCES.items()), paper=True)
        chance = _chance(mine[0])
        charts.append(
            LineChart(
                "references",
                "Right model by references of each model",
                "references of each model and prompt",
                "right model",
                (*series, paper),
                () if chance is None else (Level("chance", chance),),
                log_x=True,
            )
        )
    most = max((_k(c) for c in cells), default=CROSS)
    bars = [
        Bar(f"{_name(c)}, {c.at['reads']}", c.accuracy, *c.interval, group=_name(c))
        for c in cells
        if _k(c) in (most, CROSS)
    ]
    bars += [Bar(name, tops[0], paper=True) for name, tops in TOPS.items()]
    charts.append(BarChart("attributors", f"Right model with {most} references", "right model", tuple(bars)))
    charts.append(_confusion(mine[-1], frame.label))
    return charts


def _point(cell: Cell) -> Point:
    low, high = cell.interval
    return Point(float(_k(cell)), cell.accuracy or 0.0, low, high)


def _confusion(cell: Cell, label: str) -> HeatMap:
    classes = sorted({name for table in cell.draws for name in table.classes})
    counts = np.zeros((len(classes), len(classes)))
    for table in cell.draws:
        at = np.searchsorted(classes, table.classes)
        np.add.at(counts, (at[table.y[table.known]], at[table.top[table.known]]), 1)
    total = counts.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, counts / np.maximum(total, 1), np.nan)
    return HeatMap(
        "confusion",
        f"Who is taken for whom, {_name(cell)} with {_k(cell)} references",
        label,
        "answer",
        tuple(classes),
        tuple(classes),
        tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in shares),
    )
