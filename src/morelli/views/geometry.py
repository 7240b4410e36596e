"""Size, place and frame: resizing, cropping, turning, mirroring, borders."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from morelli.views._filters import check_size, resample, scaled
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []

_BICUBIC = Image.Resampling.BICUBIC
_KEPT = Parameter("share", "share of each side that stays", 0.01, 1.0, identity=1)
_SLACK = 0.01
"""Pixels by which a turned rectangle may reach over the border: its outermost samples lie half a pixel inside."""

_CROPS = ("0.95", "0.9", "0.8", "0.65", "0.5")


@register_view(
    "resize",
    "Resize so that the short side has a length (bicubic, antialiased; also upwards)",
    Parameter("side", "pixels of the short side", 1, 8192, whole=True),
    severities=("768", "512", "384", "256", "128"),
)
def _resize(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    short = min(height, width)
    if short == side:
        return pixels
    return resample(pixels, scaled(width, side / short), scaled(height, side / short), _BICUBIC)


@register_view(
    "scale",
    "Resize both sides by a factor (bicubic, antialiased)",
    Parameter("factor", "new length over old", 0.01, 8.0, identity=1),
    severities=("0.9", "0.75", "0.5", "0.35", "0.25"),
)
def _scale(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    size = scaled(width, factor), scaled(height, factor)
    return pixels if size == (width, height) else resample(pixels, *size, _BICUBIC)


@register_view(
    "downup",
    "Resize both sides by a factor, and back to the old size (bicubic, antialiased)",
    Parameter("factor", "length in between over old", 0.01, 1.0, identity=1),
    severities=("0.9", "0.75", "0.5", "0.35", "0.25"),
)
def _downup(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    size = scaled(width, factor), scaled(height, factor)
    if size == (width, height):
        return pixels
    return resample(resample(pixels, *size, _BICUBIC), width, height, _BICUBIC)


@register_view("crop", "Keep the centre", _KEPT, severities=_CROPS)
def _crop(pixels: Pixels, share: float) -> Pixels:
    height, width = scaled(pixels.shape[0], share), scaled(pixels.shape[1], share)
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


@register_view("random-crop", "Keep a rectangle at a random place", _KEPT, seeded=True, severities=_CROPS)
def _random_crop(pixels: Pixels, rng: np.random.Generator, share: float) -> Pixels:
    height, width = scaled(pixels.shape[0], share), scaled(pixels.shape[1], share)
    top, left = int(rng.integers(pixels.shape[0] - height + 1)), int(rng.integers(pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width]


@register_view("flip", "Mirror left and right")
def _flip(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1]


@register_view(
    "rotate",
    "Turn about the centre (bicubic), and keep the largest upright rectangle of picture; nothing is filled in",
    Parameter("degrees", "anticlockwise; quarter turns move pixels and change none", 0.0, 360.0, identity=0),
    severities=("1", "3", "7", "15", "30"),
)
def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    if degrees % 90 == 0:
        return np.rot90(pixels, int(degrees // 90))
    height, width = pixels.shape[:2]
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    sides = _inscribed(width, height, abs(sine), abs(cosine))
    new_width, new_height = (max(1, math.floor(side + _SLACK)) for side in sides)
    # From a place in the result to one in the image, both measured from the centre; y points down.
    across, down = new_width / 2, new_height / 2
    matrix = (
        cosine, -sine, width / 2 - cosine * across + sine * down,
        sine, cosine, height / 2 - sine * across - cosine * down,
    )  # fmt: skip
    image = Image.fromarray(pixels)
    return np.asarray(image.transform((new_width, new_height), Image.Transform.AFFINE, matrix, _BICUBIC))


def _inscribed(width: int, height: int, sine: float, cosine: float) -> tuple[float, float]:
    """Return the sides of the largest upright rectangle in a turned one, by the absolute sine and cosine."""
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long or abs(sine - cosine) < 1e-10:
        # A narrow image: two corners lie on its long sides, in the middle.
        sides = short / 2 / sine, short / 2 / cosine
        return sides if width >= height else sides[::-1]
    double = cosine**2 - sine**2
    return (width * cosine - height * sine) / double, (height * cosine - width * sine) / double


@register_view(
    "border",
    "Put an even border around, so that the image grows",
    Parameter("share", "width of the border over the short side", 0.0, 0.5, identity=0),
    Parameter("grey", "level of the border, 0 black to 255 white", 0, 255, whole=True, default=255),
    severities=("0.01", "0.03", "0.06", "0.12", "0.25"),
)
def _border(pixels: Pixels, share: float, grey: int) -> Pixels:
    height, width = pixels.shape[:2]
    # At least a pixel, unless none is asked for.
    wide = scaled(min(height, width), share) if share > 0 else 0
    check_size(pixels, width + 2 * wide, height + 2 * wide)
    return np.pad(pixels, ((wide, wide), (wide, wide), (0, 0)), constant_values=grey)
