"""Payloads that programs are known to embed by the scheme "dwtDct", and from which source that is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.provenance.watermarks._dwtdct import Conversion

__all__ = ["KNOWN", "KnownPayload"]


@dataclass(frozen=True)
class KnownPayload:
    """One payload, as one program embeds it.

    Attributes
    ----------
    value : str
        What the payload stands for. It names a family of models, not one of them; the table of aliases may.
    bits : str
        Zeros and ones in the order of embedding.
    conversion : Conversion
    source : str
        Where the payload and the conversion are written.
    text : str or None
        The payload where it is a text.
    """

    value: str
    bits: str
    conversion: Conversion
    source: str
    text: str | None = None

    @cached_property
    def array(self) -> NDArray[np.bool_]:
        """The bits."""
        return np.array([bit == "1" for bit in self.bits])


def _bits_of(text: str) -> str:
    return "".join(f"{byte:08b}" for byte in text.encode("ascii"))


def _bits_from(message: int) -> str:
    """Return bits as the programs make them: leading zeros are lost, so that FLUX embeds 46 bits and not 48."""
    return f"{message:b}"


_BYTES = Conversion("uint8", "bgr")
_FLOATS = Conversion("float32", "bgr")
_SDXL = _bits_from(0b101100111110110010010000011110111011000110011110)

KNOWN: Final = (
    KnownPayload(
        "Stable Diffusion 1",
        _bits_of("StableDiffusionV1"),
        _BYTES,
        "CompVis/stable-diffusion, scripts/txt2img.py",
        "StableDiffusionV1",
    ),
    KnownPayload(
        "Stable Diffusion 2", _bits_of("SDV2"), _BYTES, "Stability-AI/stablediffusion, scripts/txt2img.py", "SDV2"
    ),
    KnownPayload(
        "Stable Diffusion XL",
        _SDXL,
        _FLOATS,
        "huggingface/diffusers, pipelines/stable_diffusion_xl/watermark.py (since pull request 7013), from "
        "Stability-AI/generative-models",
    ),
    KnownPayload(
        "Stable Diffusion XL",
        _SDXL,
        Conversion("float32", "rgb"),
        "huggingface/diffusers, pipelines/stable_diffusion_xl/watermark.py (before pull request 7013: channels in the "
        "wrong order)",
    ),
    KnownPayload(
        "FLUX",
        _bits_from(0b001010101111111010000111100111001111010100101110),
        _FLOATS,
        "black-forest-labs/flux, src/flux/util.py",
    ),
)
"""All payloads that are tried; each costs the others a little, since p-values are multiplied by their number."""
