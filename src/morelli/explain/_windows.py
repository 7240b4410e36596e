"""Windows over an image, and the grid of cells that their values are averaged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.explain.trace_map import Grid

__all__ = ["MAX_WINDOWS", "Axis", "Windows", "lay_windows"]

Float = NDArray[np.float64]

MAX_WINDOWS = 256
"""The most windows that are laid over an image, however large it is."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one side of an image.

    Attributes
    ----------
    start : int
        Where the first cell begins, in pixels.
    cell : int
        Pixels of a cell, and from one window to the next.
    cells : int
        How many cells there are, without a gap.
    span : int
        Cells that a window covers.
    """

    start: int
    cell: int
    cells: int
    span: int

    @property
    def windows(self) -> int:
        """How many windows there are; each begins with a cell of its own."""
        return self.cells - self.span + 1

    @classmethod
    def lay(cls, length: int, cell: int, span: int, align: int) -> Axis:
        """Lay windows of `span` cells along `length` pixels, from a multiple of `align`; one where there is no room."""
        cells = length // cell
        if cells <= span:
            return cls(0, length, 1, 1)
        return cls((length - cells * cell) // 2 // align * align, cell, cells, span)


@dataclass(frozen=True, slots=True)
class Windows:
    """Overlapping windows over an image of `height` x `width` pixels, in reading order."""

    height: int
    width: int
    down: Axis
    across: Axis

    def __len__(self) -> int:
        return self.down.windows * self.across.windows

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a window in pixels."""
        return self.down.cell * self.down.span, self.across.cell * self.across.span

    @property
    def grid(self) -> Grid:
        """The cells, as a map names them."""
        down, across = self.down, self.across
        return Grid(
            self.height, self.width, down.start, across.start, down.cell, across.cell, down.cells, across.cells
        )  # fmt: skip

    def corners(self) -> Iterator[tuple[int, int]]:
        """Yield top and left of each window in pixels."""
        for row in range(self.down.windows):
            for column in range(self.across.windows):
                yield self.down.start + row * self.down.cell, self.across.start + column * self.across.cell

    def average(self, values: Float) -> Float:
        """Give each cell the mean of the windows that cover it.

        Parameters
        ----------
        values : ndarray, shape (windows, ...)

        Returns
        -------
        ndarray, shape (rows, columns, ...)
            Equal values give equal cells. Weighted by how many windows cover it, a cell's value sums up to the sum of
            the values times the cells of a window.
        """
        down, across = self.down, self.across
        placed = np.asarray(values, dtype=np.float64).reshape(down.windows, across.windows, *np.shape(values)[1:])
        total = np.zeros((down.cells, across.cells, *np.shape(values)[1:]))
        for row in range(down.span):
            for column in range(across.span):
                total[row : row + down.windows, column : column + across.windows] += placed
        count = np.outer(_covering(down), _covering(across))
        return np.asarray(total / count.reshape(*count.shape, *[1] * (total.ndim - 2)))

    def noise(self, values: Float) -> float | None:
        """Return how much the values of two windows typically differ that share no pixel, as a standard deviation.

        From differences between neighbours, as Rice (1984), "Bandwidth choice for nonparametric regression", Annals of
        Statistics 12(4), estimates noise beside a signal: a region that stands out moves few of them. The median makes
        it robust (1.4826 times the median absolute difference, divided by the root of two).

        Parameters
        ----------
        values : ndarray, shape (windows,)

        Returns
        -------
        float or None
            None where no two windows lie side by side.
        """
        placed = np.asarray(values, dtype=np.float64).reshape(self.down.windows, self.across.windows)
        down = placed[self.down.span :] - placed[: -self.down.span]
        across = placed[:, self.across.span :] - placed[:, : -self.across.span]
        differences = np.abs(np.concatenate([down.ravel(), across.ravel()]))
        return float(1.4826 * np.median(differences) / np.sqrt(2)) if len(differences) else None


def _covering(axis: Axis) -> Float:
    """Return how many windows cover each cell along an axis."""
    return np.convolve(np.ones(axis.windows), np.ones(axis.span))


def lay_windows(
    height: int, width: int, side: int | None = None, *, unit: int = 32, smallest: int = 128, largest: int = 256
) -> Windows:
    """Lay windows over an image.

    By default there are eight cells along the shorter side, and a window covers as many of them as make `smallest`
    pixels, or `largest` where the shorter side has twice that. Cells begin at multiples of half a `unit`. What is left
    at the border is less than a cell. A side with no room for two windows is covered by one, which takes it whole.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels.
    side : int, optional
        Of a window, in pixels: a multiple of `unit`. Each shares half of its pixels with the next.
    unit : int, default 32
        Sixteen pixels are the grid of JPEG's blocks with subsampled chroma, and a window is two cells or more.
    smallest, largest : int
        Of what is chosen by default.

    Raises
    ------
    MorelliError
        The side is no such multiple, or would give more than `MAX_WINDOWS`.
    """
    align = unit // 2
    if side is not None:
        if side < unit or side % unit:
            raise MorelliError(f"A window's side is a multiple of {unit} pixels, not {side}.")
        windows = _lay(height, width, side // 2, 2, align)
        if len(windows) > MAX_WINDOWS:
            raise MorelliError(
                f"Windows of {side} pixels would be {len(windows)} on an image of {width}x{height}; at most "
                f"{MAX_WINDOWS} are judged. Take larger ones."
            )
        return windows
    short = min(height, width)
    cell = max(align, short // 8 // align * align)
    least = largest if short >= 2 * largest else smallest
    windows = _lay(height, width, cell, max(2, -(-least // cell)), align)
    while len(windows) > MAX_WINDOWS:  # a long strip
        cell += align
        windows = _lay(height, width, cell, max(2, -(-least // cell)), align)
    return windows


def _lay(height: int, width: int, cell: int, span: int, align: int) -> Windows:
    return Windows(height, width, Axis.lay(height, cell, span, align), Axis.lay(width, cell, span, align))
