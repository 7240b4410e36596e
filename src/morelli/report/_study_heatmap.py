"""Heat maps of studies: shares in one hue, differences in two, numbers where they fit and words on hovering."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from morelli.report._axes import note
from morelli.report._study_drawing import Drawing, blank, finite, listed, words_width
from morelli.report._svg import ACCENT, ERROR, INK, LINE, MUTED, ON_STRONG, new_figure, plain
from morelli.report._text import NOTHING, per_hundred, shorten, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from morelli.studies.findings import HeatMap

__all__ = ["draw_heatmap"]

_WIDTH, _SIDE = 1080.0, 760.0
_NUMBERS_FROM = 30.0
_TIPS_UP_TO = 3600
_SHADES = 24


def draw_heatmap(chart: HeatMap) -> Drawing:
    """Draw a matrix; to be called within `styled`."""
    if not chart.rows or not chart.columns:
        return blank("Nothing to draw: this matrix has no cells.")
    values = [[finite(v) for v in row] for row in chart.values]
    n_rows, n_columns = len(chart.rows), len(chart.columns)
    font = 11.0 if max(n_rows, n_columns) <= 45 else 9.0
    rows = [shorten(name, 34) for name in chart.rows]
    left = 16.0 + max(max(words_width(name, font) for name in rows), words_width(_row_head(chart)))
    room = min(_SIDE, _WIDTH - left - 24.0)
    wide = max(4.0, min(84.0, room / n_columns))
    high = max(4.0, min(40.0, wide, _SIDE / n_rows))
    columns, turn, below = _columns(chart.columns, wide, font)
    # Slanted names lean out to the left of the first column.
    left = max(left, 10.0 + (0.82 * words_width(columns[0], font) - wide / 2 if turn == 35 else 0.0))
    side, tall, above = wide * n_columns, high * n_rows, 58.0
    key = 236.0
    width, height = left + max(side, key) + 24.0, above + tall + below
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, below / height, side / width, tall / height))
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
    axes.patch.set_alpha(0.0)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    reach = _reach(values) if chart.signed else 1.0
    numbers = wide >= _NUMBERS_FROM and high >= 16.0
    tips: dict[str, str] = {}
    if n_rows * n_columns <= _TIPS_UP_TO:
        _cells(axes, chart, values, reach, (0.04 if wide > 12 else 0.0), tips)
    else:
        _runs(axes, chart.signed, values, reach)
    _words(axes, chart.signed, values, reach, min(11.0, 0.31 * wide), numbers, dash=wide >= 9.0 and high >= 9.0)
    _ticks(axes, rows, columns, turn, font, high, wide)
    _heads(figure, chart, left, width, height, above)
    _scale(figure, chart.signed, reach, left, width, height)
    said = [
        f"{row}: " + ", ".join(f"{column} {_shown(v, chart.signed)}" for column, v in zip(columns, cells, strict=True))
        for row, cells in zip(rows, values, strict=True)
    ]
    short = n_rows * n_columns <= 150
    description = listed(said) if short else f"{n_rows} rows and {n_columns} columns; the numbers are in the tables."
    return Drawing(figure, description, tips)


def _reach(values: Sequence[Sequence[float | None]]) -> float:
    """Return the difference that has the full colour: the largest, rounded up to five points."""
    largest = max((abs(v) for row in values for v in row if v is not None), default=0.0)
    return max(0.05, ceil(20.0 * largest - 1e-9) / 20.0)


def _shown(value: float | None, is_signed: bool) -> str:
    return signed(value) if is_signed else per_hundred(value)


def _tone(value: float, reach: float) -> tuple[str, float]:
    """Return hue and strength: what is half transparent is readable on a light page and on a dark one."""
    share = min(1.0, abs(value) / reach)
    return (ACCENT if value >= 0.0 else ERROR), 0.05 + 0.90 * share


def _cells(
    axes: Axes,
    chart: HeatMap,
    values: Sequence[Sequence[float | None]],
    reach: float,
    gap: float,
    tips: dict[str, str],
) -> None:
    from matplotlib.patches import Rectangle

    nothing: list[tuple[int, int]] = []
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value is None:
                continue
            if value == 0.0 and len(chart.rows) * len(chart.columns) > 400:
                nothing.append((i, j))
                continue
            colour, alpha = _tone(value, reach)
            gid = f"cell{i}x{j}"
            corner = (j - 0.5 + gap / 2, i - 0.5 + gap / 2)
            size = 1.0 - gap
            axes.add_patch(Rectangle(corner, size, size, facecolor=colour, alpha=alpha, linewidth=0, gid=gid))
            tips[gid] = f"{chart.rows[i]}, {chart.columns[j]}: {_shown(value, chart.signed)}"
    _compound(axes, [(i, j, 1) for i, j in nothing], ACCENT, 0.05, gap)


def _runs(axes: Axes, is_signed: bool, values: Sequence[Sequence[float | None]], reach: float) -> None:
    """Draw a matrix of thousands of cells as a few shapes, one for each shade, or the file would be large."""
    shades: dict[int, list[tuple[int, int, int]]] = {}
    for i, row in enumerate(values):
        before: int | None = None
        for j, value in enumerate(row):
            shade = None if value is None else round(_SHADES * min(1.0, max(-1.0, value / reach)))
            if shade is not None and shade == before:
                last = shades[shade][-1]
                shades[shade][-1] = (last[0], last[1], last[2] + 1)
            elif shade is not None:
                shades.setdefault(shade, []).append((i, j, 1))
            before = shade
    for shade, runs in sorted(shades.items()):
        _compound(axes, runs, *_tone(shade / _SHADES, 1.0), 0.0)


def _compound(axes: Axes, runs: Sequence[tuple[int, int, int]], colour: str, alpha: float, gap: float) -> None:
    """Draw runs of cells (row, first column, length) as one shape."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners: list[tuple[float, float]] = []
    codes: list[Any] = []
    for i, j, length in runs:
        x, y, right, low = j - 0.5 + gap / 2, i - 0.5 + gap / 2, j + length - 0.5 - gap / 2, i + 0.5 - gap / 2
        corners += [(x, y), (right, y), (right, low), (x, low), (x, y)]
        codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    if corners:
        axes.add_patch(PathPatch(Path(corners, codes), facecolor=colour, alpha=alpha, linewidth=0))


