"""Line charts of studies: several series with intervals, a paper's beside ours, levels with their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor
from typing import TYPE_CHECKING, Any

from morelli.report._axes import COLOURS, DASHES, MARKS, dress, note
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
    spread,
    words_width,
)
from morelli.report._svg import MUTED, new_figure, plain
from morelli.report._text import number, per_hundred, shorten, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morelli.studies.findings import LineChart, Point, Series

__all__ = ["draw_lines", "ticks_apart"]

_WIDTH, _PANEL, _BELOW, _LEFT = 830.0, 360.0, 52.0, 64.0
_MANY_POINTS = 30
_MANY_TICKS = 16


def draw_lines(chart: LineChart) -> Drawing:
    """Draw a line chart; to be called within `styled`."""
    series = [(s, _drawable(s)) for s in chart.series]
    series = [(s, points) for s, points in series if points]
    if not series:
        return blank("Nothing to draw: no point of this figure was measured.")
    everything = [p for _, points in series for p in points]
    values = [v for p in everything for v in (p.y, p.low, p.high) if v is not None]
    levels = [level for level in chart.levels if finite(level.value) is not None]
    values += [level.value for level in levels]
    # Shares and their differences are shown out of 100, anything else as it is.
    shares = all(abs(v) <= 1.0 for v in values)
    unit = 100.0 if shares else 1.0
    styles = _styles([s for s, _ in series])
    keys = _keys([s for s, _ in series], styles)
    names = [level_name(level.label, level.value, shares) for level in levels]
    right = 18.0 + (max(words_width(name) for name in names) + 8.0 if names else 0.0)
    rows = legend_rows(keys, _WIDTH - _LEFT - 18.0)
    above = ROW * len(rows) + 12.0 if rows else 14.0
    height = above + _PANEL + _BELOW
    figure = new_figure(_WIDTH, height)
    panel = _WIDTH - _LEFT - right
    axes = figure.add_axes((_LEFT / _WIDTH, _BELOW / height, panel / _WIDTH, _PANEL / height))
    place = _x_axis(axes, chart, [p.x for p in everything])
    ylabel = shorten(chart.y_label, 44)
    if shares and not any(mark in ylabel for mark in ("100", "%", "points")):
        unit_name = "of 100" if min(values) >= 0.0 else "points"
        ylabel = f"{ylabel}, {unit_name}" if ylabel else unit_name
    dress(axes, xlabel=shorten(chart.x_label, 90), ylabel=ylabel)
    tips: dict[str, str] = {}
    # Lines with marks stand a little beside one another, or their whiskers would lie on one another.
    marked = [i for i, (s, points) in enumerate(series) if not s.fitted and len(points) <= _MANY_POINTS]
    step = min(0.006, 0.04 / max(1, len(marked)))
    shift = 0.0
    for i, (s, points) in enumerate(series):
        if not s.fitted:
            shift = step * (marked.index(i) - (len(marked) - 1) / 2) if i in marked else 0.0
        xs = [place(p.x, shift) for p in points]
        _line(axes, s, points, xs, styles[i], unit, i)
        if i in marked:
            for k, p in enumerate(points):
                tips[f"at{i}-{k}"] = _tip(s, p, shares)
    low, high = min(0.0, *values) * unit, max(values) * unit
    top = high + 0.06 * (high - low) if high > low else low + 1.0
    if shares:
        top = min(102.0, max(top, 10.0)) if low == 0.0 else min(102.0, max(top, low + 10.0))
    axes.set_ylim(1.06 * low, top)
    if low < 0.0:
        axes.axhline(0.0, color=MUTED, linewidth=0.8, zorder=0.6)
    _thin_x_ticks(axes, panel)
    _levels(axes, [level.value * unit for level in levels], names, panel)
    draw_legend(figure, rows, _LEFT, height)
    said = [f"{_name(s)} " + ", ".join(_said(p, shares) for p in points[:20]) for s, points in series if not s.fitted]
    return Drawing(figure, listed([*said, *names], 24), tips)


def ticks_apart(places: Sequence[float], widths: Sequence[float], gap: float = 10.0) -> list[int]:
    """Choose ticks whose names do not touch: the last, the first, then from the left whatever fits.

    Parameters
    ----------
    places, widths : sequence of float
        Centres in ascending order, and widths of the names, in pixels.
    gap : float
        Pixels between two names.

    Examples
    --------
    >>> ticks_apart([0, 10, 40, 80], [20, 20, 20, 20])
    [0, 2, 3]
    """
    chosen: list[int] = []
    for i in dict.fromkeys((len(places) - 1, 0, *range(len(places)))):
        if i >= 0 and all(abs(places[i] - places[k]) >= (widths[i] + widths[k]) / 2 + gap for k in chosen):
            chosen.append(i)
    return sorted(chosen)


def _drawable(series: Series) -> list[Point]:
    points = [p for p in series.points if finite(p.x) is not None and finite(p.y) is not None]
    return sorted(points, key=lambda p: p.x)


def _styles(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Return colour, mark and line of each; a fitted curve takes those of the line before it, a paper's are grey."""
    styles: list[dict[str, Any]] = []
    ours = papers = 0
    for s in series:
        if s.fitted:
            before = styles[-1] if styles else {"color": COLOURS[0]}
            styles.append({"color": before["color"], "linewidth": 1.2, "alpha": 0.85})
        elif s.paper:
            mark = MARKS[papers % len(MARKS)]
            styles.append(
                {"color": MUTED, "linewidth": 1.4, "linestyle": (0, (4, 3)), "marker": mark, "markerfacecolor": "none"}
            )
            papers += 1
        else:
            mark = MARKS[(ours + ours // len(COLOURS)) % len(MARKS)]
            styles.append({"color": COLOURS[ours % len(COLOURS)], "linewidth": 1.8, "marker": mark})
            ours += 1
    for i, (s, style) in enumerate(zip(series, styles, strict=True)):
        if not s.fitted:
            style |= {"markersize": 6.5, "markeredgewidth": 1.3 if s.paper else 0.0}
        if not s.fitted and i + 1 < len(series) and series[i + 1].fitted:
            style["linestyle"] = "none"  # the curve joins the points
    return styles


def _keys(series: Sequence[Series], styles: Sequence[dict[str, Any]]) -> list[Key]:
    keys: list[Key] = []
    for i, (s, style) in enumerate(zip(series, styles, strict=True)):
        repeats = s.fitted and (not s.name or (i > 0 and s.name == series[i - 1].name))
        if not repeats and (len(series) > 1 or s.name):
            keys.append(Key(_name(s), line=style))
    return keys


def _name(series: Series) -> str:
    name = shorten(series.name, 56)
    return as_paper(name) if series.paper else name


def _x_axis(axes: Axes, chart: LineChart, xs: Sequence[float]) -> Callable[[float, float], float]:
    """Scale the axis and set its ticks at the data; return where an x lies that is moved by a share of the axis."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    positive = [x for x in xs if x > 0.0]
    smallest = min(positive, default=1.0)
    if chart.log_x and min(xs) > 0.0:
        axes.set_xscale("log")
    elif chart.log_x:
        # A zero has no logarithm: between it and the smallest number the axis is linear.
        axes.set_xscale("symlog", linthresh=smallest, linscale=0.3)
    forward = axes.xaxis.get_transform()
    back = forward.inverted()
    low, high = (float(forward.transform([x])[0]) for x in (min(xs), max(xs)))
    reach = high - low

    def place(x: float, shift: float) -> float:
        return float(back.transform([float(forward.transform([x])[0]) + shift * (reach or 1.0)])[0])

    axes.set_xlim(place(min(xs), -0.04 if reach else -0.5), place(max(xs), 0.04 if reach else 0.5))
    measured = sorted({p.x for s in chart.series if not s.fitted for p in _drawable(s)} or set(xs))
    if chart.log_x or len(measured) <= _MANY_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(measured))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_minor_locator(NullLocator())
    return place


def _thin_x_ticks(axes: Axes, panel: float) -> None:
    low, high = axes.get_xlim()
    ticks = [float(x) for x in axes.xaxis.get_major_locator()() if low <= x <= high]
    names = [_number(x) for x in ticks]
    forward = axes.xaxis.get_transform()
    left, right = (float(forward.transform([x])[0]) for x in (low, high))
    places = [panel * (float(forward.transform([x])[0]) - left) / (right - left) for x in ticks]
    kept = ticks_apart(places, [words_width(name) for name in names])
    axes.set_xticks([ticks[i] for i in kept], [names[i] for i in kept])
    for tick in axes.get_xticklabels():
        plain(tick)


def _number(x: float) -> str:
    if x == floor(x) and abs(x) < 1e12:
        return number(int(x)).replace("-", "−")
    return f"{x:.4g}".replace("-", "−")


def _line(
    axes: Axes, s: Series, points: Sequence[Point], xs: Sequence[float], style: dict[str, Any], unit: float, i: int
) -> None:
    ys = [unit * p.y for p in points]
    lines = {key: value for key, value in style.items() if not key.startswith("mark")}
    axes.plot(xs, ys, solid_joinstyle="round", zorder=1.9 if s.paper or s.fitted else 2.0, **lines)
    colour = style["color"]
    bounds = [
        (x, unit * p.low, unit * p.high)
        for x, p in zip(xs, points, strict=True)
        if finite(p.low) is not None and finite(p.high) is not None and p.low is not None and p.high is not None
    ]
    if s.fitted or len(points) > _MANY_POINTS:
        if len(bounds) > 1:
            inside, lows, highs = zip(*bounds, strict=True)
            axes.fill_between(inside, lows, highs, color=colour, alpha=0.13, linewidth=0, zorder=1.5)
        return
    for x, low, high in bounds:
        axes.plot([x, x], [low, high], color=colour, linewidth=1.2, alpha=0.7, zorder=2.0)
    marks = {key: value for key, value in style.items() if key.startswith("mark")}
    for k, (x, y) in enumerate(zip(xs, ys, strict=True)):
        axes.plot([x], [y], linestyle="none", color=colour, gid=f"at{i}-{k}", zorder=2.1, **marks)


def _levels(axes: Axes, values: Sequence[float], names: Sequence[str], panel: float) -> None:
    """Draw lines across, and their names right of the panel, apart from one another."""
    bottom, top = axes.get_ylim()
    places = [_PANEL * (value - bottom) / (top - bottom) for value in values]
    stand = spread(places, 14.0, 4.0, _PANEL - 4.0)
    for i, (value, name, wanted, at) in enumerate(zip(values, names, places, stand, strict=True)):
        axes.axhline(value, color=MUTED, linewidth=1.2, linestyle=DASHES[i % len(DASHES)], zorder=0.7)
        if abs(at - wanted) > 1.0:
            ends = ([1.0, 1.0 + 7.0 / panel], [wanted / _PANEL, at / _PANEL])
            axes.plot(*ends, transform=axes.transAxes, color=MUTED, linewidth=0.7, clip_on=False)
        plain(axes.text(1.0 + 9.0 / panel, at / _PANEL, name, transform=axes.transAxes, **note("left", "center")))


def _said(p: Point, shares: bool) -> str:
    return f"{_number(p.x)}: {per_hundred(p.y) if shares else f'{p.y:.3g}'}"


def _tip(s: Series, p: Point, shares: bool) -> str:
    interval = f", interval {span(p.low, p.high)}" if shares and p.low is not None and p.high is not None else ""
    name = as_paper(s.name) if s.paper else s.name
    return f"{name}, {_said(p, shares)}{interval}"
