"""Pictures made on the spot: natural-looking (1/f) colour textures, and files of them in any format."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


def make_texture(height: int = 96, width: int = 128, seed: int = 0, slope: float = 1.1) -> Pixels:
    """Colour noise with the 1/f spectrum of photographs (a greater slope is smoother), for hashes, blur and codecs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    spectrum = rng.normal(size=(3, height, frequency.shape[1])) + 1j * rng.normal(size=(3, height, frequency.shape[1]))
    noise = np.fft.irfft2(spectrum / frequency**slope, s=(height, width))
    noise[1:] = 0.8 * noise[:1] + 0.2 * noise[1:]  # channels of a photograph go together
    noise = (noise - noise.mean()) / noise.std()
    return np.ascontiguousarray(np.clip(128 + 48 * noise, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def encode_image(image: Image.Image | Pixels, format_name: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, format_name, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def texture() -> Callable[..., Pixels]:
    return make_texture


@pytest.fixture(scope="session")
def encode() -> Encode:
    return encode_image


@pytest.fixture(scope="session")
def picture() -> Pixels:
    return make_texture()


@pytest.fixture(scope="session")
def files(picture: Pixels) -> dict[str, bytes]:
    """One small file of each format that the base installation reads."""
    options = {"JPEG": {"quality": 85}, "WEBP": {"quality": 80}, "AVIF": {"quality": 70}}
    return {
        name: encode_image(picture, name, **options.get(name, {}))
        for name in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
    }
