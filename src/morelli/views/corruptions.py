"""What happens to images on their way: codecs, resizing, cropping, blur, noise, colour changes."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from morelli.errors import ViewError
from morelli.images import Limits, read_image
from morelli.views._filters import gaussian, resample, to_uint8
from morelli.views.registry import Parameter, Pixels, register_view

__all__: list[str] = []

_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
# The view's own output: the only bounds are those of the formats, which `_encode` checks.
_OWN = Limits(max_bytes=1 << 32, max_pixels=1 << 32, max_side=65_535, max_seconds=math.inf)
_LONGEST = {"JPEG": 65_500, "WEBP": 16_383}


@register_view(
    "jpeg",
    "Save as JPEG and decode (libjpeg's tables, no optimisation)",
    Parameter("quality", "IJG quality", 1, 100, whole=True),
    Parameter("subsampling", "resolution of the colour channels", choices=("4:4:4", "4:2:2", "4:2:0"), default="4:2:0"),
)
def _jpeg(pixels: Pixels, quality: int, subsampling: str) -> Pixels:
    return _encode(pixels, "JPEG", quality=quality, subsampling=subsampling)


@register_view("webp", "Save as lossy WebP and decode", Parameter("quality", "libwebp quality", 1, 100, whole=True))
def _webp(pixels: Pixels, quality: int) -> Pixels:
    return _encode(pixels, "WEBP", quality=quality)


@register_view(
    "resize",
    "Resize so that the short side has a length (bicubic, antialiased; also upwards)",
    Parameter("side", "pixels of the short side", 1, 8192, whole=True),
)
def _resize(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    short = min(height, width)
    if short == side:
        return pixels
    return resample(pixels, _share(width, side / short), _share(height, side / short), _BICUBIC)


@register_view(
    "scale",
    "Resize both sides by a factor (bicubic, antialiased)",
    Parameter("factor", "new length over old", 0.01, 8.0),
)
def _scale(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    size = _share(width, factor), _share(height, factor)
    return pixels if size == (width, height) else resample(pixels, *size, _BICUBIC)


@register_view("crop", "Keep the centre", Parameter("share", "share of each side that stays", 0.01, 1.0))
def _crop(pixels: Pixels, share: float) -> Pixels:
    height, width = _share(pixels.shape[0], share), _share(pixels.shape[1], share)
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


@register_view(
    "random-crop",
    "Keep a rectangle at a random place",
    Parameter("share", "share of each side that stays", 0.01, 1.0),
    seeded=True,
)
def _random_crop(pixels: Pixels, rng: np.random.Generator, share: float) -> Pixels:
    height, width = _share(pixels.shape[0], share), _share(pixels.shape[1], share)
    top, left = int(rng.integers(pixels.shape[0] - height + 1)), int(rng.integers(pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width]


@register_view("blur", "Gaussian blur", Parameter("sigma", "standard deviation in pixels", 0.1, 64.0))
def _blur(pixels: Pixels, sigma: float) -> Pixels:
    return to_uint8(gaussian(pixels, sigma))


@register_view(
    "noise",
    "Add Gaussian noise, independent for each pixel and channel",
    Parameter("sigma", "standard deviation in 8-bit units", 0.1, 128.0),
    seeded=True,
)
def _noise(pixels: Pixels, rng: np.random.Generator, sigma: float) -> Pixels:
    return to_uint8(pixels + np.float32(sigma) * rng.standard_normal(pixels.shape, dtype=np.float32))


@register_view(
    "jitter",
    "Change brightness, contrast and saturation, each by its own random factor",
    Parameter("strength", "the factors lie within 1 - strength and 1 + strength", 0.01, 1.0),
    seeded=True,
)
def _jitter(pixels: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    brightness, contrast, saturation = (1 + strength * rng.uniform(-1, 1, 3)).astype(np.float32)
    values = pixels * brightness
    middle = np.float32(_luma(values).mean(dtype=np.float64))
    values = middle + contrast * (values - middle)
    grey = _luma(values)[:, :, np.newaxis]
    return to_uint8(grey + saturation * (values - grey))


@register_view("gray", "Luma (ITU-R BT.601) in all three channels")
def _gray(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


@register_view("flip", "Mirror left and right")
def _flip(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1]


@register_view(
    "sharpen",
    "Unsharp mask: add the difference from a Gaussian blur of 1 pixel",
    Parameter("amount", "times the difference", 0.01, 10.0),
)
def _sharpen(pixels: Pixels, amount: float) -> Pixels:
    return to_uint8(pixels + np.float32(amount) * (pixels - gaussian(pixels, 1.0)))


@register_view(
    "screenshot",
    "As shown on a screen and captured: bilinear resize by a factor that is no whole number, saved without loss",
    Parameter("factor", "size on the screen over size of the image", 0.1, 4.0, default=0.9),
)
def _screenshot(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    return resample(pixels, _share(width, factor), _share(height, factor), _BILINEAR)


def _share(length: int, factor: float) -> int:
    """Return a side times a factor, rounded to the nearest whole pixel (half upwards), at least 1."""
    return max(1, math.floor(length * factor + 0.5))


def _encode(pixels: Pixels, format_name: str, **options: object) -> Pixels:
    """Save and decode, through the same door as any file."""
    longest = _LONGEST[format_name]
    if max(pixels.shape[:2]) > longest:
        shape = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ViewError(f"{format_name} holds at most {longest} pixels a side, and the image is {shape}; resize first")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_name, **options)
    return read_image(file.getvalue(), name=f"<{format_name} view>", limits=_OWN).pixels


def _luma(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the ITU-R BT.601 luma of float32 RGB, shape (height, width)."""
    # Written out, because the order of the sums in a matrix product depends on the machine's BLAS.
    red, green, blue = (values[:, :, channel] for channel in range(3))
    luma: npt.NDArray[np.float32] = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    return luma
