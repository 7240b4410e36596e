"""What the figures' axes have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from morelli.report._svg import ACCENT, LINE, MUTED, plain
from morelli.report._text import per_hundred

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "DASHES", "MARKS", "dress", "level_line", "name_rows", "note", "whisker"]

# Middle tones, to be read on a light page and on a dark one; the first is the page's accent, which follows the page.
COLOURS: Final = (
    ACCENT, "#c0792a", "#2e8b72", "#a0559c", "#b8475a", "#7a7d2e", "#3c8fb8", "#8a6d5a", "#77808c", "#5d6bc0",
)  # fmt: skip
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
DASHES: Final = ((0, (1, 2)), (0, (4, 3)), (0, (8, 3)), (0, (5, 2, 1, 2)))


def dress(axes: Axes, *, xlabel: str, ylabel: str, grid: str = "y") -> None:
    """Take away all ink that carries nothing, and name the axes."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.set_xlabel(xlabel, color=MUTED, fontsize=11)
    axes.set_ylabel(ylabel, color=MUTED, fontsize=11)
    for label in (axes.xaxis.label, axes.yaxis.label):
        plain(label)
    axes.tick_params(colors=MUTED, labelsize=11, length=0, pad=5)
    axes.grid(True, axis="x" if grid == "x" else "y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0.0)


def note(horizontal: str, vertical: str) -> dict[str, Any]:
    """Return how small words beside a mark are set."""
    return {"color": MUTED, "fontsize": 11.0, "horizontalalignment": horizontal, "verticalalignment": vertical}


def whisker(axes: Axes, low: float | None, high: float | None, y: float, colour: str) -> None:
    """Draw an interval of shares in [0, 1], if there is one, on an axis out of 100."""
    if low is not None and high is not None:
        axes.plot([100.0 * low, 100.0 * high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")


def level_line(axes: Axes, value: float, label: str, style: Any, lift: float, colour: str = MUTED) -> None:
    """Draw a line at a share in [0, 1] of an axis out of 100, and its name above the panel, `lift` points up."""
    axes.axvline(100.0 * value, color=colour, linewidth=1.2, linestyle=style, zorder=0.5)
    # The label stands right of its line, unless that would run out of the panel.
    side = "right" if value > 0.75 else "left"
    plain(
        axes.annotate(
            f"{label} {per_hundred(value)}",
            (100.0 * value, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if side == "right" else 3, lift),
            textcoords="offset points",
            **note(side, "bottom"),
        )
    )


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Give every row of a panel its name, the first above."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    for tick in axes.get_yticklabels():
        plain(tick)
