"""What is said and shown of attack curves: accuracy by references, and by candidates."""

from __future__ import annotations

import pyarrow as pa

from morelli.leaderboard import paper
from morelli.leaderboard.exposure._exposure_words import within
from morelli.leaderboard.exposure.curve import TOPS, AttackCurve, CurvePoint
from morelli.studies.findings import Chart, Column, Findings, Level, LineChart, Point, Series, Table, Value
from morelli.studies.section import Section
from morelli.studies.words import percent
from morelli.trials.metrics import none_for_nan

__all__ = ["curve_section"]


def curve_section(curve: AttackCurve) -> Section:
    """Return the part of the page on how accuracy grows with references and falls with candidates.

    Parameters
    ----------
    curve : AttackCurve
    """
    points = [point for point in curve.points if point.pool is None]
    pooled = [point for point in curve.points if point.pool is not None]
    first, last = curve.at(curve.ks[0]), curve.at(curve.ks[-1])
    sentences = [
        f"With {_references(last)} of each model the nearest centroid names the right one for "
        f"{percent(last.accuracy)} of 100 images ({within(last.low, last.high)}; n {last.n:,} in {curve.draws} draws; "
        f"{last.prompts} prompts; chance {percent(last.chance)})"
    ]
    if first is not last:
        sentences[0] += f", with {_references(first)} for {percent(first.accuracy)} ({within(first.low, first.high)})"
    sentences[0] += "."
    best = [curve.at(curve.ks[-1], top) for top in TOPS[1:]]
    sentences.append(
        "The right one is among the first two for "
        f"{percent(best[0].accuracy)}, among the first three for {percent(best[1].accuracy)} of 100."
    )
    ends = [point for point in pooled if point.k == curve.ks[-1] and point.top == 1]
    if ends:
        said = "; ".join(
            f"{point.pool} candidates {percent(point.accuracy)} ({within(point.low, point.high)}, chance "
            f"{percent(point.chance)})"
            for point in ends
        )
        sentences.append(f"By candidates, with as many references: {said}. All subsets of so many models count alike.")
    notes = [
        f"Distance: {curve.metric}. References of fewer are among those of more; named is "
        + ("one image of each model and prompt" if curve.queries == "one" else "every image that is no reference")
        + " in each draw.",
    ]
    for k, share in zip(curve.ks, curve.clipped.tolist(), strict=True):
        if share > 0:
            notes.append(
                f"With {k} references asked for, {percent(share)} of 100 pairs of prompt and model have fewer, since "
                f"one image is left to be named: {curve.at(k).references:.1f} in the mean."
            )
    return Section(
        name="attack-curve",
        title="Attack by references and candidates",
        question="How many references does the nearest centroid need, and how much do more candidates protect?",
        findings=Findings(
            sentences=tuple(sentences),
            tables=tuple(_table(*args) for args in _tables(points, pooled) if args[2]),
            charts=tuple(_charts(curve, points, ends)),
            notes=tuple(notes),
            values={f"top-{p.top}, {p.k} references": p.accuracy for p in points},
        ),
        long={"points": _long(curve)},
    )


def _references(point: CurvePoint) -> str:
    if point.references < point.k:
        return f"{point.k} references asked for, {point.references:.1f} there are,"
    return f"{point.k} reference{'s' if point.k > 1 else ''}"


def _tables(points: list[CurvePoint], pooled: list[CurvePoint]) -> list[tuple[str, str, list[CurvePoint]]]:
    return [
        ("references", "Accuracy by references, all candidates of a prompt", points),
        ("candidates", "Top-1 by candidates", [point for point in pooled if point.top == 1]),
    ]


def _table(name: str, title: str, points: list[CurvePoint]) -> Table:
    return Table(
        name,
        title,
        (
            Column("k", "references", "count"),
            Column("held", "in the mean", "number"),
            Column("pool", "candidates", "count"),
            Column("top", "among the first", "count"),
            Column("accuracy", "right", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("chance", "chance", "share"),
            Column("prompts", "prompts", "count"),
            Column("n", "n", "count"),
            Column("paper", "paper", "share"),
        ),
        tuple(
            (
                *(p.k, p.references, p.pool, p.top, p.accuracy, none_for_nan(p.low), none_for_nan(p.high), p.chance),
                *(p.prompts, p.n, _paper(p)),
            )
            for p in points
        ),
        "Intervals by bootstrap over prompts; n counts images times draws. The paper's figures are for 22 models and "
        "280 prompts of its own.",
    )


def _paper(point: CurvePoint) -> Value:
    if point.pool is not None:
        return paper.BY_CANDIDATES.get(point.pool) if point.k == 30 else None
    if point.top == 1:
        return paper.BY_REFERENCES.get(point.k)
    return paper.TOPS["prompt-centroid"][point.top - 1] if point.k == 30 else None


def _charts(curve: AttackCurve, points: list[CurvePoint], ends: list[CurvePoint]) -> list[Chart]:
    def drawn(some: list[CurvePoint], by: str) -> tuple[Point, ...]:
        return tuple(Point(getattr(p, by), p.accuracy, none_for_nan(p.low), none_for_nan(p.high)) for p in some)

    series = [Series(f"top-{top}", drawn([p for p in points if p.top == top], "k")) for top in TOPS]
    theirs = Series("top-1, paper", tuple(Point(k, y) for k, y in paper.BY_REFERENCES.items()), paper=True)
    charts: list[Chart] = [
        LineChart(
            "references",
            "Accuracy of the nearest centroid by references",
            "references of each model",
            "images named right",
            (*series, theirs),
            (Level("chance", points[0].chance),),
            log_x=True,
        )
    ]
    if ends:
        pools = Series("paper, 30 references", tuple(Point(x, y) for x, y in paper.BY_CANDIDATES.items()), paper=True)
        charts.append(
            LineChart(
                "candidates",
                "Accuracy of the nearest centroid by candidates",
                "candidates",
                "images named right",
                (Series(f"{curve.ks[-1]} references", drawn(ends, "pool")), pools),
            )
        )
    return charts


def _long(curve: AttackCurve) -> pa.Table:
    names = ("k", "pool", "top", "accuracy", "low", "high", "chance", "n", "prompts", "references")
    whole = {"k", "pool", "top", "n", "prompts"}
    return pa.table(
        {
            name: pa.array(
                [getattr(point, name) for point in curve.points],
                pa.int64() if name in whole else pa.float64(),
                from_pandas=True,
            )
            for name in names
        }
    )
