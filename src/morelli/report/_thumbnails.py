"""Small pictures inside the page itself, made from the files while they are still there."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from morelli.errors import ImageReadError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["SIDE", "Pictures", "Thumbnail", "embedded", "picture_of", "shown", "thumbnail"]

SIDE: Final = 160
_JPEG_QUALITY: Final = 80
# EXIF orientation to PIL.Image.Transpose; the reader records it and leaves the pixels alone, people want it applied.
_TURNS: Final = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


Pictures = Callable[[str], "Picture | str"]
"""Gives the small picture of a local file, or why there is none, as `picture_of` does."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a ``data:`` address, or the reason why there is none."""

    data: str | None
    width: int
    height: int
    note: str


def thumbnail(uri: str, base: str | os.PathLike[str] | None = None, side: int = SIDE) -> Thumbnail:
    """Make a JPEG of at most `side` pixels.

    Parameters
    ----------
    uri : str
        Path of a local file.
    base : path-like or None
        Folder that a relative `uri` starts from; the working folder if None.
    side : int
        Longest side in pixels. Smaller images keep their size.

    Returns
    -------
    Thumbnail
        Without data, and with a note for the reader of the page, if the file is gone or cannot be read.
    """
    return shown(picture_of(uri, base, side), side)


def shown(picture: Picture | str, side: int = SIDE) -> Thumbnail:
    """Return a picture, or the reason why there is none, as it is put into a page."""
    return Thumbnail(None, side, side, picture) if isinstance(picture, str) else embedded(picture)


def picture_of(uri: str, base: str | os.PathLike[str] | None = None, side: int = SIDE) -> Picture | str:
    """Return a local image in RGB and the right way up, at most `side` pixels long, or why there is none."""
    if "\0" in uri:
        return "the path is not valid"
    path = Path(base, uri) if base is not None else Path(uri)
    try:
        present = path.is_file()
    except OSError:
        present = False
    if not present:
        return "file not found"

    from PIL import Image

    from morelli.images import read_image

    try:
        loaded = read_image(path)
    except ImageReadError as problem:
        return f"not readable: {problem.kind}"
    picture = Image.fromarray(loaded.pixels)
    turn = _TURNS.get(loaded.facts.orientation)
    scale = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture if turn is None else picture.transpose(Image.Transpose(turn))


def embedded(picture: Picture) -> Thumbnail:
    """Return a picture of Pillow's as a JPEG inside the page, in its own size."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{encoded}", picture.width, picture.height, "")
