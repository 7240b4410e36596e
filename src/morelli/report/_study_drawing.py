"""What the charts of studies have in common: a drawing, widths of words, a legend, an empty figure."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from morelli.report._axes import note
from morelli.report._svg import INK, new_figure, plain
from morelli.report._text import per_hundred, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Drawing",
    "Key",
    "as_paper",
    "blank",
    "draw_legend",
    "finite",
    "legend_rows",
    "level_name",
    "listed",
    "slug",
    "spread",
    "words_width",
]

ROW = 22.0
_SAMPLE, _GAP = 30.0, 22.0


@dataclass(slots=True)
class Drawing:
    """A figure with what is said about it: a description, and words shown on hovering by the artist's gid."""

    figure: Figure
    description: str
    tips: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: its words, and the properties of the line or square drawn before them."""

    label: str
    line: Mapping[str, Any] = field(default_factory=dict)
    patch: Mapping[str, Any] = field(default_factory=dict)


def slug(name: str) -> str:
    """Return a name for files and anchors: lower-case words joined by hyphens.

    >>> slug("../Views: jpeg:75|blur")
    'views-jpeg-75-blur'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80].rstrip("-") or "unnamed"


def finite(value: float | None) -> float | None:
    """Return a number that can be drawn, else None."""
    return None if value is None or not isfinite(value) else float(value)


def as_paper(name: str) -> str:
    """Return a name that says whose figure it is."""
    return name if name.rstrip().endswith("(paper)") else f"{name} (paper)"


def listed(words: Sequence[str], limit: int = 40) -> str:
    """Join words for a description; beyond `limit` only their number is said."""
    more = len(words) - limit
    return "; ".join(words[:limit]) + (f"; and {more} more" if more > 0 else "")


def words_width(text: str, size: float = 11.0) -> float:
    """Return how wide `text` is in the figures' font, in pixels; to be called within `styled`."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    # Scripts that our font lacks are drawn by the reader's, in squares.
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return float(width) + 0.45 * size * wide


def blank(sentence: str) -> Drawing:
    """Draw nothing but a sentence that says why."""
    figure = new_figure(830, 96)
    plain(figure.text(0.5, 0.5, sentence, **note("center", "center")))
    return Drawing(figure, sentence)


def legend_rows(keys: Sequence[Key], width: float) -> list[list[tuple[float, Key]]]:
    """Put entries into rows no wider than `width`, each with its left edge."""
    rows: list[list[tuple[float, Key]]] = []
    x = width + 1.0
    for key in keys:
        wide = _SAMPLE + words_width(key.label)
        if not rows or x + wide > width:
            rows.append([])
            x = 0.0
        rows[-1].append((x, key))
        x += wide + _GAP
    return rows


def draw_legend(figure: Figure, rows: Sequence[Sequence[tuple[float, Key]]], left: float, height: float) -> None:
    """Draw the entries above the panel, from `left` pixels on."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    total = figure.get_size_inches()[0] * 72.0
    for i, row in enumerate(rows):
        y = 1.0 - (14.0 + ROW * i) / height
        for x, key in row:
            start = left + x
            if key.patch:
                corner = ((start + 8) / total, y - 6 / height)
                figure.add_artist(Rectangle(corner, 12 / total, 12 / height, **key.patch))
            else:
                # The mark stands in the middle of its line.
                xs = [start / total, (start + 11) / total, (start + 22) / total]
                figure.add_artist(Line2D(xs, [y, y, y], markevery=[1], **key.line))
            words = figure.text(
                (start + _SAMPLE - 2) / total, y, key.label, **(note("left", "center") | {"color": INK})
            )
            plain(words)


def level_name(label: str, value: float, shares: bool = True) -> str:
    """Return the words beside a level."""
    return f"{shorten(label, 28)} {per_hundred(value) if shares else f'{value:.3g}'}"


def spread(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Move places as little as needed to stand `distance` apart, within `low` and `high` if they fit.

    Parameters
    ----------
    places : sequence of float
    distance, low, high : float
        Pixels.

    Returns
    -------
    list of float
        In the order of `places`.

    Examples
    --------
    >>> spread([10.0, 12.0, 50.0], 14.0, 0.0, 100.0)
    [4.0, 18.0, 50.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    # Runs of labels that touch move as one block, around the mean of where they want to be.
    blocks: list[tuple[list[int], float]] = []
    for i in order:
        members, centre = [i], places[i]
        while blocks:
            before, at = blocks[-1]
            if at + distance * (len(before) + len(members)) / 2 <= centre:
                break
            members = before + members
            centre = sum(places[k] for k in members) / len(members)
            blocks.pop()
        half = distance * (len(members) - 1) / 2
        centre = min(max(centre, low + half), max(high - half, low + half))
        blocks.append((members, centre))
    found = [0.0] * len(places)
    for members, centre in blocks:
        for rank, k in enumerate(members):
            found[k] = centre + distance * (rank - (len(members) - 1) / 2)
    return found
