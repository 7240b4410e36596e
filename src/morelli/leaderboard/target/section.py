"""What an operator is told about one model against the rest."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from morelli.leaderboard.section import Section
from morelli.leaderboard.target.measure import AREAS, Decisions, Figure, TargetResult
from morelli.leaderboard.target.rules import RULES
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, LineChart, Point, Series, Table

__all__ = ["PAPER_ALL", "PAPER_ONE_CLASS", "target_section"]

PAPER_ALL: Final = 0.9916
"""Naseh et al. 2026: accuracy of one against the rest with all of 22 models accessible, 30 references."""

PAPER_ONE_CLASS: Final = ((0.80, 0.926, 0.928), (0.95, 0.841, 0.916))
"""The same with only the target accessible: alpha, accuracy, AUC."""

_AREA_TITLES: Final = {
    "margin": "all models accessible: nearest other's distance less the target's",
    "distance": "target only: distance to its centroid, all prompts together",
    "distance-within": "target only: the same inside each prompt, mean over prompts",
    "conformal": "target only: conformal p-value",
}


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
    tables = (_by_references(result), _one_class_table(result, last), _by_target(result, last), _area_table(result))
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
            "target_nearest": _long_nearest(result),
            "target_one_class": _long_rules(result),
            "target_areas": _long_areas(result),
        },
    )


def _first_sentence(result: TargetResult, at: int) -> str:
    d = result.nearest
    return (
        f"With {_k(result, at)} of every model, the nearest centroid says rightly whether an image is by one certain "
        f"model in {_ci(d.accuracy, at)} of {int(d.n[at, -1]):,} decisions (always saying no: {_pc(d.others[at, -1])}; "
        f"balanced {_ci(d.balanced, at)}, chance 50%)."
    )


def _one_class_sentence(result: TargetResult, at: int, r: int, a: int) -> str:
    d = result.one_class
    here = (r, at, a)
    kept, refused = d.kept.value[(*here, -1)], d.refused.value[(*here, -1)]
    return (
        f"With {_k(result, at)} of this model only, the best rule ({result.rules[r]} at alpha {result.alphas[a]:g}, "
        f"chosen on these images) has balanced accuracy {_ci(d.balanced, here)}: it keeps {_pc(kept)} of "
        f"the model's images and refuses {_pc(refused)} of the others'."
    )


def _kept_sentence(result: TargetResult) -> str:
    a = int(np.argmin(np.abs(np.asarray(result.alphas) - 0.8)))
    kept, rules = result.one_class.kept.value[:, :, a, -1], list(result.rules)
    told = [
        f"{_pc(kept[rules.index('own'), i])} by the paper's rule, {_pc(kept[rules.index('left-out'), i])} with "
        f"references left out and {_pc(kept[rules.index('conformal'), i])} by the conformal rule at k = {k}"
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


def _by_references(result: TargetResult) -> Table:
    d = result.nearest
    rows: list[tuple[Any, ...]] = [
        (
            f"k = {k}",
            _v(used),
            int(d.n[i, -1]),
            *_three(d.accuracy, i),
            _v(d.others[i, -1]),
            *_three(d.balanced, i),
            _v(d.kept.value[i, -1]),
            _v(d.refused.value[i, -1]),
            *_three(result.areas["margin"], i),
        )
        for i, (k, used) in enumerate(zip(result.references, result.used, strict=True))
    ]
    rows.append(("paper, k = 30", 30.0, None, PAPER_ALL, None, None, 21 / 22, *(None,) * 8))
    return Table(
        "target-all-models",
        "One model against the rest, all models accessible: mean over targets",
        (
            Column("references", "references"),
            Column("used", "mean number", "number"),
            Column("n", "decisions", "count"),
            *_columns("accuracy", "accuracy"),
            Column("others", "always no", "share"),
            *_columns("balanced", "balanced"),
            Column("kept", "kept", "share"),
            Column("refused", "refused", "share"),
            *_columns("auc", "AUC of the margin"),
        ),
        tuple(rows),
        "An image is the target's if the target's centroid is the nearest. Accuracy is at the leaderboard's base rate, "
        "one image by the target for one by each other model of the prompt; balanced is the mean of kept and refused.",
    )


def _one_class_table(result: TargetResult, at: int) -> Table:
    d = result.one_class
    rows: list[tuple[Any, ...]] = [
        (
            name,
            _v(alpha),
            *_three(d.accuracy, (r, at, a)),
            *_three(d.balanced, (r, at, a)),
            _v(d.kept.value[r, at, a, -1]),
            _v(d.refused.value[r, at, a, -1]),
        )
        for r, name in enumerate(result.rules)
        for a, alpha in enumerate(result.alphas)
    ]
    rows += [
        ("paper, k = 30", alpha, accuracy, None, None, area, None, None, None, None)
        for alpha, accuracy, area in PAPER_ONE_CLASS
    ]
    return Table(
        "target-only",
        f"One model against the rest, only the target accessible, {_k(result, at)}: mean over targets",
        (
            Column("rule", "rule"),
            Column("alpha", "alpha", "share"),
            *_columns("accuracy", "accuracy"),
            *_columns("auc", "balanced = AUC at alpha"),
            Column("kept", "kept", "share"),
            Column("refused", "refused", "share"),
        ),
        tuple(rows),
        "; ".join(f"{rule.name}: {rule.title}" for rule in RULES.values()) + ". "
        f"Always saying no has accuracy {_pc(result.nearest.others[at, -1])}. The area under the curve of one "
        "decision is the mean of kept and refused. Read so, the paper's figures and 22 models imply kept 0.93 at alpha "
        "0.80, more than that quantile keeps of new images; we do not know its protocol in full.",
    )


def _by_target(result: TargetResult, at: int) -> Table:
    rule, a = list(result.rules).index("conformal"), int(np.argmin(np.abs(np.asarray(result.alphas) - 0.8)))
    d, one = result.nearest, result.one_class
    rows = tuple(
        (
            name,
            int(d.n[at, t]),
            *_three(d.accuracy, at, t),
            _v(d.others[at, t]),
            *_three(d.balanced, at, t),
            *_three(one.balanced, (rule, at, a), t),
            *_three(result.areas["distance-within"], at, t),
        )
        for t, name in enumerate(result.targets)
    )
    return Table(
        "target-by-model",
        f"Each model as the target, {_k(result, at)}",
        (
            Column("target", "target"),
            Column("n", "decisions", "count"),
            *_columns("accuracy", "all: accuracy"),
            Column("others", "always no", "share"),
            *_columns("balanced", "all: balanced"),
            *_columns("conformal", f"only: balanced, conformal at {result.alphas[a]:g}"),
            *_columns("auc", "only: AUC of the distance inside prompts"),
        ),
        rows,
    )


def _area_table(result: TargetResult) -> Table:
    rows = tuple(
        (_AREA_TITLES[name], k, *_three(result.areas[name], i))
        for name in AREAS
        for i, k in enumerate(result.references)
    )
    return Table(
        "target-areas",
        "Threshold-free areas under the ROC curve: mean over targets",
        (Column("score", "score"), Column("references", "k", "count"), *_columns("auc", "AUC")),
        rows,
    )


def _all_chart(result: TargetResult) -> LineChart:
    d = result.nearest
    level = float(d.others[-1, -1])
    return LineChart(
        "target-accuracy",
        "One model against the rest, all models accessible",
        "references of each model and prompt",
        "share right",
        (
            Series("accuracy at the leaderboard's base rate", _points(result.references, d.accuracy)),
            Series("balanced accuracy", _points(result.references, d.balanced)),
            Series("paper: accuracy", (Point(30.0, PAPER_ALL),), paper=True),
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
    paper = Series("paper: AUC at alpha", tuple(Point(alpha, area) for alpha, _, area in PAPER_ONE_CLASS), paper=True)
    wanted = Series("as asked", tuple(Point(alpha, alpha) for alpha in result.alphas))
    return (
        LineChart(
            "target-alpha",
            f"Only the target accessible, {_k(result, at)}",
            "alpha",
            "balanced accuracy",
            (*lines[0], paper),
            (Level("chance", 0.5),),
        ),
        LineChart(
            "target-kept",
            f"Share of the target's own images that is kept, {_k(result, at)}",
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
            value, low, high = _three(figure, at, t)
            bars.append(Bar(name, value, low, high, group))
    return BarChart(
        "target-models",
        f"How well each model is told from the rest, {_k(result, at)}",
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
        "accuracy": [_v(x) for x in d.accuracy.value[:, -1]],
        "balanced": [_v(x) for x in d.balanced.value[:, -1]],
        "always_no": [_v(x) for x in d.others[:, -1]],
        "areas": {name: [_v(x) for x in result.areas[name].value[:, -1]] for name in AREAS},
        "kept": {
            name: [[_v(x) for x in row] for row in result.one_class.kept.value[r, :, :, -1]]
            for r, name in enumerate(result.rules)
        },
        "alphas": list(result.alphas),
    }
    if best is not None:
        r, a = best
        values["best_one_class"] = {
            "rule": result.rules[r],
            "alpha": result.alphas[a],
            "balanced": _v(result.one_class.balanced.value[r, at, a, -1]),
        }
    return values


def _long_nearest(result: TargetResult) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"target": name, "references": k} | _row(result.nearest, (i, t))
            for i, k in enumerate(result.references)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def _long_rules(result: TargetResult) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"rule": rule, "target": name, "references": k, "alpha": alpha} | _row(result.one_class, (r, i, a, t))
            for r, rule in enumerate(result.rules)
            for i, k in enumerate(result.references)
            for a, alpha in enumerate(result.alphas)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def _long_areas(result: TargetResult) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"score": score, "target": name, "references": k}
            | dict(zip(("auc", "low", "high"), _three(result.areas[score], i, t), strict=True))
            for score in AREAS
            for i, k in enumerate(result.references)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def _row(d: Decisions, at: tuple[int, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": int(d.n[at]), "always_no": _v(d.others[at])}
    for name in ("accuracy", "balanced", "kept", "refused"):
        value, low, high = _three(getattr(d, name), at[:-1], at[-1])
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row


def _points(xs: tuple[float, ...], figure: Figure, before: tuple[int, ...] = ()) -> tuple[Point, ...]:
    points = []
    for i, x in enumerate(xs):
        value, low, high = _three(figure, (*before, i))
        if value is not None:
            points.append(Point(float(x), value, low, high))
    return tuple(points)


def _three(
    figure: Figure, at: int | tuple[int, ...], target: int = -1
) -> tuple[float | None, float | None, float | None]:
    where = (*at, target) if isinstance(at, tuple) else (at, target)
    low, high = figure.interval[where]
    return _v(figure.value[where]), _v(low), _v(high)


def _columns(name: str, title: str) -> tuple[Column, Column, Column]:
    return Column(name, title, "share"), Column(f"{name}_low", "low", "share"), Column(f"{name}_high", "high", "share")


def _v(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _pc(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.1%}"


def _ci(figure: Figure, at: int | tuple[int, ...]) -> str:
    value, low, high = _three(figure, at)
    if value is None:
        return "none"
    return f"{value:.1%}" + ("" if low is None or high is None else f" ({low:.1%} to {high:.1%})")


def _k(result: TargetResult, at: int) -> str:
    k = result.references[at]
    return f"{k} reference{'s' if k > 1 else ''} for each prompt"
