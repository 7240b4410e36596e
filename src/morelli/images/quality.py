"""How much an image has been through: size, compression and blur, as far as they condition what can be concluded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from morelli.images.facts import ImageFacts, LoadedImage

__all__ = ["Quality", "estimate_quality"]

_WINDOW = 512
_SMALL, _MEDIUM = 384, 768
_CLEAN = 80
#: Photographs measure 0.15..0.5; a Gaussian blur of 2 pixels brings their median to 0.68.
_BLURRED = 0.6

_BLOCK = 8
_LEAST_SIDE = 128
_CLIP = 8
# Median excess of the block grid, measured on 61 half-size photographs and generated images saved at each IJG quality
# (4:2:0) and decoded. At quality 50, eight of ten read as 27 to 77: a coarse guide. Never compressed: below 0.015.
_EXCESS = (0.03, 0.07, 0.091, 0.154, 0.201, 0.256, 0.295, 0.364, 0.435, 0.509, 0.592, 0.801, 1.083)
_AT_QUALITY = (95, 92, 90, 85, 80, 75, 70, 60, 50, 40, 30, 20, 10)


@dataclass(frozen=True, slots=True)
class Quality:
    """What condition an image is in.

    Parameters
    ----------
    short_side : int
        In pixels.
    jpeg_quality : int or None
        1..100 on the IJG scale: from the tables of a JPEG, else a coarse estimate from the traces of the 8 x 8 grid in
        the pixels; None where there are no such traces.
    blur : float
        Perceptual blur, 0 (sharp) .. 1 (blurred, or flat).
    bucket : str
        ``size/condition``: size is ``small`` (short side below 384), ``medium`` (below 768) or ``large``; condition is
        ``blurred`` (`blur` of 0.6 and more), else ``compressed`` (`jpeg_quality` below 80), else ``clean``.
    """

    short_side: int
    jpeg_quality: int | None
    blur: float
    bucket: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def estimate_quality(image: LoadedImage | npt.NDArray[np.uint8], facts: ImageFacts | None = None) -> Quality:
    """Estimate the condition of an image from its pixels and the facts of its file.

    Compression and blur are measured on the luma of the central 512 x 512 pixels, which bounds the cost.

    Blur is the measure of F. Crete, T. Dolmiere, P. Ladret and M. Nicolas, *The blur effect: perception and estimation
    with a new no-reference perceptual blur metric* (2007): how little the differences between neighbours shrink when
    the image is blurred once more by a box of 9 pixels; the worse of the two directions.

    Compression, where there are no tables, is the excess of the differences across the boundaries of an 8 x 8 grid over
    those beside them, at the best of the 8 phases (so crops are fine) above the second best (so texture is not), mapped
    to a quality by calibration on photographs. It is None below 128 pixels. Resizing after the compression hides it.

    Parameters
    ----------
    image : LoadedImage or numpy.ndarray
        The image, or uint8 pixels (height, width, 3).
    facts : ImageFacts, optional
        Of the pixels' file, when `image` is an array. Leave them out for pixels that were changed since.

    Returns
    -------
    Quality
        The estimate.

    Examples
    --------
    >>> estimate_quality(np.zeros((400, 900, 3), dtype=np.uint8))
    Quality(short_side=400, jpeg_quality=None, blur=1.0, bucket='medium/blurred')
    """
    if isinstance(image, LoadedImage):
        pixels = image.pixels
        facts = image.facts if facts is None else facts
    else:
        pixels = image
    luma = _central_luma(pixels)
    across = np.abs(np.diff(luma, axis=1))
    down = np.abs(np.diff(luma, axis=0))
    blur = round(max(_blur(luma, across), _blur(luma.T, down.T)), 4)
    quality = facts.jpeg_quality if facts is not None else None
    if quality is None:
        quality = _quality_from_grid(across, down)
    short_side = min(pixels.shape[:2])
    return Quality(short_side, quality, blur, _bucket(short_side, quality, blur))


def _bucket(short_side: int, quality: int | None, blur: float) -> str:
    """Name the group of images in like condition."""
    size = "small" if short_side < _SMALL else "medium" if short_side < _MEDIUM else "large"
    if blur >= _BLURRED:
        return f"{size}/blurred"
    return f"{size}/compressed" if quality is not None and quality < _CLEAN else f"{size}/clean"


def _central_luma(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """Return the luma of at most 512 x 512 pixels around the centre."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - _WINDOW) // 2), max(0, (width - _WINDOW) // 2)
    window = np.ascontiguousarray(pixels[top : top + _WINDOW, left : left + _WINDOW])
    return np.asarray(Image.fromarray(window).convert("L")).astype(np.int16)


def _blur(luma: npt.NDArray[np.int16], differences: npt.NDArray[np.int16]) -> float:
    """Return the blur along rows; 1 where there is nothing to compare."""
    if luma.shape[1] < 10:
        return 1.0
    # Neighbours in a running mean of 9 differ by a ninth of what enters minus what leaves, so no filter is needed.
    kept = differences[:, 4:-4]
    after = np.abs(luma[:, 9:] - luma[:, :-9])
    total = 9 * int(kept.sum(dtype=np.int64))
    lost = int(np.maximum(9 * kept - after, 0).sum(dtype=np.int64))
    return 1.0 - lost / total if total else 1.0


def _quality_from_grid(across: npt.NDArray[np.int16], down: npt.NDArray[np.int16]) -> int | None:
    """Return the quality that the visibility of the block grid suggests, or None where there is no grid."""
    if min(down.shape[1], across.shape[0]) < _LEAST_SIDE:
        return None
    # Differences above the clip are edges of the picture.
    excess = (
        _grid_excess(np.minimum(across, _CLIP).mean(axis=0)) + _grid_excess(np.minimum(down, _CLIP).mean(axis=1))
    ) / 2
    if excess < _EXCESS[0]:
        return None
    return round(float(np.interp(excess, _EXCESS, _AT_QUALITY)))


def _grid_excess(profile: npt.NDArray[np.float64]) -> float:
    """Return how much one of the 8 phases of a profile of differences stands out, relative to the mean difference."""
    local = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
    phases = np.sort(local[: local.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(axis=0))
    mean = float(profile.mean())
    return float(phases[-1] - phases[-2]) / mean if mean > 0 else 0.0
