"""Brightness, contrast and colour. All sums are float32 and rounded once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from morelli.views._filters import luma, to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []


@register_view(
    "jitter",
    "Change brightness, contrast and saturation, each by its own random factor",
    Parameter("strength", "the factors lie within 1 - strength and 1 + strength", 0.0, 1.0, identity=0),
    seeded=True,
    severities=("0.05", "0.1", "0.2", "0.4", "0.6"),
)
def _jitter(pixels: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    brightness, contrast, saturation = (1 + strength * rng.uniform(-1, 1, 3)).astype(np.float32)
    values = pixels * brightness
    values = _spread(values, contrast)
    grey = luma(values)[:, :, np.newaxis]
    return to_uint8(grey + saturation * (values - grey))


@register_view("gray", "Luma (ITU-R BT.601) in all three channels")
def _gray(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


@register_view(
    "brightness",
    "Multiply all levels by a factor",
    Parameter("factor", "0 is black", 0.0, 4.0, identity=1),
    severities=("1.05", "1.1", "1.25", "1.5", "2"),
)
def _brightness(pixels: Pixels, factor: float) -> Pixels:
    # A table of 256 levels, which is what there is to compute.
    return to_uint8(np.arange(256, dtype=np.float32) * np.float32(factor))[pixels]


@register_view(
    "contrast",
    "Multiply the differences from the mean luma by a factor",
    Parameter("factor", "0 is flat grey", 0.0, 4.0, identity=1),
    severities=("0.9", "0.8", "0.65", "0.45", "0.25"),
)
def _contrast(pixels: Pixels, factor: float) -> Pixels:
    return to_uint8(_spread(pixels.astype(np.float32), np.float32(factor)))


@register_view(
    "saturation",
    "Multiply the differences of the channels from luma by a factor",
    Parameter("factor", "0 is grey", 0.0, 4.0, identity=1),
    severities=("0.9", "0.75", "0.5", "0.25", "0"),
)
def _saturation(pixels: Pixels, factor: float) -> Pixels:
    values = pixels.astype(np.float32)
    grey = luma(values)[:, :, np.newaxis]
    return to_uint8(grey + np.float32(factor) * (values - grey))


@register_view(
    "gamma",
    "Raise levels, as shares of white, to a power",
    Parameter("exponent", "above 1 is darker", 0.1, 10.0, identity=1),
    severities=("1.1", "1.25", "1.5", "2", "3"),
)
def _gamma(pixels: Pixels, exponent: float) -> Pixels:
    # In double precision, where the last bits of a power, which differ between machines, are far from a rounding.
    levels = 255.0 * (np.arange(256) / 255.0) ** exponent
    return to_uint8(levels.astype(np.float32))[pixels]


def _spread(values: npt.NDArray[np.float32], factor: np.float32) -> npt.NDArray[np.float32]:
    middle = np.float32(luma(values).mean(dtype=np.float64))
    return middle + factor * (values - middle)
