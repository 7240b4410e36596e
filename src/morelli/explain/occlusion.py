"""Occlusion: what a network on pixels loses when a part of the picture is covered.

M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2. They cover with
grey, whose edges and flatness are news of their own to a network that looks for traces of generation. By default the
part is blurred instead, as R. C. Fong, A. Vedaldi, "Interpretable explanations of black boxes by meaningful
perturbation", ICCV 2017, section 4: light and colour stay, and fine traces go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from morelli.encoders import Thumbnail
from morelli.encoders.pictures import pack_pixels, unpack_pixels
from morelli.errors import MorelliError
from morelli.explain._windows import Windows, lay_windows
from morelli.explain.trace_map import Grid, TraceMap
from morelli.explain.votes import check_request

__all__ = ["Predict", "occlude", "occlude_thumbnail", "pixel_predictor"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float64]
Predict = Callable[[Pixels], NDArray[np.floating]]
"""Pictures, uint8 (n, height, width, 3), to probabilities, (n, K)."""

Fill = Literal["blur", "grey"]

_GREY = 128
_LEAST = 1e-12
"""Probabilities count as no less: logarithms have to be finite."""


class _Estimator(Protocol):
    def predict_proba(self, X: Any, /) -> Any: ...


def pixel_predictor(estimator: _Estimator) -> Predict:
    """Return what asks a registered attributor on pixels, which reads packed thumbnails, about pictures.

    Parameters
    ----------
    estimator : object
        Fitted, with ``predict_proba`` of rows that an encoder called ``thumbnail-...`` made.
    """

    def predict(pictures: Pixels) -> NDArray[np.floating]:
        return np.asarray(estimator.predict_proba(np.stack([pack_pixels(picture) for picture in pictures])))

    return predict


def occlude(
    predict: Predict,
    pixels: Pixels,
    classes: Sequence[str],
    *,
    candidate: str | None = None,
    against: str | None = None,
    side: int | None = None,
    fill: Fill = "blur",
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> TraceMap:
    """Say which regions of a picture a network's answer hangs on.

    Squares are covered one after the other, each sharing half with the next. What the candidate's log-probability loses
    is the square's value, and a cell has the mean of the squares that cover it.

    Parameters
    ----------
    predict : callable
        Pictures, uint8 (n, height, width, 3), to probabilities, (n, K).
    pixels : ndarray of uint8, shape (height, width, 3)
        In the size that `predict` takes.
    classes : sequence of str
        Names of the K candidates.
    candidate : str, optional
        Whom to ask about; by default the most probable one.
    against : str, optional
        Then the ratio of both probabilities counts instead of the candidate's probability.
    side : int, optional
        Of the squares in pixels, an even number; by default about a quarter of the shorter side.
    fill : {"blur", "grey"}
        What covers: the picture itself, blurred over half a square, or flat grey as in the first paper on this.
    batch : int, default 32
        Pictures that are judged together.
    progress : callable, optional
        Called as ``progress(done, total)`` after every batch.

    Returns
    -------
    TraceMap
        By method ``occlusion``, in pixels of this picture.

    Raises
    ------
    MorelliError
        A candidate is unknown, the side is no such number, or `predict` gives something else than probabilities.
    """
    check_request((), classes, candidate, against, None)
    if fill not in ("blur", "grey"):
        raise MorelliError(f"Squares are covered by blur or grey, not by {fill!r}.")
    windows = lay_windows(pixels.shape[0], pixels.shape[1], side, unit=2, smallest=1, largest=1)
    (proba,) = _asked(predict, pixels[None], len(classes))
    candidate = candidate or next(classes[k] for k in np.argsort(-proba, kind="stable") if classes[k] != against)

    def ratio(rows: Float) -> Float:
        words = np.log(np.maximum(rows, _LEAST))
        other = 0.0 if against is None else words[..., list(classes).index(against)]
        return np.asarray(words[..., list(classes).index(candidate)] - other)

    cover = _covers(pixels, fill, windows)
    total, rows = len(windows), []
    for pictures in _covered(pixels, cover, windows, batch):
        rows.append(_asked(predict, pictures, len(classes)))
        if progress is not None:
            progress(sum(map(len, rows)), total)
    lost = ratio(proba) - ratio(np.concatenate(rows))
    return TraceMap(
        method="occlusion",
        candidate=candidate,
        against=against,
        grid=windows.grid,
        values=windows.average(lost),
        whole=float(ratio(proba)),
        noise=windows.noise(lost),
        n_windows=total,
        window=windows.size,
    )


def occlude_thumbnail(
    predict: Predict, pixels: Pixels, classes: Sequence[str], thumbnail: int, **options: Any
) -> TraceMap:
    """Occlude what a network on thumbnails sees of an image, and say it in the image's own pixels.

    Parameters
    ----------
    predict : callable
        As for :func:`occlude`, of square thumbnails.
    pixels : ndarray of uint8, shape (height, width, 3)
        The image in its native resolution.
    classes : sequence of str
    thumbnail : int
        Side of the thumbnails in pixels, as in the encoder's name: 64 for ``thumbnail-64``. They show the middle
        square of the image; the map covers no more.
    **options
        As for :func:`occlude`, in pixels of the thumbnail.

    Returns
    -------
    TraceMap
        As of :func:`occlude`, with the grid in pixels of the image.
    """
    (small,) = unpack_pixels(Thumbnail(thumbnail).encode(pixels).stack()[:1])
    found = occlude(predict, small, classes, **options)
    height, width = pixels.shape[:2]
    scale = min(height, width) / thumbnail
    left, top = (width - min(height, width)) / 2, (height - min(height, width)) / 2
    g = found.grid
    grid = Grid(
        height, width, top + scale * g.top, left + scale * g.left, scale * g.cell_height, scale * g.cell_width,
        g.rows, g.columns,
    )  # fmt: skip
    return replace(found, grid=grid, window=(round(scale * found.window[0]), round(scale * found.window[1])))


def _covers(pixels: Pixels, fill: Fill, windows: Windows) -> Pixels:
    """Return the picture that squares are cut out of."""
    if fill == "grey":
        return np.full_like(pixels, _GREY)
    from scipy.ndimage import gaussian_filter

    sigma = [length / 4 for length in windows.size]
    blurred = gaussian_filter(pixels.astype(np.float32), [*sigma, 0], mode="reflect")
    return np.asarray(np.rint(blurred), dtype=np.uint8)


def _covered(pixels: Pixels, cover: Pixels, windows: Windows, batch: int) -> Iterator[Pixels]:
    """Yield pictures with one square covered each, batch by batch."""
    height, width = windows.size
    corners = list(windows.corners())
    for start in range(0, len(corners), batch):
        pictures = np.repeat(pixels[None], len(corners[start : start + batch]), axis=0)
        for picture, (top, left) in zip(pictures, corners[start : start + batch], strict=True):
            here = np.s_[top : top + height, left : left + width]
            picture[here] = cover[here]
        yield pictures


def _asked(predict: Predict, pictures: Pixels, n_classes: int) -> Float:
    rows = np.asarray(predict(pictures), dtype=np.float64)
    if rows.shape != (len(pictures), n_classes) or not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise MorelliError(
            f"A network that is to be explained gives {n_classes} probabilities for each of {len(pictures)} pictures; "
            f"this one gave {rows.shape}, or values that are none."
        )
    return rows
