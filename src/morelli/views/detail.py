"""Blur, noise, sharpening: what changes the finest detail and moves nothing."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from morelli.views._filters import gaussian, to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []


@register_view(
    "blur",
    "Gaussian blur",
    Parameter("sigma", "standard deviation in pixels", 0.0, 64.0, identity=0),
    severities=("0.5", "1", "2", "4", "8"),
    costly=True,
)
def _blur(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(gaussian(pixels, sigma))


@register_view(
    "noise",
    "Add Gaussian noise, independent for each pixel and channel",
    Parameter("sigma", "standard deviation in 8-bit units", 0.0, 128.0, identity=0),
    seeded=True,
    severities=("2", "5", "10", "20", "40"),
)
def _noise(pixels: Pixels, rng: np.random.Generator, sigma: float) -> Pixels:
    return to_uint8(pixels + np.float32(sigma) * rng.standard_normal(pixels.shape, dtype=np.float32))


@register_view(
    "sharpen",
    "Unsharp mask: add the difference from a Gaussian blur of 1 pixel",
    Parameter("amount", "times the difference", 0.0, 10.0, identity=0),
    severities=("0.25", "0.5", "1", "2", "4"),
)
def _sharpen(pixels: Pixels, amount: float) -> Pixels:
    return to_uint8(pixels + np.float32(amount) * (pixels - gaussian(pixels, 1.0)))


@register_view(
    "median",
    "Replace each level by the median around it, in each channel",
    Parameter("size", "side of the square around it in pixels", 1, 15, whole=True, odd=True, identity=1),
    severities=("3", "5", "7", "9", "11"),
    costly=True,
)
def _median(pixels: Pixels, size: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(size)))
