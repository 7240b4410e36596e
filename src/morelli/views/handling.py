"""What people and services do with images: captures of a screen, uploads, words written over them.

The figures are typical of what services did to uploads when this was written. They are no promise of any service, and
services change them without notice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from morelli.views._filters import resample, scaled, to_uint8
from morelli.views.codecs import encode
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []

_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
_ON_SCREEN = Parameter("factor", "size on the screen over size of the image", 0.1, 4.0, default=0.9, identity=1)
_FACTORS = ("0.95", "0.85", "0.75", "0.6", "0.45")
_PAGE, _BAR, _BUTTON = 244, 222, 118
_WORDS = ("SAMPLE", "PREVIEW", "DRAFT", "COPY", "DEMO", "PROOF")
_OPACITY = np.float32(0.8)


@register_view(
    "screenshot",
    "As shown on a screen and captured: bilinear resize by a factor that is no whole number, saved without loss",
    _ON_SCREEN,
    severities=_FACTORS,
)
def _screenshot(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    return resample(pixels, scaled(width, factor), scaled(height, factor), _BILINEAR)


@register_view(
    "screen-capture",
    "As screenshot, with a strip of a page around it and a bar with buttons above, and saved as JPEG",
    replace(_ON_SCREEN, identity=None),
    Parameter("quality", "IJG quality", 1, 100, whole=True, default=90),
    severities=("0.95,95", "0.85", "0.75,85", "0.6,80", "0.45,75"),
)
def _screen_capture(pixels: Pixels, factor: float, quality: int) -> Pixels:
    shown = _screenshot(pixels, factor)
    height, width = shown.shape[:2]
    margin = scaled(min(height, width), 0.03)
    bar = 3 * margin
    page = np.full((height + bar + 2 * margin, width + 2 * margin, 3), _PAGE, dtype=np.uint8)
    page[:bar] = _BAR
    for number in range(3):
        left = margin + 2 * margin * number
        page[margin : 2 * margin, left : left + margin] = _BUTTON
    page[bar + margin : bar + margin + height, margin : margin + width] = shown
    return encode(page, "JPEG", quality=quality, subsampling="4:2:0")


@register_view(
    "social",
    "As a social network or a messenger saves an upload: made smaller to a longest side, JPEG with 4:2:0",
    Parameter("side", "longest side in pixels; smaller images keep their size", 16, 8192, whole=True),
    Parameter("quality", "IJG quality", 1, 100, whole=True, default=80),
    severities=("2048,85", "1600", "1280,75", "1080,70", "720,60"),
)
def _social(pixels: Pixels, side: int, quality: int) -> Pixels:
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor < 1:
        pixels = resample(pixels, scaled(width, factor), scaled(height, factor), _BICUBIC)
    return encode(pixels, "JPEG", quality=quality, subsampling="4:2:0")


@register_view(
    "text",
    "A word in white with a dark shadow at a random place, as of a watermark (Pillow's built-in bitmap font)",
    Parameter("share", "height of the letters over the short side; narrower images get less", 0.0, 0.5, identity=0),
    seeded=True,
    severities=("0.03", "0.05", "0.08", "0.12", "0.2"),
)
def _text(pixels: Pixels, rng: np.random.Generator, share: float) -> Pixels:
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    across, down = rng.random(2)
    if share == 0:
        return pixels
    letters = _letters(word, pixels.shape[1], scaled(min(pixels.shape[:2]), share))
    offset = max(1, letters.shape[0] // 12)
    tall, wide = letters.shape[0] + offset, letters.shape[1] + offset
    height, width = pixels.shape[:2]
    shape = min(tall, height), min(wide, width)
    top, left = int(down * (height - shape[0] + 1)), int(across * (width - shape[1] + 1))
    result = pixels.copy()
    area = result[top : top + shape[0], left : left + shape[1]]
    values = area.astype(np.float32)
    for shift, level in ((offset, np.float32(0)), (0, np.float32(255))):
        cover = np.zeros((tall, wide, 1), dtype=np.float32)
        cover[shift : shift + letters.shape[0], shift : shift + letters.shape[1], 0] = letters
        cover = _OPACITY * cover[: shape[0], : shape[1]]
        values = values + cover * (level - values)
    area[:] = to_uint8(values)
    return result


def _letters(word: str, width: int, height: int) -> npt.NDArray[np.float32]:
    """Return how much of each pixel a word covers, 0 to 1, at most `height` and `width` large."""
    # The bitmap font, because how FreeType draws depends on its version.
    font = ImageFont.load_default_imagefont()
    image = Image.new("L", [int(side) for side in font.getbbox(word)[2:]])
    ImageDraw.Draw(image).text((0, 0), word, fill=255, font=font)
    image = image.crop(image.getbbox())
    height = max(1, min(height, width * image.height // image.width))
    size = max(1, scaled(image.width, height / image.height)), height
    return np.asarray(image.resize(size, _BICUBIC), dtype=np.float32) / np.float32(255)
