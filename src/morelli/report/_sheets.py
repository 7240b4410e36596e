"""Contact sheets: small pictures of many images on one, numbered, for a person to look through."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from morelli.report._thumbnails import SIDE, Pictures, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["MOST_ON_SHEET", "contact_sheet_png", "draw_sheet"]

MOST_ON_SHEET: Final = 48
"""Images on a sheet."""

_GAP, _LINE, _COLUMNS = 8, 14, 8
_PAPER, _INK, _EMPTY = (255, 255, 255), (34, 38, 43), (226, 224, 218)


def draw_sheet(paths: Sequence[str], pictures: Pictures = picture_of) -> Picture:
    """Draw the first `MOST_ON_SHEET` images, each with its number from 1; a file that is gone leaves an empty place.

    Returns
    -------
    PIL.Image.Image
        RGB, at most 1352 x 1100 pixels.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = list(paths[:MOST_ON_SHEET])
    columns = max(1, min(_COLUMNS, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    page = Image.new("RGB", (columns * (SIDE + _GAP) + _GAP, rows * (SIDE + _LINE + _GAP) + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default_imagefont()
    for i, path in enumerate(shown):
        left = i % columns * (SIDE + _GAP) + _GAP
        top = i // columns * (SIDE + _LINE + _GAP) + _GAP
        draw.text((left, top), str(i + 1), fill=_INK, font=font)
        picture = pictures(path)
        if isinstance(picture, str):
            draw.rectangle((left, top + _LINE, left + SIDE - 1, top + _LINE + SIDE - 1), fill=_EMPTY)
            draw.text((left + 6, top + _LINE + 6), picture[:24], fill=_INK, font=font)
        else:
            page.paste(picture, (left + (SIDE - picture.width) // 2, top + _LINE + (SIDE - picture.height) // 2))
    return page


def contact_sheet_png(paths: Sequence[str], pictures: Pictures = picture_of) -> bytes:
    """Return the sheet of `draw_sheet` as a PNG without metadata; the same images give the same bytes."""
    buffer = io.BytesIO()
    draw_sheet(paths, pictures).save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()
