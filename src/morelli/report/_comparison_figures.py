"""The figures of a comparison, as SVG strings. An attributor keeps its colour and its mark in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from morelli.report._axes import COLOURS, MARKS, dress, level_line, name_rows, note, whisker
from morelli.report._svg import INK, MUTED, new_figure, plain, styled, to_svg
from morelli.report._text import per_hundred, shorten, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from morelli.trials import Comparison, Score

__all__ = ["accuracy_figure", "references_figure", "refusal_figure"]

_WIDTH, _HEIGHT = 640, 420
_LEGEND = 190


@styled()
def accuracy_figure(comparison: Comparison, references: int | None) -> str:
    """Draw the accuracy of every attributor with one number of references, the best above, with intervals."""
    rows = comparison.at(references)
    names = [shorten(row.attributor, 36) for row in rows]
    height = 84 + 30 * len(rows)
    figure = new_figure(1080, height)
    left = (18 + 6.9 * max(len(name) for name in names)) / 1080
    axes = figure.add_axes((left, 44 / height, 0.985 - left, (height - 80) / height))
    tips: dict[str, str] = {}
    for i, row in enumerate(rows):
        if row.accuracy is None:
            continue
        colour = COLOURS[comparison.attributors.index(row.attributor) % len(COLOURS)]
        axes.barh(i, 100.0 * row.accuracy, height=0.56, color=colour, alpha=0.85, gid=f"bar{i}")
        tips[f"bar{i}"] = f"{row.attributor}: {per_hundred(row.accuracy)}%, interval {span(row.low, row.high)}"
        whisker(axes, row.low, row.high, i, INK)
        end = 100.0 * (row.high if row.high is not None else row.accuracy)
        plain(axes.text(end + 1.0, i, per_hundred(row.accuracy), **(note("left", "center") | {"color": INK})))
    lines = [(comparison.chance, "chance", (0, (1, 2)), 4), (comparison.nuisance, "container", (0, (4, 3)), 18)]
    for value, label, style, lift in lines:
        if value is not None:
            level_line(axes, value, label, style, lift)
    name_rows(axes, names)
    dress(axes, xlabel="right model, of 100 images", ylabel="", grid="x")
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlim(0, 100)
    description = "; ".join(f"{row.attributor} {per_hundred(row.accuracy)}" for row in rows)
    return to_svg(figure, "accuracy", "Accuracy of each attributor", description, tips)


@styled()
def references_figure(comparison: Comparison) -> str:
    """Draw accuracy against references per model, on a logarithmic axis; needs two numbers of references at least."""
    from matplotlib.ticker import NullLocator

    figure, axes = _with_legend()
    counts = [count for count in comparison.references if count is not None]
    tips: dict[str, str] = {}
    n = len(comparison.attributors)
    for i, name in enumerate(comparison.attributors):
        colour = COLOURS[i % len(COLOURS)]
        rows = [row for row in comparison.of(name) if row.references is not None and row.accuracy is not None]
        # A little to the side, or the whiskers of different attributors would lie on one another.
        shift = 1.0 + 0.012 * (i - (n - 1) / 2)
        xs = [float(row.references or 0) * shift for row in rows]
        ys = [100.0 * (row.accuracy or 0.0) for row in rows]
        axes.plot(xs, ys, color=colour, linewidth=1.8, solid_joinstyle="round")
        for x, row in zip(xs, rows, strict=True):
            if row.low is not None and row.high is not None:
                axes.plot([x, x], [100.0 * row.low, 100.0 * row.high], color=colour, linewidth=1.2, alpha=0.7)
            gid = f"at{i}-{row.references}"
            y = 100.0 * (row.accuracy or 0.0)
            axes.plot([x], [y], MARKS[i % len(MARKS)], color=colour, markersize=6.5, markeredgewidth=0, gid=gid)
            tips[gid] = f"{name}, {row.references} references: {per_hundred(row.accuracy)}%"
    axes.axhline(100.0 * comparison.chance, color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.set_xscale("log")
    dress(axes, xlabel="references of each model", ylabel="right model, of 100 images")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(counts[0] / 1.12, counts[-1] * 1.12)
    axes.set_ylim(0, min(102.0, max(10.0, axes.dataLim.y1 * 1.06)))
    _legend(figure, comparison.attributors, marks=True)
    description = "; ".join(
        f"{name} " + ", ".join(f"{row.references}: {per_hundred(row.accuracy)}" for row in comparison.of(name))
        for name in comparison.attributors
    )
    return to_svg(figure, "references", "Accuracy by number of references", description, tips)


@styled()
def refusal_figure(comparison: Comparison, references: int | None) -> str:
    """Draw the error rate among the surest answers of each attributor with one number of references."""
    figure, axes = _with_legend()
    top = 5.0
    for i, name in enumerate(comparison.attributors):
        for row in _at(comparison.of(name), references):
            if not row.risk_curve:
                continue
            x, y = zip(*row.risk_curve, strict=True)
            colour = COLOURS[i % len(COLOURS)]
            axes.plot([100.0 * v for v in x], [100.0 * v for v in y], color=colour, linewidth=1.8)
            top = max(top, 106.0 * max(y))
    dress(axes, xlabel="images answered, surest first, %", ylabel="wrong among them, %")
    axes.set(xlim=(0, 100.5), xticks=range(0, 101, 20), ylim=(0, min(102.0, top)))
    _legend(figure, comparison.attributors, marks=False)
    description = "; ".join(
        f"{row.attributor}: on the surer half {per_hundred(row.right_at_half)} right"
        for row in comparison.at(references)
    )
    return to_svg(figure, "refusal", "Errors among the surest answers", description)


def _at(rows: Sequence[Score], references: int | None) -> list[Score]:
    return [row for row in rows if row.references == references]


def _with_legend() -> tuple[Figure, Axes]:
    figure = new_figure(_WIDTH + _LEGEND, _HEIGHT)
    total = _WIDTH + _LEGEND
    return figure, figure.add_axes((60 / total, 0.125, (_WIDTH - 70) / total, 0.85))


def _legend(figure: Figure, names: Sequence[str], *, marks: bool) -> None:
    """Name the lines beside the plot, in the order asked for."""
    from matplotlib.lines import Line2D

    total = _WIDTH + _LEGEND
    for i, name in enumerate(names):
        y = 0.955 - i * 22 / _HEIGHT
        colour = COLOURS[i % len(COLOURS)]
        line = Line2D(
            [(_WIDTH + 4) / total, (_WIDTH + 26) / total],
            [y, y],
            color=colour,
            linewidth=1.8,
            marker=MARKS[i % len(MARKS)] if marks else None,
            markersize=6.5,
            markeredgewidth=0,
            markevery=[0],
        )
        figure.add_artist(line)
        label = figure.text((_WIDTH + 33) / total, y, shorten(name, 24), **(note("left", "center") | {"color": INK}))
        plain(label)
