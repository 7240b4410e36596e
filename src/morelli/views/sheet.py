"""Contact sheets: many views of one image on one page, with their names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from morelli.errors import ViewError
from morelli.views.info import Pixels
from morelli.views.registry import View, list_views, parse_view

__all__ = ["MAX_VIEWS", "Sheet", "contact_sheet", "example_views"]

MAX_VIEWS = 200
"""The most views on one sheet."""

_SIDE = 176
"""Pixels of the two pictures of a view, each way."""

_GAP, _LINE, _COLUMNS = 6, 13, 4
_PAPER, _INK, _EMPTY = 255, 0, 232


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A contact sheet.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3); at most 1,470 pixels wide, and 201 high for each row of four views.
    errors : tuple of str
        Why a view could not be shown; its place on the sheet says the same.
    """

    pixels: Pixels
    errors: tuple[str, ...]


def example_views() -> tuple[View, ...]:
    """Return one use of each registered view that names one: severity 3, or what is typical; the identity first."""
    names = [info.example for info in list_views()]
    return parse_view("none"), *(parse_view(name) for name in names if name is not None)


def contact_sheet(pixels: Pixels, views: Sequence[View], seed: int = 0) -> Sheet:
    """Show views of an image, four in a row, each twice: whole and shrunk, and its centre in native pixels.

    The whole picture shows what changes tone and geometry; compression, noise and sharpening show in native pixels.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    views : sequence of View
        1 to 200.
    seed : int
        As for `View`.

    Returns
    -------
    Sheet

    Raises
    ------
    morelli.errors.ViewError
        There are no views, or too many.
    """
    if not 1 <= len(views) <= MAX_VIEWS:
        raise ViewError(f"a contact sheet shows 1 to {MAX_VIEWS} views, not {len(views)}")
    columns = min(_COLUMNS, len(views))
    rows = -(-len(views) // columns)
    wide, high = 2 * _SIDE + 2 * _GAP, _SIDE + _LINE + 2 * _GAP
    page = Image.new("RGB", (columns * wide + _GAP, rows * high + _GAP), (_PAPER,) * 3)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default_imagefont()
    errors = []
    for number, view in enumerate(views):
        left, top = number % columns * wide + _GAP, number // columns * high + _GAP
        name = textwrap.shorten(view.name, 2 * _SIDE // 6, placeholder="...", break_on_hyphens=False)
        draw.text((left, top), name, fill=(_INK,) * 3, font=font)
        try:
            result = view(pixels, seed)
        except ViewError as error:
            errors.append(f"{view.name}: {error}")
            lines = textwrap.wrap(str(error), 2 * _SIDE // 6)
            draw.text((left, top + 2 * _LINE), "\n".join(lines[:10]), fill=(_INK,) * 3, font=font)
            continue
        for place, picture in enumerate((_whole(result), _centre(result))):
            page.paste(picture, (left + place * (_SIDE + _GAP // 2), top + _LINE))
    return Sheet(np.asarray(page), tuple(errors))


def _whole(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC, reducing_gap=None)
    return _framed(image)


def _centre(pixels: Pixels) -> Image.Image:
    height, width = (min(length, _SIDE) for length in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return _framed(Image.fromarray(np.ascontiguousarray(pixels[top : top + height, left : left + width])))


def _framed(image: Image.Image) -> Image.Image:
    """Put a picture that is smaller than its place in the middle of it."""
    frame = Image.new("RGB", (_SIDE, _SIDE), (_EMPTY,) * 3)
    frame.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    return frame
