"""Made-up generators: pictures of varied content, and models that plant exactly one trace in them.

A picture is luma and chroma in floating point. :func:`render` writes it as 8-bit RGB whose luma, as JPEG and the
families round it, is exactly the rounded luma of the picture, and whose R - Y and B - Y do not depend on luma at all.
So a trace planted in luma leaves no mark on chroma, and the other way round: what a family must not see, it cannot see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from morelli.encoders.forensic import Planes

Plane = NDArray[np.float64]
Pixels = NDArray[np.uint8]

SIDE = 192
GRAIN = 2.5
"""Standard deviation, in grey levels, of the noise that every model adds in luma."""

COUNT = 24
"""Pictures of each model in training, and as many others in the test."""


@dataclass(frozen=True)
class Scene:
    """Content without noise: luma 72..184, chroma (Cb, Cr) -18..18."""

    luma: Plane
    cb: Plane
    cr: Plane


def scene(seed: int, height: int = SIDE, width: int = SIDE) -> Scene:
    """Clouds of 1/f noise of a random steepness, and shapes of random contrast, place and colour, some of them soft."""
    rng = np.random.default_rng([seed, height, width])
    steepness = rng.uniform(1.1, 1.5)
    luma, cb, cr = (_clouds(rng, height, width, steepness) for _ in range(3))
    luma = 128 + rng.uniform(10, 15) * luma + rng.normal(0, 6)
    cb, cr = 6 * cb + rng.normal(0, 3), 6 * cr + rng.normal(0, 3)
    y, x = np.mgrid[:height, :width]
    for _ in range(rng.integers(4, 9)):
        centre, radii = rng.uniform(0, (height, width)), rng.uniform(6, 40, 2)
        turn = rng.uniform(0, np.pi)
        u = (x - centre[1]) * np.cos(turn) + (y - centre[0]) * np.sin(turn)
        v = (y - centre[0]) * np.cos(turn) - (x - centre[1]) * np.sin(turn)
        distance = np.hypot(u / radii[0], v / radii[1]) if rng.random() < 0.5 else np.maximum(abs(u), abs(v)) / radii[0]
        cover = np.clip((1 - distance) * rng.choice([8.0, 40.0]), 0, 1)
        luma = luma + cover * rng.normal(0, 15)
        cb, cr = cb + cover * rng.normal(0, 5), cr + cover * rng.normal(0, 5)
    return Scene(np.clip(luma, 72, 184), np.clip(cb, -18, 18), np.clip(cr, -18, 18))


def _clouds(rng: np.random.Generator, height: int, width: int, steepness: float) -> Plane:
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    plane = scipy.fft.irfft2(
        scipy.fft.rfft2(rng.standard_normal((height, width))) * frequency**-steepness, (height, width)
    )
    return np.asarray(plane / plane.std())


def grain(rng: np.random.Generator, like: Plane) -> Plane:
    return rng.normal(0, GRAIN, like.shape)


def render(luma: Plane, cb: Plane, cr: Plane) -> Pixels:
    """Write RGB of exactly this luma, rounded; whatever does not fit into 0..255 is an error of the test."""
    level = np.rint(luma)
    red, blue = level + np.rint(1.402 * cr), level + np.rint(1.772 * cb)
    # A step of green is 0.587 of luma, so that some level of it always comes within 0.3 of the luma that is wanted.
    green = np.rint((level - 0.299 * red - 0.114 * blue) / 0.587)
    rgb = np.stack([red, green, blue], axis=-1)
    assert rgb.min() >= 0 and rgb.max() <= 255
    return rgb.astype(np.uint8)


Model = Callable[[Scene, np.random.Generator], Pixels]


def plain(s: Scene, rng: np.random.Generator) -> Pixels:
    """The scene and white noise in luma: no trace of any kind."""
    return render(s.luma + grain(rng, s.luma), s.cb, s.cr)


def _processed(change: Callable[[Plane], Plane]) -> Model:
    """What is done to luma after the noise has come in, as a network's last layers or an editor would."""
    return lambda s, rng: render(change(s.luma + grain(rng, s.luma)), s.cb, s.cr)


def _with_noise(noise: Callable[[np.random.Generator, tuple[int, ...]], Plane]) -> Model:
    """Noise of the same variance as the plain model's, but of another kind."""
    return lambda s, rng: render(s.luma + GRAIN * noise(rng, s.luma.shape), s.cb, s.cr)


def upsampling_grid(period: int, strength: float) -> Model:
    """How a transposed convolution of stride `period` and kernel `period + 1` overlaps itself: uneven gain,
    periodic.
    """
    overlap = np.where(np.arange(SIDE) % period == 0, 2.0, 1.0)
    pattern = np.outer(overlap, overlap)
    return _processed(lambda luma: luma * (1 + strength * (pattern / pattern.mean() - 1)))


def slope(luma: Plane) -> Plane:
    """Spectrum that falls off more steeply, by f^-0.2, above 1/12 of the sampling rate."""
    frequency = np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.rfftfreq(luma.shape[1])[None])
    return np.asarray(scipy.fft.irfft2(scipy.fft.rfft2(luma) * np.maximum(12 * frequency, 1) ** -0.2, luma.shape))


def sharpened(luma: Plane) -> Plane:
    return luma + 0.3 * (luma - scipy.ndimage.gaussian_filter(luma, 1.0))


def blurred(luma: Plane) -> Plane:
    return np.asarray(scipy.ndimage.gaussian_filter(luma, 0.4))