def _words(
    axes: Axes,
    is_signed: bool,
    values: Sequence[Sequence[float | None]],
    reach: float,
    size: float,
    numbers: bool,
    *,
    dash: bool,
) -> None:
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value is None and dash:
                axes.text(j, i, NOTHING, color=MUTED, fontsize=size, ha="center", va="center_baseline")
            elif value is not None and numbers:
                tone = ON_STRONG if _tone(value, reach)[1] > 0.62 else INK if value else MUTED
                axes.text(j, i, _shown(value, is_signed), color=tone, fontsize=size, ha="center", va="center_baseline")


def _columns(names: Sequence[str], wide: float, font: float) -> tuple[list[str], int, float]:
    """Return the columns' names as they fit, how far they are turned, and the room below that they need."""
    level = [shorten(name, 24) for name in names]
    if max(words_width(name, font) for name in level) <= wide - 8.0:
        return level, 0, 30.0
    if wide >= 24.0:
        return level, 35, 22.0 + 0.6 * max(words_width(name, font) for name in level)
    short = [shorten(name, 18) for name in names]
    return short, 90, 18.0 + max(words_width(name, font) for name in short)


def _ticks(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], turn: int, font: float, high: float, wide: float
) -> None:
    """Name rows and columns; of those that are narrower than a line of words, only some."""
    every = ceil((font + 1.0) / high)
    axes.set_yticks(range(0, len(rows), every), rows[::every], fontsize=font)
    every = ceil((font + 1.0) / wide) if turn else 1
    place: dict[str, Any] = (
        {"ha": "right", "va": "center" if turn == 90 else "top", "rotation_mode": "anchor"} if turn else {}
    )
    axes.set_xticks(range(0, len(columns), every), columns[::every], fontsize=font, rotation=turn, **place)
    axes.tick_params(length=0, pad=6, labelcolor=INK)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        plain(label)


def _row_head(chart: HeatMap) -> str:
    return f"{shorten(chart.row_label, 40)} ↓" if chart.row_label else ""


def _heads(figure: Figure, chart: HeatMap, left: float, width: float, height: float, above: float) -> None:
    """Say above the corner what rows and columns are."""
    y = 1.0 - (above - 10.0) / height
    plain(figure.text((left - 7.0) / width, y, _row_head(chart), **note("right", "bottom")))
    if chart.column_label:
        words = f"{shorten(chart.column_label, 60)} →"
        plain(figure.text(left / width, y, words, **note("left", "bottom")))


def _scale(figure: Figure, is_signed: bool, reach: float, left: float, width: float, height: float) -> None:
    """Show which colour is which number."""
    from matplotlib.patches import Rectangle

    steps = [k / 4 for k in range(-4, 5)] if is_signed else [k / 8 for k in range(9)]
    step, y = 14.0, 1.0 - 20.0 / height
    ends = (signed(-reach), signed(reach)) if is_signed else ("0", "100")
    start = left + words_width(ends[0]) + 6.0
    plain(figure.text(left / width, y + 5.0 / height, ends[0], **note("left", "center")))
    for k, value in enumerate(steps):
        colour, alpha = _tone(value, 1.0)
        corner = ((start + step * k) / width, y)
        patch = Rectangle(corner, step / width, 10.0 / height, facecolor=colour, alpha=alpha, linewidth=0)
        figure.add_artist(patch)
    after = (start + step * len(steps) + 6.0) / width
    unit = "points" if is_signed else ""
    plain(figure.text(after, y + 5.0 / height, f"{ends[1]} {unit}".strip(), **note("left", "center")))
