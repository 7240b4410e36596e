"""What an operator is told about the cost of an attack."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from morelli.leaderboard.costs.allocation import Allocation
from morelli.leaderboard.costs.curve import Needed
from morelli.leaderboard.costs.measure import CostResult
from morelli.leaderboard.costs.paper import RECONSTRUCTIONS
from morelli.studies.findings import Column, Findings, Level, LineChart, Point, Series, Table
from morelli.studies.section import Section

__all__ = ["cost_section"]


def cost_section(result: CostResult) -> Section:
    """Return the section for a result of :func:`measure_costs`."""
    sentences = [_needed_sentence(result, share, found) for share, found in result.needed.items()]
    if not sentences:
        k, cost = list(result.costs.items())[-1]
        sentences.append(
            f"Naming one image among {len(result.models)} models costs {_money(result, cost)} with {_k(k)} of each; "
            "what accuracy that buys is not known without a measured curve."
        )
    sentences += [_allocation_sentence(result, one) for one in result.allocations]
    charts = (_frontier(result),) if result.curve is not None else ()
    findings = Findings(
        sentences=tuple(sentences),
        tables=(
            _table(result),
            *([_needed_table(result)] if result.needed else []),
            *(_allocation_table(result, i, one) for i, one in enumerate(result.allocations)),
            _paper_table(),
        ),
        charts=charts,
        notes=_notes(result),
        values=_values(result),
    )
    return Section(
        name="cost",
        title="What naming an image costs",
        question="What does an attacker pay, and what is the cheapest way to a wanted accuracy?",
        findings=findings,
        long={"frontier": _long(result)},
    )


def _needed_sentence(result: CostResult, wanted: float, found: Needed) -> str:
    assert result.curve is not None
    if found.references is None:
        k = result.curve.references[-1]
        best = float(result.curve.at(result.curve.accuracy).max())
        return (
            f"An accuracy of {wanted:.0%} is not reached: {_k(k)} of each of {len(result.models)} models, the most "
            f"that was measured, give {best:.1%} for {_money(result, result.cost(k))} an image."
        )
    k = found.references
    low = "" if found.low is None else f"at least {found.low}"
    high = "not surely with any number that was measured" if found.high is None else f"surely {found.high}"
    limits = "" if all(math.isnan(v) for v in result.curve.low) else f" (within the interval {low}, {high})"
    return (
        f"An accuracy of {wanted:.0%} needs {_k(k)}{limits} of each of {len(result.models)} models, "
        f"{_money(result, result.cost(k))} for each image that is named."
    )


def _allocation_sentence(result: CostResult, one: Allocation) -> str:
    last = one.steps[-1]
    if not one.reached:
        return (
            f"No allocation by model reaches {one.wanted:.0%}: the most that the search found is {last.accuracy:.1%} "
            f"for {_money(result, last.cost)}."
        )
    than = (
        ""
        if one.uniform is None
        else f", against {_money(result, one.uniform.cost)} for {max(one.uniform.references)} of each"
    )
    value, low, high = one.honest
    held = (
        ""
        if math.isnan(value)
        else (
            f"; allocations chosen on half of the prompts give {value:.1%} ({low:.1%} to {high:.1%}) on the other half"
        )
    )
    return f"Different numbers by model reach {one.wanted:.0%} for {_money(result, last.cost)}{than}{held}."


def _table(result: CostResult) -> Table:
    rows = []
    for i, (k, cost) in enumerate(result.costs.items()):
        a = None if result.curve is None else result.curve.accuracy[i]
        low, high = (None, None) if result.curve is None else (_v(result.curve.low[i]), _v(result.curve.high[i]))
        rows.append((k, _money(result, cost), a, low, high, _money(result, cost / a) if a else None))
    return Table(
        "references",
        f"Cost of naming one image among {len(result.models)} models, by number of references",
        (
            Column("references", "references of each", "count"),
            Column("cost", "per image"),
            Column("accuracy", "accuracy", "share"),
            Column("low", "low", "share"),
            Column("high", "high", "share"),
            Column("cost_right", "per image named right"),
        ),
        tuple(rows),
        f"Sum over candidates of references times price, shared by {result.judged:g} judged image"
        f"{'' if result.judged == 1 else 's'} for each prompt.",
    )


def _needed_table(result: CostResult) -> Table:
    rows = []
    for wanted, found in result.needed.items():
        numbers = (found.references, found.low, found.high)
        told = [("not reached", "") if k is None else (str(k), _money(result, result.cost(k))) for k in numbers]
        rows.append((wanted, *told[0], *told[1], *told[2]))
    return Table(
        "needed",
        "The cheapest number of references for a wanted accuracy",
        (
            Column("wanted", "wanted accuracy", "share"),
            Column("references", "references"),
            Column("cost", "per image"),
            Column("low", "at least"),
            Column("low_cost", "per image"),
            Column("high", "surely"),
            Column("high_cost", "per image"),
        ),
        tuple(rows),
        "Read off the measured curve, made monotone and interpolated in the logarithm of the number; beyond the "
        "largest number nothing is said. At least and surely: by the curve's upper and lower 95% limit.",
    )


def _allocation_table(result: CostResult, number: int, one: Allocation) -> Table:
    last = one.steps[-1].references
    rows = tuple(
        (
            name,
            k,
            _money(result, result.prices.price(name)),
            _money(result, k * result.prices.price(name) / result.judged),
        )
        for name, k in zip(one.models, last, strict=True)
    )
    return Table(
        f"allocation-{number + 1}",
        f"References by model for an accuracy of {one.wanted:.0%}" + ("" if one.reached else ": not reached"),
        (
            Column("model", "model"),
            Column("references", "references", "count"),
            Column("price", "price of an image"),
            Column("cost", "share of the cost"),
        ),
        rows,
        "By a greedy search: each step goes where it gains most for its cost. Other allocations may be cheaper.",
    )


def _paper_table() -> Table:
    rows = tuple(
        (
            one.version,
            f"{one.stated:.2f}",
            f"{one.cost:.2f}",
            one.models,
            one.priced,
            f"{one.price:g}",
            one.references,
            one.why,
        )
        for one in RECONSTRUCTIONS
    )
    return Table(
        "paper",
        "The paper's costs of one image, and assumptions that give them",
        (
            Column("version", "version"),
            Column("stated", "paper, $"),
            Column("cost", "calculated, $"),
            Column("models", "models", "count"),
            Column("priced", "that cost something", "count"),
            Column("price", "each image, $"),
            Column("references", "references", "count"),
            Column("why", "why"),
        ),
        rows,
        "A reconstruction of ours: the paper states the sums, and no prices that we know of. Other assumptions give "
        "the same sums.",
    )


def _frontier(result: CostResult) -> LineChart:
    assert result.curve is not None
    points = tuple(
        Point(result.costs[k], a, _v(low), _v(high))
        for k, a, low, high in zip(
            result.curve.references, result.curve.accuracy, result.curve.low, result.curve.high, strict=True
        )
    )
    series = [Series("the same number of every model", points)]
    for one in result.allocations:
        best: dict[float, float] = {}
        for step in one.steps:
            best[step.cost] = max(step.accuracy, best.get(step.cost, 0.0))
        line = tuple(Point(cost, share) for cost, share in sorted(best.items()))
        series.append(Series(f"numbers by model, for {one.wanted:.0%}", line))
    xs = [point.x for one in series for point in one.points]
    return LineChart(
        "frontier",
        "Accuracy against the cost of naming one image",
        f"{result.prices.currency} for each image",
        "share named right",
        tuple(series),
        tuple(Level("wanted", wanted) for wanted in result.needed),
        log_x=min(xs) > 0 and max(xs) > 5 * min(xs),
    )


def _notes(result: CostResult) -> tuple[str, ...]:
    free = [name for name in result.models if result.prices.price(name) == 0]
    notes = ["Only images that are bought are counted: embedding them takes seconds on a processor."]
    if free:
        notes.append(f"{len(free)} of {len(result.models)} models are taken to cost nothing: {', '.join(free)}.")
    unlisted = [name for name in result.models if name not in result.prices.of]
    if unlisted:
        notes.append(f"The default price stands for {len(unlisted)} models that are not listed: {', '.join(unlisted)}.")
    if result.prices.note:
        notes.append(f"Prices: {result.prices.note}.")
    if result.allocations:
        notes.append(
            "Allocations count a number of references for every prompt, also where the catalog has fewer images to "
            "measure it with."
        )
    return tuple(notes)


def _values(result: CostResult) -> dict[str, Any]:
    return {
        "models": list(result.models),
        "currency": result.prices.currency,
        "judged": result.judged,
        "costs": {str(k): cost for k, cost in result.costs.items()},
        "needed": {
            f"{wanted:g}": {
                name: None if k is None else {"references": k, "cost": result.cost(k)}
                for name, k in (("best", found.references), ("at_least", found.low), ("surely", found.high))
            }
            for wanted, found in result.needed.items()
        },
        "allocations": [
            {
                "wanted": one.wanted,
                "reached": one.reached,
                "references": dict(one.of),
                "cost": one.steps[-1].cost,
                "accuracy": one.steps[-1].accuracy,
                "accuracy_held_out": [_v(x) for x in one.honest],
                "uniform_cost": None if one.uniform is None else one.uniform.cost,
                "n": one.n,
            }
            for one in result.allocations
        ],
        "paper": [{"version": one.version, "stated": one.stated, "calculated": one.cost} for one in RECONSTRUCTIONS],
    }


def _long(result: CostResult) -> pa.Table:
    curve = result.curve
    rows: list[dict[str, Any]] = [
        {
            "kind": "equal",
            "references": str(k),
            "cost": cost,
            "accuracy": None if curve is None else curve.accuracy[i],
            "low": None if curve is None else _v(curve.low[i]),
            "high": None if curve is None else _v(curve.high[i]),
        }
        for i, (k, cost) in enumerate(result.costs.items())
    ]
    for one in result.allocations:
        rows += [
            {
                "kind": f"by model for {one.wanted:g}",
                "references": " ".join(map(str, step.references)),
                "cost": step.cost,
                "accuracy": step.accuracy,
                "low": None,
                "high": None,
            }
            for step in one.steps
        ]
    schema = pa.schema(
        [
            ("kind", pa.string()),
            ("references", pa.string()),
            *((n, pa.float64()) for n in ("cost", "accuracy", "low", "high")),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _money(result: CostResult, value: float) -> str:
    digits = 2 if value >= 0.995 or value == 0 else 4
    text = f"{value:,.{digits}f}"
    return f"${text}" if result.prices.currency == "USD" else f"{text} {result.prices.currency}"


def _k(k: int) -> str:
    return f"{k} reference{'s' if k > 1 else ''}"


def _v(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
