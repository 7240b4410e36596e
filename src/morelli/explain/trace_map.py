"""What an explanation is: a value for each cell of a grid over the image, and all that belongs to its reading."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError

__all__ = ["SCHEMA_VERSION", "Box", "Grid", "TraceMap"]

Float = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in pixels; right and bottom are not part of it."""

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away; new fields may come without it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of a map lie in the image, in its own pixels as decoded (orientation not applied).

    Attributes
    ----------
    height, width : int
        Of the image.
    top, left : float
        Where the first cell begins.
    cell_height, cell_width : float
    rows, columns : int
    """

    height: int
    width: int
    top: float
    left: float
    cell_height: float
    cell_width: float
    rows: int
    columns: int

    @property
    def box(self) -> Box:
        """What all cells cover together."""
        bottom, right = self.top + self.rows * self.cell_height, self.left + self.columns * self.cell_width
        return self.left, self.top, right, bottom

    @property
    def coverage(self) -> float:
        """Share of the image that lies in a cell, 0 to 1."""
        return self.rows * self.cell_height * self.columns * self.cell_width / (self.height * self.width)

    def cell(self, row: int, column: int) -> Box:
        """Return the box of one cell."""
        left, top = self.left + column * self.cell_width, self.top + row * self.cell_height
        return left, top, left + self.cell_width, top + self.cell_height

    def share_inside(self, box: Box) -> Float:
        """Return which share of each cell lies inside a box, shape (rows, columns)."""
        left, top, right, bottom = box
        down = _shares(self.top, self.cell_height, self.rows, top, bottom)
        return np.outer(down, _shares(self.left, self.cell_width, self.columns, left, right))


def _shares(start: float, cell: float, n: int, low: float, high: float) -> Float:
    begin = start + cell * np.arange(n)
    return np.asarray(np.clip(np.minimum(begin + cell, high) - np.maximum(begin, low), 0, None) / cell)


@dataclass(frozen=True, slots=True, eq=False)
class TraceMap:
    """Where in an image the evidence for a candidate comes from.

    Attributes
    ----------
    method : str
        ``votes`` or ``occlusion``.
    candidate : str
        Positive values speak for this one.
    against : str or None
        Negative values speak for this one; None for the mean of all candidates (votes), or for all others (occlusion).
    grid : Grid
    values : ndarray, shape (rows, columns)
        In nats. Votes: the mean over the image is `whole`, so that a cell says how much there would be if all of the
        image were like it. Occlusion: what is lost when the surroundings of the cell are covered.
    whole : float
        In nats. Votes: evidence of the families that the map is about, in the image as a whole. Occlusion: logarithm
        of the candidate's probability, or of its ratio to that of `against`.
    noise : float or None
        In nats: how much two windows typically differ that share no pixel, as a standard deviation; None where there
        are no two.
    n_windows : int
        Windows that were judged, or covered.
    window : tuple of int
        Height and width of a window, in pixels of the image.
    families : dict of str to ndarray, shape (rows, columns)
        What each family adds to `values`; empty for occlusion.
    noise_of : dict of str to (float or None)
        The noise of each family's part.
    unplaced : dict of str to float
        Evidence of families that are measured on the whole image, which no cell can be held to; not in `values`.
    shift : float
        In nats: by how much windows spoke more for the candidate, in the mean, than the image does; taken off all.
    judged_as : str or None
        As in a verdict.
    """

    method: str
    candidate: str
    against: str | None
    grid: Grid
    values: Float
    whole: float
    noise: float | None
    n_windows: int
    window: tuple[int, int]
    families: dict[str, Float] = field(default_factory=dict)
    noise_of: dict[str, float | None] = field(default_factory=dict)
    unplaced: dict[str, float] = field(default_factory=dict)
    shift: float = 0.0
    judged_as: str | None = None

    def __post_init__(self) -> None:
        shape = (self.grid.rows, self.grid.columns)
        for name, values in {"values": self.values, **self.families}.items():
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} of a map must be finite and of shape {shape}, not {values.shape}")

    @property
    def relative(self) -> Float:
        """How far each cell lies above or below the mean of all, shape (rows, columns)."""
        return np.asarray(self.values - self.values.mean())

    @property
    def strength(self) -> float | None:
        """Largest distance of a cell from the mean, in units of the noise; None where that is not known or zero."""
        return float(np.abs(self.relative).max() / self.noise) if self.noise else None

    @property
    def strongest(self) -> tuple[tuple[int, int], float]:
        """Row and column of the cell that speaks most for the candidate, and its value; the first of equals."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return (int(row), int(column)), float(self.values[row, column])

    @property
    def meaning(self) -> str:
        """One sentence on what the values are, for whoever reads the file without this program."""
        whom = f"{self.candidate} against {self.against or 'the mean of all candidates'}"
        if self.method == "occlusion":
            return (
                f"Nats by which the log-probability of {self.candidate}"
                f"{f' over {self.against}' if self.against else ''} falls when the surroundings of a cell are covered."
            )
        return (
            f"Evidence for {whom} in nats; the mean over the image is what its measurable families say of it as a "
            "whole. Cells share windows, and a cell is no verdict of its own."
        )

    def of_family(self, name: str) -> TraceMap:
        """Return the map of one family alone.

        Raises
        ------
        MorelliError
            The map has no such family; the sentence names those that it has.
        """
        if name in self.unplaced:
            raise MorelliError(f"{name} is measured on the whole image, so that no region can be held to it.")
        if name not in self.families:
            known = ", ".join(self.families) or "none"
            raise MorelliError(f"The map has no family called {name!r}; there are: {known}.")
        values = self.families[name]
        return replace(
            self,
            values=values,
            whole=float(values.mean()),
            noise=self.noise_of[name],
            families={name: values},
            noise_of={name: self.noise_of[name]},
            unplaced={},
        )

    def mass_inside(self, box: Box) -> float | None:
        """Return the share of all positive evidence that lies inside a box, 0 to 1; None where none is positive."""
        positive = np.maximum(self.values, 0)
        total = float(positive.sum())
        return float((positive * self.grid.share_inside(box)).sum()) / total if total > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Return the map as JSON-able values, the schema version first."""
        g = self.grid
        return {
            "schema_version": SCHEMA_VERSION,
            "method": self.method,
            "candidate": self.candidate,
            "against": self.against,
            "meaning": self.meaning,
            "image": {"width": g.width, "height": g.height},
            "grid": {
                "left": g.left,
                "top": g.top,
                "cell_width": g.cell_width,
                "cell_height": g.cell_height,
                "columns": g.columns,
                "rows": g.rows,
                "coverage": round(g.coverage, 6),
            },
            "windows": {"n": self.n_windows, "width": self.window[1], "height": self.window[0]},
            "judged_as": self.judged_as,
            "whole": _number(self.whole),
            "noise": _number(self.noise),
            "strength": _number(self.strength),
            "shift": _number(self.shift),
            "values": _rows(self.values),
            "families": {name: _rows(values) for name, values in self.families.items()},
            "unplaced": {name: _number(value) for name, value in self.unplaced.items()},
        }


def _number(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4) + 0.0


def _rows(values: Float) -> list[list[float]]:
    return [[round(float(value), 4) + 0.0 for value in row] for row in values]
