"""RandAugment: two random operations on a picture, of about one strength.

E. D. Cubuk, B. Zoph, J. Shlens and Q. V. Le, "RandAugment: practical automated data augmentation with a reduced search
space", 2020, in the variant that ConvNeXt's training names ``rand-m9-mstd0.5-inc1``: each of two operations is applied
with probability 1/2, its magnitude is drawn around 9 of 10, and the strength of every operation increases with it. Sets
of operations and ranges are those of PyTorch Image Models (timm).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

__all__ = ["OPERATIONS", "randaugment"]

Operation = Callable[[Image.Image, float, float], Image.Image]
"""Takes a picture, a strength from 0 to 1, and a sign, -1 or 1, for the operations that have a direction."""

OPERATIONS: dict[str, Operation] = {}

_TIMES = 2
_PROBABILITY = 0.5
_FILL = (124, 116, 104)
"""The mean of ImageNet, for what a shifted picture leaves empty."""


def randaugment(picture: Image.Image, magnitude: float, spread: float, rng: np.random.Generator) -> Image.Image:
    """Return a picture after random operations; the size stays.

    Parameters
    ----------
    picture : Image
        RGB.
    magnitude, spread : float
        Mean and standard deviation of the operations' magnitudes, which are bounded by 0 and 10.
    rng : Generator
        Decides everything; it is asked for as many numbers whatever they are.
    """
    names = list(OPERATIONS)
    for _ in range(_TIMES):
        name = names[int(rng.integers(len(names)))]
        used, sign = rng.random() < _PROBABILITY, 1.0 if rng.random() < 0.5 else -1.0
        strength = float(np.clip(rng.normal(magnitude, spread), 0, 10)) / 10
        if used:
            picture = OPERATIONS[name](picture, strength, sign)
    return picture


def _operation(name: str) -> Callable[[Operation], Operation]:
    def decorate(operation: Operation) -> Operation:
        OPERATIONS[name] = operation
        return operation

    return decorate


def _moved(picture: Image.Image, *matrix: float) -> Image.Image:
    return picture.transform(
        picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC, fillcolor=_FILL
    )


@_operation("auto-contrast")
def _auto_contrast(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageOps.autocontrast(picture)


@_operation("equalize")
def _equalize(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageOps.equalize(picture)


@_operation("invert")
def _invert(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageOps.invert(picture)


@_operation("rotate")
def _rotate(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return picture.rotate(30 * strength * sign, resample=Image.Resampling.BICUBIC, fillcolor=_FILL)


@_operation("posterize")
def _posterize(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    # One bit at least: at the full strength none would be left, which is a black picture, and Pillow refuses it.
    return ImageOps.posterize(picture, max(1, 4 - int(4 * strength)))


@_operation("solarize")
def _solarize(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageOps.solarize(picture, 256 - min(256, int(256 * strength)))


@_operation("solarize-add")
def _solarize_add(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    more = min(128, int(110 * strength))
    return picture.point([min(255, level + more) if level < 128 else level for level in range(256)] * 3)


@_operation("color")
def _color(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(_factor(strength, sign))


@_operation("contrast")
def _contrast(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(_factor(strength, sign))


@_operation("brightness")
def _brightness(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(_factor(strength, sign))


@_operation("sharpness")
def _sharpness(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return ImageEnhance.Sharpness(picture).enhance(_factor(strength, sign))


@_operation("shear-x")
def _shear_x(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return _moved(picture, 1, 0.3 * strength * sign, 0, 0, 1, 0)


@_operation("shear-y")
def _shear_y(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return _moved(picture, 1, 0, 0, 0.3 * strength * sign, 1, 0)


@_operation("translate-x")
def _translate_x(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return _moved(picture, 1, 0, 0.45 * strength * sign * picture.width, 0, 1, 0)


@_operation("translate-y")
def _translate_y(picture: Image.Image, strength: float, sign: float) -> Image.Image:
    return _moved(picture, 1, 0, 0, 0, 1, 0.45 * strength * sign * picture.height)


def _factor(strength: float, sign: float) -> float:
    """Return the factor of an enhancement: 0.1 to 1.9, and 1 for nothing."""
    return max(0.1, 1 + 0.9 * strength * sign)
