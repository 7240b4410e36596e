"""Resizing and JPEG with gradients. Tensors are float32 (n, 3, height, width), 0 to 255."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["jpeg_like", "resize_back", "resized_for"]

# ITU-T T.81, annex K.1: the tables that libjpeg scales by its quality.
_LUMA = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99
"""
_CHROMA = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_MODES = {"bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "bicubic"}


def resized_for(values: Any, preprocessing: Any) -> Any:
    """Return images as a network sees them whole: resized, cut and normalised, (n, 3, size, size).

    The counterpart of :func:`morelli.encoders.pretrained.sightings.resized_of`, without rounding to 8 bits in between.
    torch has no Lanczos: bicubic is taken in its place.

    Parameters
    ----------
    values : torch.Tensor
    preprocessing : morelli.encoders.pretrained.Preprocessing
    """
    import torch

    height, width = values.shape[-2:]
    size, short = preprocessing.size, preprocessing.resize or preprocessing.size
    if preprocessing.fit == "stretch":
        seen = _resize(values, size, size, _MODES[preprocessing.resample])
    else:
        wide = short if width <= height else short * width // height
        high = short * height // width if width <= height else short
        left, top = (wide - size) // 2, (high - size) // 2
        seen = _resize(values, high, wide, _MODES[preprocessing.resample])[..., top : top + size, left : left + size]
    mean, std = (
        torch.tensor(of, dtype=seen.dtype, device=seen.device)[None, :, None, None]
        for of in (preprocessing.mean, preprocessing.std)
    )
    return (seen / 255.0 - mean) / std


def resize_back(values: Any, factor: float) -> Any:
    """Return images resized by a factor and back to their size (bicubic, antialiased)."""
    height, width = values.shape[-2:]
    small = _resize(values, max(1, round(height * factor)), max(1, round(width * factor)), "bicubic")
    return _resize(small, height, width, "bicubic").clamp(0.0, 255.0)


def jpeg_like(values: Any, quality: int) -> Any:
    """Return images as a JPEG file of a quality holds them, 4:2:0, with gradients.

    Coefficients are rounded, and gradients pass the rounding as if it were none (straight through); so do those of the
    rounding of pixels. Chroma is averaged over 2 x 2 pixels and repeated, where libjpeg interpolates.

    Parameters
    ----------
    values : torch.Tensor
    quality : int
        1 to 100, on the scale of the Independent JPEG Group.
    """
    import torch

    height, width = values.shape[-2:]
    pad = (0, -width % 16, 0, -height % 16)
    padded = torch.nn.functional.pad(values, pad, mode="replicate")
    matrix = torch.tensor(_TO_YCC, dtype=values.dtype, device=values.device)
    ycc = torch.einsum("kc,nchw->nkhw", matrix, padded)
    ycc = torch.cat([ycc[:, :1] - 128.0, ycc[:, 1:]], dim=1)
    luma = _coded(ycc[:, :1], _table(quality, True))
    chroma = _coded(torch.nn.functional.avg_pool2d(ycc[:, 1:], 2), _table(quality, False))
    chroma = chroma.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    back = torch.linalg.inv(matrix.double()).to(values.dtype)
    rgb = torch.einsum("ck,nkhw->nchw", back, torch.cat([luma + 128.0, chroma], dim=1))
    return _rounded(rgb[..., :height, :width]).clamp(0.0, 255.0)


def _coded(planes: Any, table: NDArray[np.float32]) -> Any:
    """Return planes (n, c, h, w), sides multiples of 8, after the quantisation of their blocks' DCT."""
    import torch

    n, c, height, width = planes.shape
    basis = torch.from_numpy(_dct()).to(planes.device, planes.dtype)
    steps = torch.from_numpy(table).to(planes.device, planes.dtype)
    blocks = planes.reshape(n, c, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    coefficients = basis @ blocks @ basis.T
    blocks = basis.T @ (_rounded(coefficients / steps) * steps) @ basis
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, height, width)


def _rounded(values: Any) -> Any:
    return values + (values.round() - values).detach()


def _resize(values: Any, height: int, width: int, mode: str) -> Any:
    import torch

    if tuple(values.shape[-2:]) == (height, width):
        return values
    return torch.nn.functional.interpolate(values, (height, width), mode=mode, antialias=True, align_corners=False)


@cache
def _dct() -> NDArray[np.float32]:
    """Return the orthonormal DCT-II of 8 points, one basis vector a row."""
    order, place = np.arange(8)[:, None], np.arange(8)[None]
    basis = np.cos(np.pi * (place + 0.5) * order / 8) * np.where(order == 0, np.sqrt(1 / 8), 0.5)
    return np.asarray(basis, dtype=np.float32)


@cache
def _table(quality: int, luma: bool) -> NDArray[np.float32]:
    base = np.array((_LUMA if luma else _CHROMA).split(), dtype=np.int64).reshape(8, 8)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((base * scale + 50) // 100, 1, 255), dtype=np.float32)
