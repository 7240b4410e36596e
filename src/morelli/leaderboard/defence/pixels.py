"""Cheap defences that every installation has: every image through a view, or all images of a prompt made alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.leaderboard.defence.registry import Defence, register_defence
from morelli.views import parse_view

__all__ = ["match_colours", "match_histograms", "match_sharpness"]

Pixels = NDArray[np.uint8]
Codes = NDArray[np.integer]
Float = NDArray[np.float64]

_SHARP_SIGMA = 1.0
"""In pixels: detail is what a Gaussian of this width takes away."""

_GAIN = (0.25, 4.0)
"""Detail is made so many times weaker or stronger at most: what is not there cannot be amplified."""

_VIEWS = {
    "jpeg": ("jpeg:75", "Save every image as JPEG of quality 75, whatever its model delivers."),
    "webp": ("webp:75", "Save every image as lossy WebP of quality 75."),
    "resize-restore": ("downup:0.5", "Halve both sides and resize back: the finest detail is the resampler's own."),
    "median": ("median:3", "A median over 3 x 3 pixels: mild denoising."),
    "bilateral": ("bilateral:15", "A bilateral filter: noise goes, edges stay."),
    "nlmeans": ("nlmeans:15", "Non-local means over 7 x 7 pixels: noise goes, texture that repeats stays."),
}


def match_colours(images: Sequence[Pixels], models: Codes, rng: np.random.Generator | None = None) -> list[Pixels]:
    """Give the channels of all images of a prompt one mean and one standard deviation: those of their pool.

    The pool's are the means over models of the means over a model's images, so that a model with many images does not
    set the target (E. Reinhard et al., *Color transfer between images*, 2001, done in RGB).

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (height, width, 3)
    models : ndarray of int, shape (n,)
    rng : ignored

    Returns
    -------
    list of ndarray of uint8
        A channel without any contrast keeps none.
    """
    means = np.array([pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64) for pixels in images])
    stds = np.array([pixels.reshape(-1, 3).std(axis=0, dtype=np.float64) for pixels in images])
    mean, std = _by_model(means, models), _by_model(stds, models)
    result = []
    for pixels, own_mean, own_std in zip(images, means, stds, strict=True):
        gain = np.where(own_std > 0, std / np.where(own_std > 0, own_std, 1.0), 1.0)
        levels = np.arange(256)[:, None]
        table = np.clip(np.rint((levels - own_mean) * gain + mean), 0, 255).astype(np.uint8)
        result.append(np.stack([table[pixels[:, :, c], c] for c in range(3)], axis=2))
    return result


def match_histograms(images: Sequence[Pixels], models: Codes, rng: np.random.Generator | None = None) -> list[Pixels]:
    """Give each channel of all images of a prompt one distribution of levels: the barycentre of their pool.

    The target's quantiles are the means over models of the images' quantiles, which is the Wasserstein barycentre of
    distributions on a line. Levels stay in their order.

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (height, width, 3)
    models : ndarray of int, shape (n,)
    rng : ignored
    """
    grid = (np.arange(256) + 0.5) / 256
    shares = []  # up to the middle of each level, (n, 3, 256)
    for pixels in images:
        counts = np.stack([np.bincount(pixels[:, :, c].ravel(), minlength=256) for c in range(3)])
        shares.append((np.cumsum(counts, axis=1) - counts / 2) / counts.sum(axis=1, keepdims=True))
    quantiles = np.array([[_quantiles(share, grid) for share in image] for image in shares])
    target = _by_model(quantiles.reshape(len(images), -1), models).reshape(3, 256)
    result = []
    for pixels, image in zip(images, shares, strict=True):
        tables = [np.clip(np.rint(np.interp(image[c], grid, target[c])), 0, 255).astype(np.uint8) for c in range(3)]
        result.append(np.stack([tables[c][pixels[:, :, c]] for c in range(3)], axis=2))
    return result


def match_sharpness(images: Sequence[Pixels], models: Codes, rng: np.random.Generator | None = None) -> list[Pixels]:
    """Bring the fine detail of all images of a prompt to one strength: that of their pool.

    Detail is the difference from a Gaussian of 1 pixel; its root mean square is multiplied so that it becomes the
    geometric mean of the models', by 1/4 to 4 at most. Images of one level have no detail, and stay.

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (height, width, 3)
    models : ndarray of int, shape (n,)
    rng : ignored
    """
    from morelli.views._filters import gaussian, to_uint8

    smooth = [gaussian(pixels, _SHARP_SIGMA) for pixels in images]
    energies = [float(np.sqrt(np.mean((p - s) ** 2))) for p, s in zip(images, smooth, strict=True)]
    strength = np.array(energies)
    there = strength > 0
    if not there.any():
        return list(images)
    target = float(np.exp(_by_model(np.log(strength[there])[:, None], np.asarray(models)[there])[0]))
    result = []
    for pixels, soft, own in zip(images, smooth, strength, strict=True):
        gain = np.float32(np.clip(target / own, *_GAIN)) if own > 0 else np.float32(1)
        result.append(to_uint8(soft + gain * (pixels - soft)))
    return result


def _post_process(images: Sequence[Pixels], models: Codes, rng: np.random.Generator) -> list[Pixels]:
    """Return images that went through one chain: colour, sharpness, a resampler and a codec."""
    last = parse_view("downup:0.75|jpeg:80")
    return [last(pixels) for pixels in match_sharpness(match_colours(images, models), models)]


def _quantiles(share: Float, grid: Float) -> Float:
    """Return the levels at which a cumulative share reaches each point of the grid."""
    return np.asarray(np.interp(grid, share, np.arange(256.0)))


def _by_model(values: Float, models: Codes) -> Float:
    """Return the mean over models of the means over their rows, shape (d,)."""
    _, code = np.unique(models, return_inverse=True)
    counts = np.bincount(code)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, code, values)
    return np.asarray((sums / counts[:, None]).mean(axis=0))


for _name, (_view, _summary) in _VIEWS.items():
    register_defence(Defence(_name, _summary, "images", view=_view))
register_defence(
    Defence(
        "colour", "Give all images of a prompt the pool's mean and spread in each channel.", "images", match_colours
    )
)
register_defence(
    Defence("histogram", "Give all images of a prompt the pool's distribution of levels.", "images", match_histograms)
)
register_defence(
    Defence("sharpness", "Bring the fine detail of all images of a prompt to one strength.", "images", match_sharpness)
)
register_defence(
    Defence(
        "post-process",
        "One chain for all models: colour, sharpness, resampling, JPEG of quality 80.",
        "images",
        _post_process,
    )
)
