"""Bar charts of studies: horizontal, the first above, a paper's hollow and grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from morelli.report._axes import COLOURS, DASHES, dress, level_line, name_rows, note, whisker
from morelli.report._study_drawing import (
    ROW,
    Drawing,
    Key,
    as_paper,
    blank,
    draw_legend,
    finite,
    legend_rows,
    level_name,
    listed,
    words_width,
)
from morelli.report._svg import INK, MUTED, new_figure, plain
from morelli.report._text import NOTHING, number, per_hundred, shorten, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morelli.studies.findings import Bar, BarChart, Level

__all__ = ["draw_bars"]

_WIDTH, _BELOW, _RIGHT = 1080.0, 46.0, 46.0
_MOST = 1000
_TIER = 15.0


def draw_bars(chart: BarChart) -> Drawing:
    """Draw a bar chart; to be called within `styled`."""
    bars = chart.bars[:_MOST]
    if not any(finite(bar.value) is not None for bar in bars):
        return blank("Nothing to draw: no bar of this figure was measured.")
    n = len(bars)
    pitch, font = (30.0, 11.0) if n <= 30 else (20.0, 10.0) if n <= 90 else (14.0, 9.0)
    names = [_name(bar) for bar in bars]
    left = 20.0 + max(words_width(name, font) for name in names)
    panel = _WIDTH - left - _RIGHT
    groups = list(dict.fromkeys(bar.group for bar in bars))
    colours = {group: COLOURS[i % len(COLOURS)] for i, group in enumerate(groups)}
    keys = [Key(shorten(group, 48), patch={"facecolor": colours[group], "linewidth": 0, "alpha": 0.85})
            for group in groups if group and any(bar.group == group and not bar.paper for bar in bars)]  # fmt: skip
    rows = legend_rows(keys, _WIDTH - 40.0) if len(keys) > 1 else []
    levels = [level for level in chart.levels if finite(level.value) is not None]
    values = [v for bar in bars for v in (bar.value, bar.low, bar.high) if v is not None and finite(v) is not None]
    values += [level.value for level in levels]
    low, high = _limits(values)
    tiers = _tiers(levels, low, high, panel)
    above = ROW * len(rows) + (_TIER * (max(tiers) + 1) if tiers else 0.0) + 10.0
    more = len(chart.bars) - n
    below = _BELOW + (18.0 if more else 0.0)
    height = above + pitch * n + below
    figure = new_figure(_WIDTH, height)
    axes = figure.add_axes((left / _WIDTH, below / height, panel / _WIDTH, pitch * n / height))
    tips: dict[str, str] = {}
    for i, bar in enumerate(bars):
        _bar(axes, i, bar, colours[bar.group], (high - low) / panel, font, min(1.6, pitch / 14.0))
        interval = span(bar.low, bar.high)
        tips[f"bar{i}"] = f"{as_paper(bar.label) if bar.paper else bar.label}: {per_hundred(bar.value)}" + (
            f", interval {interval}" if interval != NOTHING else ""
        )
    for i, level in enumerate(levels):
        level_line(axes, level.value, shorten(level.label, 28), DASHES[i % len(DASHES)], 3.0 + _TIER * tiers[i])
    name_rows(axes, names)
    axes.set_ylim(n - 0.5, -0.5)
    xlabel = shorten(chart.x_label, 90)
    if not any(mark in xlabel for mark in ("100", "%", "points")):
        unit = "of 100" if low >= 0.0 else "points"
        xlabel = f"{xlabel}, {unit}" if xlabel else unit
    dress(axes, xlabel=xlabel, ylabel="", grid="x")
    axes.tick_params(axis="y", labelcolor=INK, labelsize=font)
    axes.set_xlim(low, high)
    if low < 0.0:
        axes.axvline(0.0, color=MUTED, linewidth=0.8, zorder=0.6)
    if more:
        words = f"and {number(more)} more, see the table"
        plain(figure.text(left / _WIDTH, 10.0 / height, words, **note("left", "center")))
    draw_legend(figure, rows, 14.0, height)
    return Drawing(
        figure, listed([f"{name} {per_hundred(bar.value)}" for name, bar in zip(names, bars, strict=True)]), tips
    )


def _name(bar: Bar) -> str:
    return as_paper(shorten(bar.label, 40)) if bar.paper else shorten(bar.label, 44)


def _bar(axes: Axes, i: int, bar: Bar, colour: str, pixel: float, font: float, line: float) -> None:
    """Draw one bar with its interval and its number; `pixel` is how much of the axis one pixel is."""
    words = note("left", "center") | {"color": MUTED if bar.paper else INK, "fontsize": font}
    if bar.value is None or finite(bar.value) is None:
        axes.text(4.0 * pixel, i, NOTHING, **words)
        return
    value = 100.0 * bar.value
    if bar.paper:
        axes.barh(i, value, height=0.56, facecolor="none", edgecolor=MUTED, linewidth=line, hatch="////", gid=f"bar{i}")
    else:
        axes.barh(i, value, height=0.56, color=colour, alpha=0.85, gid=f"bar{i}")
    whisker(axes, finite(bar.low), finite(bar.high), i, INK)
    end = max(value, 0.0, *(100.0 * v for v in (bar.low, bar.high) if v is not None and finite(v) is not None))
    axes.text(end + 6.0 * pixel, i, per_hundred(bar.value).replace("-", "−"), **words)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis, out of 100: all of it, or less if no bar reaches half of it."""
    highest = 100.0 * max(values)
    high = 100.0 if highest > 50.0 else next(top for top in (5.0, 10.0, 20.0, 30.0, 40.0, 50.0) if highest <= top)
    lowest = 100.0 * min(values)
    return (0.0, high) if lowest >= 0.0 else (1.06 * lowest, max(high if highest > 0.0 else 0.0, -0.06 * lowest))


def _tiers(levels: Sequence[Level], low: float, high: float, panel: float) -> list[int]:
    """Return how many lines up each level's name stands, so that none lies on another."""
    taken: list[list[tuple[float, float]]] = []
    tiers: list[int] = []
    for level in levels:
        x = panel * (100.0 * level.value - low) / (high - low)
        wide = words_width(level_name(level.label, level.value)) + 8.0
        start, stop = (x - wide, x) if level.value > 0.75 else (x, x + wide)
        tier = next((t for t, spans in enumerate(taken) if all(stop < a or start > b for a, b in spans)), len(taken))
        if tier == len(taken):
            taken.append([])
        taken[tier].append((start, stop))
        tiers.append(tier)
    return tiers
