"""One family's measurements of all images that are compared, as inner products: all that the tests need of them.

Nothing here knows a label, so that every relabelling is tested by the same numbers, and p-values are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.drift.design import Design

__all__ = ["Trace", "cell_means", "make_traces"]

Float = NDArray[np.float64]

CLIP: Final = 6.0
"""Standard deviations at which features are clipped, as in :mod:`morelli.attributors.discriminant`."""

SHRINKAGE: Final = 0.03
"""Share of the identity in the covariance. Drift between 87 pairs of models was found as often with 0.01 and 0.3."""

WITHIN_SHARE: Final = 0.3
"""Share of how an image's regions differ, as in :mod:`morelli.attributors.discriminant`."""

MOST_REGIONS: Final = 1000
"""Differences between regions that are used; the more images there are, the less is to be learned from regions."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Inner products of one family's standardised measurements.

    Attributes
    ----------
    name : str
    n : int
        Images. Rows after these are differences between regions of an image.
    owner : ndarray of int, shape (n + m,)
        Image of each row.
    plain : ndarray, shape (n + m, n + m)
        Inner products of images as they are, and of the differences between regions.
    centred : ndarray, shape (n + m, n + m)
        The same with images less the mean of their cell in a paired design.
    fold : ndarray of int, shape (n,)
    n_features : int
    held_out : ndarray, shape (n, n)
        What each image (row) would say of a difference that is made up of the others (columns): inner products under
        the inverse covariance of the images of other folds; 0 for images of the same fold.
    """

    name: str
    n: int
    owner: NDArray[np.int64]
    plain: Float
    centred: Float
    fold: NDArray[np.int64]
    n_features: int
    held_out: Float = field(init=False)

    def __post_init__(self) -> None:
        result = np.zeros((self.n, self.n))
        for number in range(int(self.fold.max()) + 1):
            mine, others = np.flatnonzero(self.fold == number), np.flatnonzero(self.fold != number)
            if len(mine) and len(others):
                result[np.ix_(mine, others)] = self.products(number, mine, others)
        object.__setattr__(self, "held_out", result)

    def products(self, fold: int, left: NDArray[np.integer], right: NDArray[np.integer]) -> Float:
        """Return inner products of rows under the inverse covariance that the other folds teach.

        Parameters
        ----------
        fold : int
            That teaches nothing; -1 for none.
        left, right : ndarray of int, shapes (a,) and (b,)
            Rows, of images or regions.

        Returns
        -------
        ndarray, shape (a, b)
        """
        return self.towards(fold, left, self.centred[:, right])[0]

    def towards(self, fold: int, left: NDArray[np.integer], inner: Float) -> tuple[Float, Float]:
        """Return inner products with vectors of which only their plain inner products with all rows are known.

        Parameters
        ----------
        fold, left
            As for `products`.
        inner : ndarray, shape (n + m, b)

        Returns
        -------
        ndarray, shape (a, b)
            Under the inverse covariance.
        ndarray, shape (b,)
            What their own plain squares are less by under the inverse covariance, before the division by the ridge.
        """
        rows, scale, ridge = self.covariance(fold)
        spread = scale[:, None] * self.centred[np.ix_(rows, rows)] * scale
        spread[np.diag_indices(len(rows))] += ridge
        scaled = scale[:, None] * inner[rows]
        # Woodbury's identity: only inner products are needed, whatever the number of features.
        solved = np.linalg.solve(spread, scaled)
        away = self.centred[np.ix_(left, rows)] * scale
        return (inner[left] - away @ solved) / ridge, np.asarray(np.einsum("nk,nk->k", scaled, solved))

    def covariance(self, fold: int) -> tuple[NDArray[np.intp], Float, float]:
        """Return rows whose scaled sum of squares, with a ridge, is the covariance of all folds but one."""
        teaches = self.fold[self.owner] != fold
        images, regions = np.flatnonzero(teaches[: self.n]), self.n + np.flatnonzero(teaches[self.n :])
        squares = np.diagonal(self.centred)
        trace, total = float(squares[images].sum()) / max(len(images), 1), float(squares[regions].sum())
        if trace <= 1e-9 * self.n_features:  # no two images of a cell differ
            return images[:0], np.zeros(0), 1.0
        share = WITHIN_SHARE if total > 0 else 0.0
        parts = [np.full(len(images), np.sqrt((1 - SHRINKAGE) * (1 - share) / len(images)))]
        if share:
            parts.append(np.full(len(regions), np.sqrt((1 - SHRINKAGE) * share * trace / total)))
        rows = np.concatenate([images, regions]) if share else images
        return rows, np.concatenate(parts), SHRINKAGE * trace / self.n_features


def make_traces(
    X: NDArray[np.floating],
    blocks: Mapping[str, slice],
    design: Design,
    *,
    within: NDArray[np.floating] | None = None,
    n_contrasts: NDArray[np.integer] | None = None,
    seed: int = 0,
) -> tuple[list[Trace], list[str]]:
    """Return the trace of every family that varies.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Finite measurements of the images of the design, in its order.
    blocks : mapping of str to slice
        Columns of each family.
    design : Design
    within, n_contrasts : ndarray, shapes (n, c, d) and (n,), optional
        Differences between the regions of each image, and how many are real; see :class:`morelli.encoders.Encoded`.
    seed : int, default 0
        Chooses among regions where there are too many.

    Returns
    -------
    list of Trace
    list of str
        Families whose measurements are the same in all images.
    """
    n = len(X)
    real = np.zeros((n, 0), dtype=np.bool_)
    if within is not None:
        count = np.full(n, within.shape[1]) if n_contrasts is None else np.asarray(n_contrasts)
        real = np.arange(within.shape[1]) < count[:, None]
    image, place = np.nonzero(real)
    if len(image) > MOST_REGIONS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(image))[:MOST_REGIONS])
        image, place = image[kept], place[kept]
    traces, silent = [], []
    for name, block in blocks.items():
        values = np.asarray(X[:, block], dtype=np.float64)
        centre, scale = values.mean(axis=0), values.std(axis=0)
        varies = scale > 1e-9 * (1 + np.abs(centre))
        if not varies.any():
            silent.append(name)
            continue
        Z = np.clip((values[:, varies] - centre[varies]) / scale[varies], -CLIP, CLIP)
        regions = np.zeros((0, Z.shape[1]))
        if within is not None and len(image):
            own = np.asarray(within[image, place][:, block], dtype=np.float64)[:, varies]
            regions = np.clip(own / scale[varies], -3 * CLIP, 3 * CLIP)
        if not (regions**2).sum():  # a family that is measured on the whole image
            regions = regions[:0]
        owner = np.concatenate([np.arange(n), image[: len(regions)]])
        rows = np.concatenate([Z, regions])
        less = np.concatenate([Z - cell_means(Z, design), regions])
        traces.append(Trace(name, n, owner, rows @ rows.T, less @ less.T, design.fold, int(varies.sum())))
    return traces, silent


def cell_means(Z: Float, design: Design) -> Float:
    """Return what is taken off each image, shape (n, d): the mean of its cell where prompts are paired, or of all."""
    if design.kind == "grouped":
        return np.broadcast_to(Z.mean(axis=0), Z.shape)
    sums = np.zeros((int(design.cell.max()) + 1, Z.shape[1]))
    np.add.at(sums, design.cell, Z)
    return np.asarray((sums / np.bincount(design.cell)[:, None])[design.cell])
