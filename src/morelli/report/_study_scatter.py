"""Scatter charts of studies: few points have their names beside them, many have them on hovering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from morelli.report._axes import dress, note
from morelli.report._study_drawing import Drawing, blank, finite, listed, words_width
from morelli.report._svg import ACCENT, INK, LINE, MUTED, new_figure, plain
from morelli.report._text import number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morelli.studies.findings import ScatterChart

__all__ = ["draw_scatter"]

_WIDTH, _HEIGHT = 830.0, 520.0
_LEFT, _RIGHT, _ABOVE, _BELOW = 66.0, 16.0, 14.0, 54.0
_NAMED_UP_TO = 45
_LINE_HEIGHT = 13.0

Box = tuple[float, float, float, float]


def draw_scatter(chart: ScatterChart) -> Drawing:
    """Draw points with names; to be called within `styled`."""
    points = [(name, x, y) for name, x, y in chart.points if finite(x) is not None and finite(y) is not None]
    if not points:
        return blank("Nothing to draw: no point of this figure was measured.")
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(_WIDTH, _HEIGHT)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _ABOVE - _BELOW
    axes = figure.add_axes((_LEFT / _WIDTH, _BELOW / _HEIGHT, width / _WIDTH, height / _HEIGHT))
    few = len(points) <= _NAMED_UP_TO
    xs, ys = [x for _, x, _ in points], [y for _, _, y in points]
    axes.set_xlim(*_limits(xs, 0.09))
    axes.set_ylim(*_limits(ys, 0.07))
    dress(axes, xlabel=shorten(chart.x_label, 90), ylabel=shorten(chart.y_label, 60))
    axes.grid(True, axis="both", color=LINE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    size = 7.0 if few else 5.0 if len(points) <= 400 else 3.5
    tips: dict[str, str] = {}
    for i, (name, x, y) in enumerate(points):
        alpha = 0.9 if few else 0.6
        axes.plot([x], [y], "o", color=ACCENT, markersize=size, markeredgewidth=0, alpha=alpha, gid=f"point{i}")
        tips[f"point{i}"] = f"{name}: {x:.3g}, {y:.3g}"
    left_out = _label(axes, points, width, height) if few else 0
    if left_out:
        words = f"{number(left_out)} {'name has' if left_out == 1 else 'names have'} no room beside the point"
        plain(figure.text(1.0 - _RIGHT / _WIDTH, 12.0 / _HEIGHT, words, **note("right", "center")))
    said = [f"{shorten(name, 40)} {x:.3g}, {y:.3g}" for name, x, y in points]
    return Drawing(figure, listed(said), tips)


def _limits(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return low - max(0.5, abs(low) / 10), high + max(0.5, abs(high) / 10)
    room = margin * (high - low)
    return low - room, high + room


def _label(axes: Axes, points: Sequence[tuple[str, float, float]], width: float, height: float) -> int:
    """Write names beside their points, where they touch nothing; return how many have no such place."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    spots = [(width * (x - left) / (right - left), height * (y - low) / (high - low)) for _, x, y in points]
    taken: list[Box] = [(x - 5.0, y - 5.0, x + 5.0, y + 5.0) for x, y in spots]
    left_out = 0
    for (name, _, _), (x, y) in zip(points, spots, strict=True):
        words = shorten(name, 26)
        wide = words_width(words, 10.0)
        for dx, dy, side in _places():
            start = x + dx if side == "left" else x + dx - wide if side == "right" else x + dx - wide / 2
            box = (start - 1.0, y + dy - _LINE_HEIGHT / 2, start + wide + 1.0, y + dy + _LINE_HEIGHT / 2)
            inside = box[0] >= 0.0 and box[2] <= width + _RIGHT - 2.0 and box[1] >= 0.0 and box[3] <= height
            leader = _leader(x, y, dx, dy)
            if inside and not any(_touch(mine, other) for mine in (box, *leader) for other in taken):
                break
        else:
            left_out += 1
            continue
        taken += [box, *leader]
        if leader:
            ends = ([x / width, (x + dx) / width], [y / height, (y + dy * 0.8) / height])
            axes.plot(*ends, transform=axes.transAxes, color=MUTED, linewidth=0.6, zorder=1.5)
        style = note(side, "center_baseline") | {"color": INK, "fontsize": 10.0}
        plain(axes.text((x + dx) / width, (y + dy) / height, words, transform=axes.transAxes, **style))
    return left_out


def _places() -> list[tuple[float, float, str]]:
    """Return where a name may stand, the best place first: pixels from the point, and the side that is set there."""
    near = [(8.0, 0.0, "left"), (-8.0, 0.0, "right"), (0.0, 12.0, "center"), (0.0, -12.0, "center")]
    slanted = [(6.0, 9.0, "left"), (6.0, -9.0, "left"), (-6.0, 9.0, "right"), (-6.0, -9.0, "right")]
    far = [(dx * k, dy * k, side) for k in (2.4, 3.6) for dx, dy, side in slanted]
    return near + slanted + far


def _leader(x: float, y: float, dx: float, dy: float) -> list[Box]:
    """Return what a line from the point to its name covers; a name that stands close needs none."""
    if abs(dx) + abs(dy) <= 16.0:
        return []
    steps = [(x + dx * t, y + 0.8 * dy * t) for t in (0.35, 0.5, 0.65, 0.8, 0.95)]
    return [(a - 1.0, b - 1.0, a + 1.0, b + 1.0) for a, b in steps]


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
