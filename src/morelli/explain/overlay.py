"""A map laid over its image: the picture in grey, the evidence as colour, and a legend below."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from morelli._files import atomic_path
from morelli._text import printable
from morelli.explain._colours import tint
from morelli.explain.trace_map import Grid, TraceMap

__all__ = ["MARKED", "full_colour", "legend_of", "overlay", "paint", "write_overlay"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float64]

MARKED = 2.0
"""Cells whose value is this many times the noise bear a sign, so that no colour has to be told from another."""

_DARKEST, _LIGHTEST = 0.38, 0.83
"""Lightness that black and white of the picture become: colours need room on both sides."""

_LONGEST, _SHORTEST = 1024, 448
"""Pixels of the picture's longer side: larger ones are shrunk, smaller ones are shown in whole multiples."""

_PAPER, _INK, _FAINT = (255, 255, 255), (24, 24, 24), (96, 96, 96)
_MARGIN, _BAR, _FONT = 10, 14, 14


def paint(shown: TraceMap, pixels: Pixels, longest: int = _LONGEST, limit: float | None = None) -> Pixels:
    """Return the picture with the map laid over it, without a legend.

    Parameters
    ----------
    shown : TraceMap
    pixels : ndarray of uint8, shape (height, width, 3)
        Of the image that the map is about.
    longest : int, default 1024
        Most pixels of the longer side.
    limit : float, optional
        Value of full colour, for maps that are to be compared; by default the largest there is, see `full_colour`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    ValueError
        The image has another size.
    """
    grid = shown.grid
    if pixels.shape != (grid.height, grid.width, 3):
        raise ValueError(f"the map is about an image of {grid.width}x{grid.height} pixels, not {pixels.shape}")
    grey = Image.fromarray(pixels).convert("L")
    longer = max(grey.size)
    if longer > longest:
        size = (max(1, round(grey.width * longest / longer)), max(1, round(grey.height * longest / longer)))
        grey = grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    elif longer < min(_SHORTEST, longest):
        times = min(-(-_SHORTEST // longer), longest // longer)
        grey = grey.resize((grey.width * times, grey.height * times), Image.Resampling.NEAREST)
    lightness = _DARKEST + (_LIGHTEST - _DARKEST) * np.asarray(grey, dtype=np.float64) / 255
    painted = tint(lightness, _spread(shown.values / (limit or full_colour(shown)), grid, *lightness.shape))
    return _signed(painted, shown)


def overlay(shown: TraceMap, pixels: Pixels) -> Pixels:
    """Return the painted picture on paper, above a scale and what belongs to its reading; see :func:`paint`."""
    picture = paint(shown, pixels)
    width = max(picture.shape[1], _SHORTEST) + 2 * _MARGIN
    size = max(_FONT, width // 55)
    font, step = ImageFont.load_default(size), round(1.35 * size)
    room = (width - 2 * _MARGIN) // (0.5 * size)  # letters on a line, of half the font's size each
    lines = [part for text in legend_of(shown) for part in textwrap.wrap(text, int(room))]
    top = picture.shape[0] + 2 * _MARGIN
    height = top + _BAR + step * (len(lines) + 1) + 2 * _MARGIN
    page = Image.new("RGB", (width, height), _PAPER)
    page.paste(Image.fromarray(picture), ((width - picture.shape[1]) // 2, _MARGIN))
    draw = ImageDraw.Draw(page)
    bar = tint(
        np.full((_BAR, width - 2 * _MARGIN), 0.66), np.linspace(-1, 1, width - 2 * _MARGIN)[None].repeat(_BAR, 0)
    )
    page.paste(Image.fromarray(bar), (_MARGIN, top))
    limit, y = full_colour(shown), top + _BAR + 3
    for x, anchor, text in (
        (_MARGIN, "la", f"-{limit:.3g} against"),
        (width // 2, "ma", "0"),
        (width - _MARGIN, "ra", f"for +{limit:.3g}"),
    ):
        draw.text((x, y), text, fill=_FAINT, font=font, anchor=anchor)
    for number, line in enumerate(lines, start=1):
        draw.text((_MARGIN, y + number * step), line, fill=_INK, font=font)
    return np.asarray(page)


def write_overlay(path: str | os.PathLike[str], shown: TraceMap, pixels: Pixels) -> Path:
    """Write :func:`overlay` as PNG, wholly or not at all; nothing of the source's metadata goes along."""
    with atomic_path(path) as place:
        Image.fromarray(overlay(shown, pixels)).save(place, "PNG")
    return Path(path)


def legend_of(shown: TraceMap) -> list[str]:
    """Return the sentences of a map's legend."""
    candidate, against = printable(shown.candidate), None if shown.against is None else printable(shown.against)
    if shown.method == "occlusion":
        what = f"log-probability of {candidate}" + (f" over {against}" if against else "")
        first = f"Blue: covering this costs {what}. Orange: it gains."
        second = f"Uncovered: {shown.whole:.2f} nats."
    else:
        first = f"Blue: evidence for {candidate}. Orange: for {against or 'the mean of all candidates'}."
        second = f"The image as a whole: {shown.whole:+.1f} nats."
    if shown.noise is not None:
        second += f" Noise: {shown.noise:.2g} nats; + and - mark cells beyond {MARKED:g} times that."
    where = "One window; nothing tells regions apart." if shown.n_windows == 1 else ""
    placeless = ", ".join(f"{name} {value:+.1f}" for name, value in shown.unplaced.items())
    return [text for text in (first, second, where, f"Has no place: {placeless}." if placeless else "") if text]


def full_colour(shown: TraceMap) -> float:
    """Return the value that gets full colour: the largest, or what is beyond the noise where nothing is."""
    return max(float(np.abs(shown.values).max()), MARKED * (shown.noise or 0.0)) or 1.0


def _edges(start: float, cell: float, n: int, length: int, shown: int) -> NDArray[np.intp]:
    """Return where cells begin and the last one ends, in pixels of what is shown."""
    return np.rint((start + cell * np.arange(n + 1)) * shown / length).astype(np.intp)


def _spread(values: Float, grid: Grid, height: int, width: int) -> Float:
    """Return the value of each pixel that is shown; 0 where no cell is."""
    result = np.zeros((height, width))
    down = _edges(grid.top, grid.cell_height, grid.rows, grid.height, height)
    across = _edges(grid.left, grid.cell_width, grid.columns, grid.width, width)
    inner = np.repeat(np.repeat(values, np.diff(down), axis=0), np.diff(across), axis=1)
    result[down[0] : down[-1], across[0] : across[-1]] = inner
    return result


def _signed(painted: Pixels, shown: TraceMap) -> Pixels:
    """Draw a small plus or minus into cells beyond the noise."""
    if not shown.noise or shown.n_windows == 1:
        return painted
    page, grid = Image.fromarray(painted), shown.grid
    draw = ImageDraw.Draw(page)
    down = _edges(grid.top, grid.cell_height, grid.rows, grid.height, page.height)
    across = _edges(grid.left, grid.cell_width, grid.columns, grid.width, page.width)
    arm = max(2, min(np.diff(down).min(), np.diff(across).min()) // 10)
    for row, column in zip(*np.nonzero(np.abs(shown.values) >= MARKED * shown.noise), strict=True):
        x, y = (across[column] + across[column + 1]) // 2, (down[row] + down[row + 1]) // 2
        draw.line((x - arm, y, x + arm, y), fill=_PAPER, width=max(1, arm // 3))
        if shown.values[row, column] > 0:
            draw.line((x, y - arm, x, y + arm), fill=_PAPER, width=max(1, arm // 3))
    return np.asarray(page)
