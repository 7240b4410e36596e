"""Probes that take one kind of trace away, to find out where the evidence is. They need no network."""

from __future__ import annotations

import numpy as np

from morelli.views._filters import gaussian, to_uint8
from morelli.views.registry import Parameter, Pixels, register_view

__all__: list[str] = []

_SIGMA = Parameter("sigma", "standard deviation of the Gaussian in pixels", 0.1, 64.0)


@register_view(
    "lowpass", "Only what is coarser than a Gaussian: layout and colour (the filter of blur)", _SIGMA, group="structure"
)
def _lowpass(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(gaussian(pixels, sigma))


@register_view(
    "highpass",
    "Only what is finer than a Gaussian: texture and artefacts, around mid-grey (the rest of lowpass)",
    _SIGMA,
    group="structure",
)
def _highpass(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(pixels - gaussian(pixels, sigma) + np.float32(128))


@register_view("pixel-shuffle", "All pixels in random order: only the colours stay", group="structure", seeded=True)
def _pixel_shuffle(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return rng.permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)


@register_view(
    "patch-shuffle",
    "Square patches in random order: texture without layout (strips too narrow for a patch stay in place)",
    Parameter("size", "side of a patch in pixels", 1, 4096, whole=True),
    group="structure",
    seeded=True,
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
