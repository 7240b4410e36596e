"""The figures of a report, as SVG strings. One accent colour for right, one for wrong; everything else stays grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from morelli.report._axes import dress, level_line, name_rows, note, whisker
from morelli.report._confusion import confusion_figure
from morelli.report._svg import ACCENT, ERROR, INK, MUTED, new_figure, plain, styled, to_svg
from morelli.report._text import number, per_hundred, shorten, signed
from morelli.trials import Metrics, Predictions
from morelli.trials.metrics import risk_coverage_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "confusion_figure",
    "family_figure",
    "open_set_figure",
    "reliability_figure",
    "risk_coverage_figure",
    "set_size_figure",
]

_WIDTH, _HEIGHT = 520, 380
_MAX_SIZES = 12


@styled()
def reliability_figure(metrics: Metrics) -> str:
    """Draw confidence against accuracy, with the number of images per bin below."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(_WIDTH, _HEIGHT)
    grid = figure.add_gridspec(
        2, 1, height_ratios=(3.6, 1.0), hspace=0.12, left=0.105, right=0.98, top=0.97, bottom=0.125
    )
    upper, lower = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    bins = [b for b in metrics.reliability if b.n and b.confidence is not None and b.accuracy is not None]
    upper.plot([0, 100], [0, 100], color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    plain(upper.text(37, 40.5, "says what it means", rotation=_angle(upper, figure), **note("center", "bottom")))
    biggest = max((b.n for b in bins), default=1)
    tips: dict[str, str] = {}
    for i, b in enumerate(bins):
        x, y = 100.0 * (b.confidence or 0.0), 100.0 * (b.accuracy or 0.0)
        # A bin of a handful of images says little, and must not shout.
        weight = min(1.0, 0.25 + b.n / 16.0)
        upper.plot([x, x], [x, y], color=ERROR, linewidth=2.2, alpha=0.75 * weight, solid_capstyle="butt")
        size = 4.0 + 9.0 * (b.n / biggest) ** 0.5
        upper.plot([x], [y], "o", color=ACCENT, alpha=weight, markersize=size, markeredgewidth=0, gid=f"bin{i}")
        tips[f"bin{i}"] = f"{number(b.n)} images said {x:.0f}% on average, {y:.0f}% were right"
    dress(upper, xlabel="", ylabel="right, %")
    upper.set(xlim=(-1.5, 101.5), ylim=(-2, 104), xticks=range(0, 101, 20), yticks=range(0, 101, 20))
    upper.tick_params(labelbottom=False)
    for b in metrics.reliability:
        width = 100.0 * (b.right - b.left)
        lower.bar(100.0 * b.left + width / 2, b.n, width=0.86 * width, color=ACCENT, alpha=0.45)
    dress(lower, xlabel="probability of the answer, %", ylabel="images")
    lower.set(xlim=(-1.5, 101.5), xticks=range(0, 101, 20))
    lower.set_ylim(0, max(1, max((b.n for b in metrics.reliability), default=1)) * 1.08)
    lower.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
    figure.align_ylabels([upper, lower])
    description = f"Expected calibration error {per_hundred(metrics.ece)} points over {len(metrics.reliability)} bins."
    return to_svg(figure, "reliability", "Reliability diagram", description, tips)


@styled()
def risk_coverage_figure(predictions: Predictions, metrics: Metrics) -> str:
    """Draw the error rate among the surest answers, against how many are answered."""
    figure, axes = _single()
    known = predictions.known
    correct = predictions.top[known] == predictions.y[known]
    coverage, risk = risk_coverage_curve(correct, np.nan_to_num(predictions.confidence[known]))  # silence is least sure
    if coverage.size:
        x, y = _thinned(100.0 * coverage, 100.0 * risk)
        total = float(risk[-1]) * 100.0
        errors = len(correct) * float(risk[-1])
        best = np.maximum(0.0, 1.0 - (len(correct) - errors) / (coverage * len(correct))) * 100.0
        axes.plot(*_thinned(100.0 * coverage, best), color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
        axes.axhline(total, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.fill_between(x, y, color=ACCENT, alpha=0.10, linewidth=0)
        axes.plot(x, y, color=ACCENT, linewidth=2.0, solid_joinstyle="round")
        top = max(5.0, 1.28 * max(total, float(y.max())))
        axes.set_ylim(-0.012 * top, min(104.0, top))
        plain(
            axes.text(
                1.5,
                total + 0.012 * top,
                f"answering everything: {per_hundred(total / 100)}% wrong",
                **note("left", "bottom"),
            )
        )
        if metrics.risk_at_half is not None:
            half = 100.0 * metrics.risk_at_half
            axes.plot([50], [half], "o", color=ACCENT, markersize=7)
            label = f"surer half: {per_hundred(metrics.risk_at_half)}% wrong"
            words = note("right", "bottom") | {"color": INK}
            plain(axes.text(48.5, half + 0.03 * top, label, **words))
    dress(axes, xlabel="images answered, surest first, %", ylabel="wrong among them, %")
    axes.set(xlim=(0, 100.5), xticks=range(0, 101, 20))
    description = (
        f"Answering everything gives {per_hundred(_wrong(metrics))} percent errors, "
        f"the surer half {per_hundred(metrics.risk_at_half)} percent."
    )
    return to_svg(figure, "risk", "Risk-coverage curve", description)


@styled()
def set_size_figure(predictions: Predictions) -> str:
    """Draw how many candidates the conformal sets hold, and how often they miss the truth."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _single(key=True)
    known = predictions.known & predictions.answered
    sets, y = predictions.prediction_set[known], predictions.y[known]
    sizes = np.minimum(sets.sum(axis=1), _MAX_SIZES)
    hit = sets[np.arange(len(y)), y]
    last = int(sizes.max()) if sizes.size else 1
    first = 0 if (sizes == 0).any() else 1
    tips: dict[str, str] = {}
    for size in range(first, last + 1):
        inside, missed = int((hit & (sizes == size)).sum()), int((~hit & (sizes == size)).sum())
        axes.bar(size, inside, width=0.78, color=ACCENT, alpha=0.9, gid=f"held{size}")
        axes.bar(size, missed, bottom=inside, width=0.78, color=ERROR, gid=f"missed{size}")
        tips[f"held{size}"] = f"{number(inside)} sets of this size hold the true model"
        tips[f"missed{size}"] = f"{number(missed)} sets of this size miss the true model"
    ticks = list(range(first, last + 1))
    cut = sizes.size > 0 and int(sets.sum(axis=1).max()) > _MAX_SIZES
    axes.set_xticks(ticks, [f"{size}+" if cut and size == _MAX_SIZES else str(size) for size in ticks])
    dress(axes, xlabel="candidates in the set", ylabel="images")
    axes.set_xlim(first - 0.6, max(last, first + 3) + 0.6)
    axes.set_ylim(0, max(1.0, axes.dataLim.y1 * 1.04))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    _key(figure, [("holds the truth", ACCENT), ("misses it", ERROR)])
    return to_svg(figure, "sets", "Sizes of the prediction sets", "Bars count images by the size of their set.", tips)


@styled()
def family_figure(metrics: Metrics) -> str:
    """Draw what each family scores alone, and what is lost when it is left out."""
    from matplotlib.ticker import MaxNLocator

    rows = sorted(metrics.families, key=lambda f: (-(f.accuracy or 0.0), f.family))
    names = [shorten(row.family, 26) for row in rows]
    height = 92 + 30 * max(1, len(rows))
    figure = new_figure(1080, height)
    left = (18 + 6.9 * max((len(name) for name in names), default=4)) / 1080
    grid = figure.add_gridspec(
        1, 2, width_ratios=(1.75, 1.0), wspace=0.06, left=left, right=0.985, top=1 - 42 / height, bottom=44 / height
    )
    alone, lost = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    tips: dict[str, str] = {}
    for i, row in enumerate(rows):
        if row.accuracy is not None:
            alone.barh(i, 100.0 * row.accuracy, height=0.56, color=ACCENT, alpha=0.85, gid=f"alone{i}")
            tips[f"alone{i}"] = f"{row.family} alone: {per_hundred(row.accuracy)}% of {number(row.n)} images"
            whisker(alone, row.low, row.high, i, INK)
            end = 100.0 * (row.high if row.high is not None else row.accuracy)
            plain(alone.text(end + 1.2, i, per_hundred(row.accuracy), **(note("left", "center") | {"color": INK})))
        if row.drop is not None:
            whisker(lost, row.drop_low, row.drop_high, i, ACCENT)
            lost.plot([100.0 * row.drop], [i], "o", color=ACCENT, markersize=7, gid=f"lost{i}")
            tips[f"lost{i}"] = f"without {row.family}: {per_hundred(row.without)}%, {signed(row.drop)} points lost"
    lines = [
        (metrics.chance, "chance", (0, (1, 2)), 8),
        (metrics.nuisance, "container", (0, (4, 3)), 22),
        (metrics.accuracy, "all together", "-", 8),
    ]
    for value, label, style, lift in lines:
        if value is not None:
            level_line(alone, value, label, style, lift - 4, INK if style == "-" else MUTED)
    lost.axvline(0.0, color=INK, linewidth=1.2, zorder=0.5)
    for axes in (alone, lost):
        name_rows(axes, names if axes is alone else [""] * len(rows))
    dress(alone, xlabel="accuracy of the family alone, %", ylabel="", grid="x")
    dress(lost, xlabel="points lost without it", ylabel="", grid="x")
    for axes in (alone, lost):
        axes.tick_params(axis="y", labelcolor=INK)
    alone.set_xlim(0, 100)
    lost.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    reach = max(
        [abs(100.0 * v) for row in rows for v in (row.drop_low, row.drop_high, row.drop) if v is not None] or [1.0]
    )
    lost.set_xlim(
        min(-0.35 * reach, -100.0 * max((-(row.drop_low or 0.0) for row in rows), default=0.0) * 1.15),
        1.15 * max(reach, 0.5),
    )
    description = "; ".join(
        f"{row.family} alone {per_hundred(row.accuracy)}, {signed(row.drop)} points lost without it" for row in rows
    )
    return to_svg(figure, "families", "Families of evidence", description, tips)


@styled()
def open_set_figure(predictions: Predictions, metrics: Metrics) -> str:
    """Draw the open-set p-values of candidates' images and of other models' images."""
    figure, axes = _single(key=True)
    edges = np.linspace(0.0, 1.0, 21)
    top = 0.0
    for mask, colour, filled in ((predictions.known, ACCENT, True), (predictions.unknown, ERROR, False)):
        scores = predictions.open_set_p[mask]
        scores = scores[~np.isnan(scores)]
        if scores.size == 0:
            continue
        share = 100.0 * np.histogram(scores, edges)[0] / scores.size
        top = max(top, float(share.max()))
        axes.stairs(
            share, edges, fill=filled, color=colour, alpha=0.35 if filled else 1.0, linewidth=0 if filled else 2.0
        )
        if filled:
            axes.stairs(share, edges, color=colour, linewidth=1.5)
    dress(axes, xlabel="open-set p-value: low means “none of the candidates”", ylabel="images, %")
    axes.set(xlim=(0, 1), ylim=(0, max(1.0, 1.06 * top)))
    _key(figure, [("made by a candidate", ACCENT), ("made by another model", ERROR)])
    area = metrics.open_set.auroc if metrics.open_set else None
    description = f"AUROC {area:.2f}." if area is not None else "No AUROC: one of the two groups has no scores."
    return to_svg(figure, "openset", "Open-set scores", description)


def _single(*, key: bool = False) -> tuple[Figure, Axes]:
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((0.105, 0.125, 0.875, 0.79 if key else 0.845))
    return figure, axes


def _key(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """Name the colours above the plot."""
    from matplotlib.patches import Rectangle

    x = 0.105
    for label, colour in entries:
        figure.add_artist(Rectangle((x, 0.948), 10 / _WIDTH, 10 / _HEIGHT, facecolor=colour, linewidth=0))
        figure.text(x + 16 / _WIDTH, 0.961, label, **(note("left", "center") | {"color": INK}))
        x += (44 + 5.9 * len(label)) / _WIDTH


def _thinned(x: np.ndarray, y: np.ndarray, limit: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Keep at most `limit` points, always the last: a curve of 100 000 images is no finer on paper."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), limit)).round().astype(int))
    return x[keep], y[keep]


def _angle(axes: Axes, figure: Figure) -> float:
    """Return the slope of the diagonal as drawn, in degrees."""
    box = axes.get_position()
    width, height = figure.get_size_inches()
    return float(np.degrees(np.arctan2(box.height * height / 106.0, box.width * width / 103.0)))


def _wrong(metrics: Metrics) -> float | None:
    return None if metrics.accuracy is None else 1.0 - metrics.accuracy
