"""Probes that keep colours or texture and move or smooth the rest, to find out where the evidence is."""

from __future__ import annotations

import numpy as np
from PIL import Image

from morelli.views._filters import gaussian, to_uint8
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []

_SIGMA = Parameter("sigma", "standard deviation of the Gaussian in pixels", 0.1, 64.0)
_PATCH = Parameter("size", "side of a patch in pixels", 1, 4096, whole=True)
_SAME = 20_241_117
"""Seed of the permutations that are one and the same for all images of a size."""


@register_view(
    "lowpass",
    "Only what is coarser than a Gaussian: layout and colour (the filter of blur)",
    _SIGMA,
    group="structure",
    typical="4",
    costly=True,
)
def _lowpass(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(gaussian(pixels, sigma))


@register_view(
    "highpass",
    "Only what is finer than a Gaussian: texture and artefacts, around mid-grey (the rest of lowpass)",
    _SIGMA,
    group="structure",
    typical="4",
    costly=True,
)
def _highpass(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(pixels - gaussian(pixels, sigma) + np.float32(128))


@register_view("mean-rgb", "Every pixel is the mean colour: nothing else stays", group="structure")
def _mean_rgb(pixels: Pixels) -> Pixels:
    n = pixels.shape[0] * pixels.shape[1]
    # From the counts of the levels, in whole numbers.
    total = np.array(Image.fromarray(pixels).histogram(), dtype=np.int64).reshape(3, 256) @ np.arange(256)
    return np.broadcast_to(((2 * total + n) // (2 * n)).astype(np.uint8), pixels.shape)


@register_view(
    "pixel-shuffle",
    "All pixels in random order, another for each image: only the colours stay",
    group="structure",
    seeded=True,
)
def _pixel_shuffle(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return rng.permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)


@register_view(
    "fixed-pixel-shuffle",
    "All pixels in an order that is the same for all images of a size: a network can learn it",
    group="structure",
)
def _fixed_pixel_shuffle(pixels: Pixels) -> Pixels:
    return _pixel_shuffle(pixels, np.random.default_rng(_SAME))


@register_view(
    "patch-shuffle",
    "Square patches in random order: texture without layout (strips too narrow for a patch stay in place)",
    _PATCH,
    group="structure",
    seeded=True,
    typical="64",
)
def _patch_shuffle(pixels: Pixels, rng: np.random.Generator, size: int) -> Pixels:
    rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
    if rows * columns < 2:
        return pixels
    result = pixels.copy()
    area = pixels[: rows * size, : columns * size]
    patches = area.reshape(rows, size, columns, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
    mixed = patches[rng.permutation(len(patches))].reshape(rows, columns, size, size, 3).swapaxes(1, 2)
    result[: rows * size, : columns * size] = mixed.reshape(area.shape)
    return result


@register_view(
    "fixed-patch-shuffle",
    "Square patches in an order that is the same for all images of a size (otherwise as patch-shuffle)",
    _PATCH,
    group="structure",
    typical="64",
)
def _fixed_patch_shuffle(pixels: Pixels, size: int) -> Pixels:
    return _patch_shuffle(pixels, np.random.default_rng(_SAME), size)
