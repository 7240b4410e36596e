"""Pictures made from a seed in integers, so that they are the same everywhere, and an embedder after the original."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.provenance.watermarks._dwtdct import SCALE, Conversion
from morelli.provenance.watermarks.known import KNOWN, KnownPayload

Pixels = NDArray[np.uint8]


def named(value: str, order: str = "bgr") -> KnownPayload:
    return next(known for known in KNOWN if known.value == value and known.conversion.order == order)


def picture(seed: int, height: int = 256, width: int = 256) -> Pixels:
    """Return soft patches of colour with a little grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, (height // 32 + 3, width // 32 + 3, 3))
    soft = np.repeat(np.repeat(coarse, 32, axis=0), 32, axis=1)
    for axis in (0, 1):
        total = np.cumsum(soft, axis=axis)
        soft = (total.take(range(32, total.shape[axis]), axis) - total.take(range(total.shape[axis] - 32), axis)) // 32
    return (soft[:height, :width] + rng.integers(-5, 6, (height, width, 3))).astype(np.uint8)


def embed(pixels: Pixels, payload: KnownPayload) -> Pixels:
    """Mark an image as EmbedMaxDct.encode does; also where the library would refuse because the image is small."""
    conversion, length = payload.conversion, len(payload.bits)
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    yuv = _to_yuv(pixels, conversion)
    plane = yuv[:height, :width, 1]
    half = plane.dtype.type(np.sqrt(0.5)) if conversion.kind == "float32" else np.sqrt(0.5)
    plane = plane.astype(type(half))
    low, high = plane[::2] * half + plane[1::2] * half, plane[::2] * half - plane[1::2] * half
    approximation, vertical = low[:, ::2] * half + low[:, 1::2] * half, low[:, ::2] * half - low[:, 1::2] * half
    horizontal, diagonal = high[:, ::2] * half + high[:, 1::2] * half, high[:, ::2] * half - high[:, 1::2] * half
    number = 0
    for i in range(approximation.shape[0] // 4):
        for j in range(approximation.shape[1] // 4):
            block = approximation[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            at = np.unravel_index(np.abs(block.ravel()[1:]).argmax() + 1, (4, 4))
            moved = (abs(block[at]) // SCALE + 0.25 + 0.5 * payload.array[number % length]) * SCALE
            block[at] = moved if block[at] >= 0 else -moved
            number += 1
    # The original hands the two bands of detail back in each other's place; so do we.
    horizontal, vertical = vertical, horizontal
    low, high = np.empty_like(low), np.empty_like(high)
    low[:, ::2], low[:, 1::2] = _join(approximation, vertical, half)
    high[:, ::2], high[:, 1::2] = _join(horizontal, diagonal, half)
    restored = np.empty_like(plane)
    restored[::2], restored[1::2] = _join(low, high, half)
    # numpy assigns floats to integers by cutting them off.
    yuv[:height, :width, 1] = restored if conversion.kind == "float32" else restored.astype(np.int64).astype(np.uint8)
    return _from_yuv(yuv, conversion)


def _join(low: NDArray, high: NDArray, half: np.floating) -> tuple[NDArray, NDArray]:
    return low * half + high * half, low * half - high * half


def _to_yuv(pixels: Pixels, conversion: Conversion) -> NDArray:
    red, green, blue = _channels(pixels, conversion)
    if conversion.kind == "float32":
        red, green, blue = (channel.astype(np.float32) for channel in (red, green, blue))
        luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
        u = (blue - luma) * np.float32(0.492) + np.float32(0.5)
        v = (red - luma) * np.float32(0.877) + np.float32(0.5)
        return np.stack([luma, u, v], axis=2)
    red, green, blue = (channel.astype(np.int64) for channel in (red, green, blue))
    luma = (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14
    u, v = (((chroma - luma) * factor + (128 << 14) + 8192) >> 14 for chroma, factor in ((blue, 8061), (red, 14369)))
    return np.clip(np.stack([luma, u, v], axis=2), 0, 255).astype(np.uint8)


def _from_yuv(yuv: NDArray, conversion: Conversion) -> Pixels:
    if conversion.kind == "float32":
        luma, u, v = (yuv[..., i] for i in range(3))
        u, v = u - np.float32(0.5), v - np.float32(0.5)
        blue = luma + u * np.float32(2.032)
        green = luma + u * np.float32(-0.395) + v * np.float32(-0.581)
        red = luma + v * np.float32(1.140)
    else:
        luma, u, v = (yuv[..., i].astype(np.int64) for i in range(3))
        u, v = u - 128, v - 128
        blue = luma + ((u * 33292 + 8192) >> 14)
        green = luma + ((u * -6472 + v * -9519 + 8192) >> 14)
        red = luma + ((v * 18678 + 8192) >> 14)
    order = (red, green, blue) if conversion.order == "bgr" else (blue, green, red)
    return np.clip(np.round(np.stack(order, axis=2)), 0, 255).astype(np.uint8)


def _channels(pixels: Pixels, conversion: Conversion) -> tuple[NDArray, ...]:
    return tuple(pixels[..., i] for i in ((0, 1, 2) if conversion.order == "bgr" else (2, 1, 0)))
