"""Sharpness: how local contrast is distributed, octave by octave.

Quantiles of gradient magnitude tell apart what a single number confuses: a soft image with crisp edges (a decoder that
denoises) from an evenly crisp one (sharpening), and at which scale either happens.

References
----------
A. Torralba, A. Oliva, "Statistics of natural image categories", Network 14(3), 2003 (multi-scale contrast statistics).
P. Marziliano et al., "A no-reference perceptual blur metric", ICIP 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic._planes import Float, Planes, halve, second_order_residual
from morelli.encoders.forensic._registry import register_family

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.995)
SAMPLES = 2048
"""Magnitudes per region and octave that quantiles are read from; a fixed stride, so that the result is a function of
the pixels.
"""


def contrast_profile(planes: Float, regions: int = 1) -> NDArray[np.float32]:
    """Log quantiles of gradient and residual magnitude, and the residual's peakedness.

    Parameters
    ----------
    planes : ndarray, shape (n, height, width)
    regions : int, default 1
        Into how many groups of equally many successive planes the distributions are pooled.

    Returns
    -------
    ndarray, shape (regions, 15)
    """
    gradient = np.abs(planes[:, 1:, 1:] - planes[:, 1:, :-1]) + np.abs(planes[:, 1:, 1:] - planes[:, :-1, 1:])
    residual = np.abs(second_order_residual(planes))
    parts = []
    for magnitude in (gradient, residual):
        flat = magnitude.reshape(regions, -1)
        # An odd stride runs through all columns instead of sampling a few of them again and again.
        stride = max(1, flat.shape[1] // SAMPLES) | 1
        ordered = np.sort(flat[:, ::stride], axis=1)
        ranks = np.rint(np.array(QUANTILES) * (ordered.shape[1] - 1)).astype(np.intp)
        parts.append(np.log(ordered[:, ranks] + np.float32(0.05)))
    flat = residual.reshape(regions, -1)
    square, mean = (flat**2).mean(axis=1), flat.mean(axis=1)
    parts.append(np.log((square + 0.05) / (mean**2 + 0.05))[:, None])
    return np.concatenate(parts, axis=1).astype(np.float32)


@register_family(
    "sharpness", version=1, summary="distribution of local contrast over four octaves of luma and two of chroma"
)
def sharpness(planes: Planes) -> NDArray[np.float32]:
    """Measure the family; shape (regions, 120)."""
    full, half, quarter = (planes.some(plane, 4) for plane in (planes.luma, planes.luma_half, planes.luma_quarter))
    octaves = [full, half, quarter, halve(quarter)]
    for chroma in (planes.some(planes.blue_half, 4), planes.some(planes.red_half, 4)):
        octaves += [chroma, halve(chroma)]
    return np.concatenate([contrast_profile(octave, planes.regions) for octave in octaves], axis=1)