def block_quantised(luma: Plane, step: float = 4.0, offset: int = 4) -> Plane:
    """Orthonormal 8x8 DCT rounded to multiples of `step`, on a grid of blocks that starts at (`offset`, `offset`)."""
    inside = slice(offset, (luma.shape[0] - offset) // 8 * 8 + offset)
    rows = luma[inside, inside].shape[0] // 8
    blocks = luma[inside, inside].reshape(rows, 8, rows, 8)
    coefficients = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    result = luma.copy()
    quantised = step * np.rint(coefficients / step)
    result[inside, inside] = scipy.fft.idctn(quantised, axes=(1, 3), norm="ortho").reshape(8 * rows, 8 * rows)
    return result


def _interpolated(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """White noise at half the resolution, upsampled bilinearly: neighbours are correlated, in period 2."""
    noise = rng.standard_normal((shape[0] // 2 + 1, shape[1] // 2 + 1))
    for axis in (0, 1):
        between = scipy.ndimage.uniform_filter1d(noise, 2, axis=axis)
        noise = np.stack([noise, between], axis=axis + 1).reshape(
            [n * (1 + (i == axis)) for i, n in enumerate(noise.shape)]
        )
    return np.asarray(noise[: shape[0], : shape[1]] / noise.std())


def _echo(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """White noise that repeats itself after 16 pixels: within any window of 16x16 it is plain white noise."""
    noise = rng.standard_normal((shape[0] + 16, shape[1] + 16))
    return np.asarray((noise[16:, 16:] + noise[:-16, 16:] + noise[16:, :-16] + noise[:-16, :-16]) / 2)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """White noise, and so of the same spectrum, that sits in one pixel of sixteen."""
    return np.where(rng.random(shape) < 1 / 16, rng.normal(0, 4, shape), 0)


def even_levels(s: Scene, rng: np.random.Generator) -> Pixels:
    """Luma in even levels only.

    Rounding to steps of 2 instead of 1 adds 3/12 to the variance of noise that is white already (grain is as large as
    the step, so that the error is independent of it to one part in 10^8); that much less grain goes in.
    """
    noise = rng.normal(0, np.sqrt(GRAIN**2 - 0.25), s.luma.shape)
    return render(2 * np.rint((s.luma + noise) / 2), s.cb, s.cr)


def contrast(s: Scene, rng: np.random.Generator) -> Pixels:
    """Everything in luma, noise as well as scene, 1.3 times as far from mid-grey."""
    return render(128 + 1.3 * (s.luma - 128 + grain(rng, s.luma)), s.cb, s.cr)


def palette(s: Scene, rng: np.random.Generator) -> Pixels:
    """A warmer palette: R - Y and B - Y are moved by whole levels, and luma stays as it is to the bit."""
    return plain(replace(s, cb=s.cb - 14 / 1.772, cr=s.cr + 14 / 1.402), rng)


def saturation(s: Scene, rng: np.random.Generator) -> Pixels:
    """Chroma 1.6 times as strong; luma stays as it is to the bit."""
    return plain(replace(s, cb=1.6 * s.cb, cr=1.6 * s.cr), rng)


def chroma_noise(s: Scene, rng: np.random.Generator) -> Pixels:
    """White noise in chroma; luma stays as it is to the bit."""
    luma = s.luma + grain(rng, s.luma)
    return render(luma, s.cb + rng.normal(0, 2.5, luma.shape), s.cr + rng.normal(0, 2.5, luma.shape))


def _highlights(level: int) -> Model:
    """Sparks of 3x3 pixels of one grey level, of a random number."""

    def model(s: Scene, rng: np.random.Generator) -> Pixels:
        pixels = plain(s, rng)
        for y, x in rng.integers(0, np.array(s.luma.shape) - 3, (rng.integers(60, 120), 2)):
            pixels[y : y + 3, x : x + 3] = level
        return pixels

    return model


def composition(s: Scene, rng: np.random.Generator) -> Pixels:
    """A bright centre and dark corners: at its steepest 0.7 of a level a pixel, well below the grain."""
    y, x = (np.linspace(-1, 1, n) for n in s.luma.shape)
    bump = np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2))
    return plain(replace(s, luma=s.luma + 56 * (bump - bump.mean())), rng)


MODELS: dict[str, Model] = {
    "plain": plain,
    "control": plain,
    "grid-2": upsampling_grid(2, 0.012),
    "grid-4": upsampling_grid(4, 0.012),
    "grid-8": upsampling_grid(8, 0.012),
    "slope": _processed(slope),
    "sharpened": _processed(sharpened),
    "blurred": _processed(blurred),
    "block-quantised": _processed(block_quantised),
    "interpolated-noise": _with_noise(_interpolated),
    "echo": _with_noise(_echo),
    "sparse-noise": _with_noise(_sparse),
    "even-levels": even_levels,
    "contrast": contrast,
    "palette": palette,
    "saturation": saturation,
    "chroma-noise": chroma_noise,
    "highlights-250": _highlights(250),
    "highlights-255": _highlights(255),
    "composition": composition,
}


BASELINES = {"highlights-255": "highlights-250"}
"""Models that are told apart from another one than the plain one."""


@cache
def _scenes(first: int) -> tuple[Scene, ...]:
    return tuple(scene(first + i) for i in range(2 * COUNT))


@cache
def pictures(model: str) -> tuple[Planes, ...]:
    """2 * COUNT pictures of a model; those that are told apart never share a scene."""
    scenes = _scenes(0 if model == "plain" or model in BASELINES.values() else 1000)
    return tuple(Planes(MODELS[model](s, np.random.default_rng([*model.encode(), i]))) for i, s in enumerate(scenes))


def pair(model: str, index: int) -> tuple[Planes, Planes]:
    """One scene with one grain as the plain model renders it, and as `model` does."""
    s = _scenes(0)[index]
    return Planes(plain(s, np.random.default_rng(index))), Planes(MODELS[model](s, np.random.default_rng(index)))
