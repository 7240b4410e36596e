"""Saving and decoding: what codecs and palettes leave behind."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, features

from morelli.errors import ViewError
from morelli.images import Limits, read_image
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__ = ["encode"]

# The view's own output: the only bounds are those of the formats, which `encode` checks.
_OWN = Limits(max_bytes=1 << 32, max_pixels=1 << 32, max_side=65_535, max_seconds=math.inf)
_LONGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_535}
_SUBSAMPLING = Parameter(
    "subsampling", "resolution of the colour channels", choices=("4:4:4", "4:2:2", "4:2:0"), default="4:2:0"
)


@register_view(
    "jpeg",
    "Save as JPEG and decode (libjpeg's tables, no optimisation)",
    Parameter("quality", "IJG quality", 1, 100, whole=True),
    _SUBSAMPLING,
    severities=("90", "75", "50", "30", "15"),
)
def _jpeg(pixels: Pixels, quality: int, subsampling: str) -> Pixels:
    return encode(pixels, "JPEG", quality=quality, subsampling=subsampling)


@register_view(
    "webp",
    "Save as lossy WebP and decode",
    Parameter("quality", "libwebp quality", 1, 100, whole=True),
    severities=("90", "75", "50", "30", "15"),
    costly=True,
)
def _webp(pixels: Pixels, quality: int) -> Pixels:
    return encode(pixels, "WEBP", quality=quality)


@register_view(
    "avif",
    "Save as lossy AVIF and decode (speed 6, one thread)",
    Parameter("quality", "libavif quality", 0, 100, whole=True),
    _SUBSAMPLING,
    severities=("80", "65", "50", "35", "20"),
    costly=True,
)
def _avif(pixels: Pixels, quality: int, subsampling: str) -> Pixels:
    if not features.check("avif"):
        raise ViewError("this Pillow cannot write AVIF; install one with AVIF, such as Pillow's own wheels from PyPI")
    # The number of threads can change how libaom cuts the image into tiles.
    return encode(pixels, "AVIF", quality=quality, subsampling=subsampling, speed=6, max_threads=1)


@register_view(
    "quantise",
    "Reduce the colours to a palette, by median cut, as GIF and small PNG files do",
    Parameter("colours", "size of the palette", 2, 256, whole=True),
    Parameter("dither", "1 spreads the errors (Floyd and Steinberg), 0 does not", 0, 1, whole=True, default=0),
    severities=("256", "64", "32", "16", "8"),
    costly=True,
)
def _quantise(pixels: Pixels, colours: int, dither: int) -> Pixels:
    image = Image.fromarray(pixels)
    result = image.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    if dither:
        # Pillow dithers only towards a palette that there is.
        result = image.quantize(palette=result, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(result.convert("RGB"))


def encode(pixels: Pixels, format_name: str, **options: object) -> Pixels:
    """Save and decode, through the same door as any file.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 (height, width, 3).
    format_name : str
        ``JPEG``, ``WEBP`` or ``AVIF``.
    **options
        For Pillow's writer.

    Raises
    ------
    morelli.errors.ViewError
        The format cannot hold so long a side.
    """
    longest = _LONGEST[format_name]
    if max(pixels.shape[:2]) > longest:
        shape = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ViewError(f"{format_name} holds at most {longest} pixels a side, and the image is {shape}; resize first")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_name, **options)
    return read_image(file.getvalue(), name=f"<{format_name} view>", limits=_OWN).pixels
