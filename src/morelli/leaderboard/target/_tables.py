"""Tables on one model against the rest, and how figures are written."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from morelli.leaderboard.paper import ONE_AGAINST_REST, ONE_CLASS
from morelli.leaderboard.target.measure import AREAS, Decisions, Figure, TargetResult
from morelli.leaderboard.target.rules import RULES
from morelli.studies.findings import Column, Table
from morelli.trials.metrics import none_for_nan

__all__ = [
    "area_table",
    "by_references",
    "by_target",
    "long_areas",
    "long_nearest",
    "long_rules",
    "one_class_table",
    "percent",
    "references_of",
    "three",
    "with_interval",
]

_AREA_TITLES: Final = {
    "margin": "all models accessible: nearest other's distance less the target's",
    "distance": "target only: distance to its centroid, all prompts together",
    "distance-within": "target only: the same inside each prompt, mean over prompts",
    "conformal": "target only: conformal p-value",
}


def by_references(result: TargetResult) -> Table:
    """Return the accuracy with all models accessible, by number of references."""
    d = result.nearest
    rows: list[tuple[Any, ...]] = [
        (
            f"k = {k}",
            none_for_nan(used),
            int(d.n[i, -1]),
            *three(d.accuracy, i),
            none_for_nan(d.others[i, -1]),
            *three(d.balanced, i),
            none_for_nan(d.kept.value[i, -1]),
            none_for_nan(d.refused.value[i, -1]),
            *three(result.areas["margin"], i),
        )
        for i, (k, used) in enumerate(zip(result.references, result.used, strict=True))
    ]
    rows.append(("paper, k = 30", 30.0, None, ONE_AGAINST_REST, None, None, 21 / 22, *(None,) * 8))
    return Table(
        "all-models",
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


def one_class_table(result: TargetResult, at: int) -> Table:
    """Return what rules are worth with only the target accessible, by alpha."""
    d = result.one_class
    rows: list[tuple[Any, ...]] = [
        (
            name,
            none_for_nan(alpha),
            *three(d.accuracy, (r, at, a)),
            *three(d.balanced, (r, at, a)),
            none_for_nan(d.kept.value[r, at, a, -1]),
            none_for_nan(d.refused.value[r, at, a, -1]),
        )
        for r, name in enumerate(result.rules)
        for a, alpha in enumerate(result.alphas)
    ]
    rows += [
        ("paper, k = 30", alpha, accuracy, None, None, area, None, None, None, None)
        for alpha, accuracy, area in ONE_CLASS
    ]
    return Table(
        "only-target",
        f"One model against the rest, only the target accessible, {references_of(result, at)}: mean over targets",
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
        f"Always saying no has accuracy {percent(result.nearest.others[at, -1])}. The area under the curve of one "
        "decision is the mean of kept and refused. Read so, the paper's figures and 22 models imply kept 0.93 at alpha "
        "0.80, more than that quantile keeps of new images; we do not know its protocol in full.",
    )


def by_target(result: TargetResult, at: int) -> Table:
    """Return figures for each model as the target."""
    rule, a = list(result.rules).index("conformal"), int(np.argmin(np.abs(np.asarray(result.alphas) - 0.8)))
    d, one = result.nearest, result.one_class
    rows = tuple(
        (
            name,
            int(d.n[at, t]),
            *three(d.accuracy, at, t),
            none_for_nan(d.others[at, t]),
            *three(d.balanced, at, t),
            *three(one.balanced, (rule, at, a), t),
            *three(result.areas["distance-within"], at, t),
        )
        for t, name in enumerate(result.targets)
    )
    return Table(
        "by-model",
        f"Each model as the target, {references_of(result, at)}",
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


def area_table(result: TargetResult) -> Table:
    """Return threshold-free areas by number of references."""
    rows = tuple(
        (_AREA_TITLES[name], k, *three(result.areas[name], i))
        for name in AREAS
        for i, k in enumerate(result.references)
    )
    return Table(
        "areas",
        "Threshold-free areas under the ROC curve: mean over targets",
        (Column("score", "score"), Column("references", "k", "count"), *_columns("auc", "AUC")),
        rows,
    )


def long_nearest(result: TargetResult) -> pa.Table:
    """Return all figures with all models accessible."""
    return pa.Table.from_pylist(
        [
            {"target": name, "references": k} | _row(result.nearest, (i, t))
            for i, k in enumerate(result.references)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def long_rules(result: TargetResult) -> pa.Table:
    """Return all figures with only the target accessible."""
    return pa.Table.from_pylist(
        [
            {"rule": rule, "target": name, "references": k, "alpha": alpha} | _row(result.one_class, (r, i, a, t))
            for r, rule in enumerate(result.rules)
            for i, k in enumerate(result.references)
            for a, alpha in enumerate(result.alphas)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def long_areas(result: TargetResult) -> pa.Table:
    """Return all threshold-free areas."""
    return pa.Table.from_pylist(
        [
            {"score": score, "target": name, "references": k}
            | dict(zip(("auc", "low", "high"), three(result.areas[score], i, t), strict=True))
            for score in AREAS
            for i, k in enumerate(result.references)
            for t, name in enumerate((*result.targets, "(mean)"))
        ]
    )


def _row(d: Decisions, at: tuple[int, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": int(d.n[at]), "always_no": none_for_nan(d.others[at])}
    for name in ("accuracy", "balanced", "kept", "refused"):
        value, low, high = three(getattr(d, name), at[:-1], at[-1])
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row


def three(
    figure: Figure, at: int | tuple[int, ...], target: int = -1
) -> tuple[float | None, float | None, float | None]:
    """Return a figure with its limits, None where there is none."""
    where = (*at, target) if isinstance(at, tuple) else (at, target)
    low, high = figure.interval[where]
    return none_for_nan(figure.value[where]), none_for_nan(low), none_for_nan(high)


def _columns(name: str, title: str) -> tuple[Column, Column, Column]:
    return Column(name, title, "share"), Column(f"{name}_low", "low", "share"), Column(f"{name}_high", "high", "share")


def percent(value: float) -> str:
    """Return a share in words."""
    return "none" if np.isnan(value) else f"{value:.1%}"


def with_interval(figure: Figure, at: int | tuple[int, ...]) -> str:
    """Return a share with its interval in words."""
    value, low, high = three(figure, at)
    if value is None:
        return "none"
    return f"{value:.1%}" + ("" if low is None or high is None else f" ({low:.1%} to {high:.1%})")


def references_of(result: TargetResult, at: int) -> str:
    """Return the number of references in words."""
    k = result.references[at]
    return f"{k} reference{'s' if k > 1 else ''} for each prompt"
