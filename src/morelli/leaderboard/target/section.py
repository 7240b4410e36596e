"""What an operator is told about one model against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from morelli.leaderboard.paper import ONE_AGAINST_REST, ONE_CLASS
from morelli.leaderboard.target._tables import (
    area_table,
    by_references,
    by_target,
    long_areas,
    long_nearest,
    long_rules,
    one_class_table,
    percent,
    references_of,
    three,
    with_interval,
)
from morelli.leaderboard.target.measure import AREAS, Figure, TargetResult
from morelli.studies.findings import Bar, BarChart, Findings, Level, LineChart, Point, Series
from morelli.studies.section import Section
from morelli.trials.metrics import none_for_nan

__all__ = ["target_section"]


def target_section(result: TargetResult) -> Section:
    """Return the section for a result of :func:`measure_targets`."""
    last = len(result.references) - 1
    best = _best_rule(result, last)
    sentences = [_first_sentence(result, last)]
    if best is None:
        sentences.append("With the target's references only nothing is decided: one reference has no spread.")
    else:
        sentences.append(_one_class_sentence(result, last, *best))
        sentences.append(_kept_sentence(result))
    tables = (by_references(result), one_class_table(result, last), by_target(result, last), area_table(result))
    charts = (_all_chart(result), *_one_class_charts(result, last), _target_chart(result, last))
    findings = Findings(
        sentences=tuple(sentences),
        tables=tables,
        charts=charts,
        notes=_notes(result),
        values=_values(result, last, best),
    )
    return Section(
        name="target",
        title="One model against the rest",
        question="How well is one model recognised, with references of all models and with its own only?",
        findings=findings,
        long={
            "nearest": long_nearest(result),
            "one-class": long_rules(result),
            "areas": long_areas(result),
        },
    )


def _first_sentence(result: TargetResult, at: int) -> str:
    d = result.nearest
    return (
        f"With {references_of(result, at)} of every model, the nearest centroid says rightly whether an image is by "
        f"one certain model in {with_interval(d.accuracy, at)} of {int(d.n[at, -1]):,} decisions (always saying no: "
        f"{percent(d.others[at, -1])}; balanced {with_interval(d.balanced, at)}, chance 50%)."
    )


def _one_class_sentence(result: TargetResult, at: int, r: int, a: int) -> str:
    d = result.one_class
    here = (r, at, a)
    kept, refused = d.kept.value[(*here, -1)], d.refused.value[(*here, -1)]
    return (
        f"With {references_of(result, at)} of this model only, the best rule ({result.rules[r]} at alpha "
        f"{result.alphas[a]:g}, chosen on these images) has balanced accuracy {with_interval(d.balanced, here)}: "
        f"it keeps {percent(kept)} of the model's images and refuses {percent(refused)} of the others'."
    )


def _kept_sentence(result: TargetResult) -> str:
    a = int(np.argmin(np.abs(np.asarray(result.alphas) - 0.8)))
    kept, rules = result.one_class.kept.value[:, :, a, -1], list(result.rules)
    told = [
        f"{percent(kept[rules.index('own'), i])} by the paper's rule, {percent(kept[rules.index('left-out'), i])} with "
        f"references left out and {percent(kept[rules.index('conformal'), i])} by the conformal rule at k = {k}"
        for i, k in enumerate(result.references)
        if not np.isnan(kept[rules.index("conformal"), i])
    ]
    return (
        f"At alpha {result.alphas[a]:g}, {result.alphas[a]:.0%} of a model's images should be kept, and are: "
        + "; ".join(told)
        + "."
    )


def _best_rule(result: TargetResult, at: int) -> tuple[int, int] | None:
    values = result.one_class.balanced.value[:, at, :, -1]
    if np.isnan(values).all():
        return None
    r, a = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return int(r), int(a)


def _all_chart(result: TargetResult) -> LineChart:
    d = result.nearest
    level = float(d.others[-1, -1])
    return LineChart(
        "accuracy",
        "One model against the rest, all models accessible",
        "references of each model and prompt",
        "share right",
        (
            Series("accuracy at the leaderboard's base rate", _points(result.references, d.accuracy)),
            Series("balanced accuracy", _points(result.references, d.balanced)),
            Series("paper: accuracy", (Point(30.0, ONE_AGAINST_REST),), paper=True),
        ),
        (Level("balanced chance", 0.5), Level("always no", level)),
        log_x=True,
    )


def _one_class_charts(result: TargetResult, at: int) -> tuple[LineChart, LineChart]:
    d = result.one_class
    lines = [
        tuple(Series(name, _points(result.alphas, figure, (r, at))) for r, name in enumerate(result.rules))
        for figure in (d.balanced, d.kept)
    ]
    paper = Series("paper: AUC at alpha", tuple(Point(alpha, area) for alpha, _, area in ONE_CLASS), paper=True)
    wanted = Series("as asked", tuple(Point(alpha, alpha) for alpha in result.alphas))
    return (
        LineChart(
            "alpha",
            f"Only the target accessible, {references_of(result, at)}",
            "alpha",
            "balanced accuracy",
            (*lines[0], paper),
            (Level("chance", 0.5),),
        ),
        LineChart(
            "kept",
            f"Share of the target's own images that is kept, {references_of(result, at)}",
            "alpha",
            "share kept",
            (*lines[1], wanted),
        ),
    )


def _target_chart(result: TargetResult, at: int) -> BarChart:
    bars = []
    for group, figure in (
        ("all models accessible", result.areas["margin"]),
        ("target only", result.areas["distance-within"]),
    ):
        for t, name in enumerate(result.targets):
            value, low, high = three(figure, at, t)
            bars.append(Bar(name, value, low, high, group))
    return BarChart(
        "models",
        f"How well each model is told from the rest, {references_of(result, at)}",
        "area under the ROC curve",
        tuple(bars),
        (Level("chance", 0.5),),
    )


def _notes(result: TargetResult) -> tuple[str, ...]:
    return (
        *result.notes,
        f"{result.n_draws} draws (seed {result.seed}); each judges one image of each model for {result.n_prompts} "
        "prompts. Intervals are 95%, by bootstrap over prompts; images of one prompt in several draws are no "
        "independent evidence, and the bootstrap does not take them for it.",
        "Conformal p-values hold where the judged prompt is like the target's other prompts (exchangeable); p cannot "
        f"be below 1 in {result.n_prompts}, so that with few prompts an alpha near 1 refuses nothing.",
    )


def _values(result: TargetResult, at: int, best: tuple[int, int] | None) -> dict[str, Any]:
    d = result.nearest
    values: dict[str, Any] = {
        "references": list(result.references),
        "targets": list(result.targets),
        "n": int(d.n[at, -1]),
        "n_prompts": result.n_prompts,
        "accuracy": [none_for_nan(x) for x in d.accuracy.value[:, -1]],
        "balanced": [none_for_nan(x) for x in d.balanced.value[:, -1]],
        "always_no": [none_for_nan(x) for x in d.others[:, -1]],
        "areas": {name: [none_for_nan(x) for x in result.areas[name].value[:, -1]] for name in AREAS},
        "kept": {
            name: [[none_for_nan(x) for x in row] for row in result.one_class.kept.value[r, :, :, -1]]
            for r, name in enumerate(result.rules)
        },
        "alphas": list(result.alphas),
    }
    if best is not None:
        r, a = best
        values["best_one_class"] = {
            "rule": result.rules[r],
            "alpha": result.alphas[a],
            "balanced": none_for_nan(result.one_class.balanced.value[r, at, a, -1]),
        }
    return values


def _points(xs: tuple[float, ...], figure: Figure, before: tuple[int, ...] = ()) -> tuple[Point, ...]:
    points = []
    for i, x in enumerate(xs):
        value, low, high = three(figure, (*before, i))
        if value is not None:
            points.append(Point(float(x), value, low, high))
    return tuple(points)
