"""Which regions the answer of a trained network on pixels hangs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.pictures import Thumbnail
from morelli.errors import MorelliError
from morelli.explain.occlusion import occlude_thumbnail

if TYPE_CHECKING:
    from morelli.attributors.pixels import PixelModel
    from morelli.explain.trace_map import TraceMap

__all__ = ["explain_network"]

Pixels = NDArray[np.uint8]


def explain_network(
    model: PixelModel,
    pixels: Pixels,
    *,
    candidate: str | None = None,
    against: str | None = None,
    side: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TraceMap:
    """Cover an image square by square, and say what its candidate loses of the network's calibrated probability.

    Parameters
    ----------
    model : PixelModel
        Trained on whole images.
    pixels : ndarray of uint8, shape (height, width, 3)
        The image in its native resolution.
    candidate, against : str, optional
        As for :func:`~morelli.explain.occlude`.
    side : int, optional
        Of the squares, in pixels of what the network sees.
    progress : callable, optional

    Returns
    -------
    TraceMap
        By method ``occlusion``, in the image's own pixels.

    Raises
    ------
    MorelliError
        The network sees native patches, which lie apart: there is no picture to cover. Or as for `occlude`.
    """
    encoder = model.encoder
    if not isinstance(encoder, Thumbnail):
        raise MorelliError(
            f"This network sees {model.layout}, patches that lie apart, and occlusion covers whole pictures; train one "
            "on whole images (without --patches)."
        )

    def predict(pictures: Pixels) -> NDArray[np.float64]:
        return model.answer(pictures).proba

    return occlude_thumbnail(
        predict, pixels, model.classes, encoder.side, candidate=candidate, against=against, side=side, progress=progress
    )
