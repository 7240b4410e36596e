"""Random journeys: what may have happened to an image before somebody finds it, drawn anew for every image.

Nobody knows which programs an image went through. An attributor that has seen its references after many different
journeys learns what survives most of them; `number` tells the journeys of one image apart, and all of them are one
condition (see `View.condition`).
"""

from __future__ import annotations

import numpy as np

from morelli.views.info import Parameter, Pixels
from morelli.views.registry import parse_view, register_view

__all__: list[str] = []

_NUMBER = Parameter("number", "which of the image's random journeys", 1, 999_999, whole=True, draw=True)


@register_view(
    "resaved",
    "A random journey in full size: mostly saved as JPEG or WebP, perhaps cropped, blurred, sharpened before",
    _NUMBER,
    group="journey",
    seeded=True,
    typical="1",
)
def _resaved(pixels: Pixels, rng: np.random.Generator, number: int) -> Pixels:
    return _travel(pixels, rng, number, shrink=False)


@register_view(
    "shrunk",
    "A random journey on which the image was made smaller: as resaved, and resized to 0.4 to 0.95",
    _NUMBER,
    group="journey",
    seeded=True,
    typical="1",
)
def _shrunk(pixels: Pixels, rng: np.random.Generator, number: int) -> Pixels:
    return _travel(pixels, rng, number, shrink=True)


def _travel(pixels: Pixels, rng: np.random.Generator, number: int, *, shrink: bool) -> Pixels:
    # Journeys have seeds of their own, so that the third is the same whether or not the second was asked for.
    random = np.random.default_rng([int(rng.integers(2**62)), number])
    chain = []
    if random.random() < 0.2:
        chain.append(f"jpeg:{random.integers(70, 96)}")
    if random.random() < 0.25:
        chain.append(f"random-crop:{random.uniform(0.5, 0.95):.3f}")
    if shrink:
        # Two resamplers in three are bicubic; screens and cheap scalers are bilinear.
        chain.append(f"{random.choice(['scale', 'scale', 'screenshot'])}:{random.uniform(0.4, 0.95):.3f}")
    if random.random() < 0.1:
        chain.append(f"blur:{random.uniform(0.4, 1.2):.2f}")
    elif random.random() < 0.1:
        chain.append(f"sharpen:{random.uniform(0.2, 1.0):.2f}")
    codec = random.random()
    if codec < 0.6 or not chain:
        chain.append(f"jpeg:{random.integers(60, 96)},{random.choice(['4:2:0', '4:2:0', '4:4:4'])}")
    elif codec < 0.9:
        chain.append(f"webp:{random.integers(60, 96)}")
    return parse_view("|".join(chain))(pixels, int(random.integers(2**62)))
