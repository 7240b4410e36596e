"""The confusion matrix, ordered so that relatives stand together."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from morelli.report._svg import ACCENT, ERROR, INK, LINE, MUTED, ON_STRONG, new_figure, plain, styled, to_svg
from morelli.report._text import lineage_order, number, shorten
from morelli.trials import Metrics

__all__ = ["confusion_figure"]

_WIDTH = 1080.0
_SIDE = 760.0
_NUMBERS_UP_TO = 12


@styled()
def confusion_figure(metrics: Metrics) -> str:
    """Draw true models in rows, answers in columns; the shade is the share of the row.

    Up to 12 candidates columns carry names and cells counts; beyond, columns carry the row numbers, and a cell's counts
    show on hovering.
    """
    order = lineage_order([c.model for c in metrics.per_class], [c.lineage for c in metrics.per_class])
    classes = [metrics.per_class[i] for i in order]
    counts = np.array(metrics.confusion, dtype=np.int64)[np.ix_(order, order)]
    k = len(classes)
    few = k <= _NUMBERS_UP_TO
    rows = [shorten(c.model, 40) for c in classes]
    if not few:
        rows = [f"{name}\u2002{i + 1}" for i, name in enumerate(rows)]
    groups = _groups([c.lineage for c in classes])
    beside = [shorten(name, 30) if name is not None else "" for name, _, _ in groups]

    font = 11.0 if k <= 45 else 9.0
    left = 14 + 0.58 * font * max(len(row) for row in rows)
    right = 24 + 0.58 * font * max(len(name) for name in beside)
    below = 12 + 0.42 * font * min(22, max(len(c.model) for c in classes)) if few else 20.0
    cell = min(58.0, _SIDE / k, (_WIDTH - left - right) / k)
    font = min(font, 0.92 * cell)
    side, above = cell * k, 34.0
    width, height = left + side + right, above + side + below + 22
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, (below + 22) / height, side / width, side / height))
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5))
    axes.patch.set_alpha(0.0)
    for spine in axes.spines.values():
        spine.set_color(LINE)

    from matplotlib.patches import Rectangle

    for _, start, stop in groups:
        span = stop - start
        if span > 1:
            block = Rectangle(
                (start - 0.5, start - 0.5), span, span, fill=False, edgecolor=MUTED, linewidth=1.4, zorder=3
            )
            axes.add_patch(block)
        if stop < k:
            axes.axhline(stop - 0.5, color=LINE, linewidth=0.8)
            axes.axvline(stop - 0.5, color=LINE, linewidth=0.8)
    tips: dict[str, str] = {}
    support = counts.sum(axis=1)
    gap = 0.05 if cell > 12 else 0.0
    for i, j in zip(*np.nonzero(counts), strict=True):
        share = counts[i, j] / support[i]
        colour = ACCENT if i == j else ERROR
        gid = f"cell{i}x{j}"
        corner = (j - 0.5 + gap / 2, i - 0.5 + gap / 2)
        alpha = 0.18 + 0.82 * share
        axes.add_patch(Rectangle(corner, 1 - gap, 1 - gap, facecolor=colour, alpha=alpha, linewidth=0, gid=gid))
        said = "named right" if i == j else f"called {classes[j].model}"
        tips[gid] = f"{classes[i].model}: {number(int(counts[i, j]))} of {number(int(support[i]))} {said}"
        if few:
            tone = ON_STRONG if share > 0.68 else INK
            axes.text(j, i, str(counts[i, j]), color=tone, fontsize=11, ha="center", va="center")
    axes.set_yticks(range(k), rows, fontsize=font)
    if few:
        names = [shorten(c.model, 22) for c in classes]
        axes.set_xticks(range(k), names, fontsize=font, rotation=35, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(range(k), [str(i + 1) for i in range(k)], fontsize=min(font, 0.62 * cell, 10.0))
    axes.tick_params(length=0, pad=5, labelcolor=INK)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        plain(label)
    for (_, start, stop), name in zip(groups, beside, strict=True):
        middle = (start + stop - 1) / 2
        plain(axes.text(k - 0.5 + 9 / cell, middle, name, color=MUTED, fontsize=font, ha="left", va="center"))
        if name:
            x = k - 0.5 + 4 / cell
            axes.plot([x, x], [start - 0.36, stop - 0.64], color=MUTED, linewidth=1.2, clip_on=False)
    note: dict[str, Any] = {"color": MUTED, "fontsize": 11, "va": "bottom"}
    axes.text(-0.5, -0.5 - 10 / cell, "answered →", ha="left", **note)
    axes.text(-0.5 - 6 / cell, -0.5 - 10 / cell, "true ↓", ha="right", **note)
    if any(beside):
        axes.text(k - 0.5 + 4 / cell, -0.5 - 10 / cell, "lineage", ha="left", **note)
    description = (
        f"{k} candidates in {len(groups)} lineages; {int(np.trace(counts))} of {int(counts.sum())} images named right."
    )
    return to_svg(figure, "confusion", "Confusion matrix", description, tips)


def _groups(lineages: list[str | None]) -> list[tuple[str | None, int, int]]:
    """Return runs of one lineage as (name, start, stop); every candidate without a lineage is its own run."""
    runs: list[tuple[str | None, int, int]] = []
    for (lineage, _), members in groupby(
        enumerate(lineages), key=lambda item: (item[1], item[0] if item[1] is None else -1)
    ):
        positions = [i for i, _ in members]
        runs.append((lineage, positions[0], positions[-1] + 1))
    return runs
