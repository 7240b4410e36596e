"""The table of features: one row per image, errors included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.errors import MorelliError

__all__ = ["Features"]

_COLUMNS: dict[str, type] = {
    "n_contrasts": np.int8,
    "image_id": np.object_,
    "short_side": np.int32,
    "jpeg_quality": np.float32,
    "blur": np.float32,
    "bucket": np.object_,
    "error": np.object_,
}


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """What an encoder measured on many images. Row i belongs to image i of what it was extracted from.

    A row with an error keeps its place: `X`, `within`, `jpeg_quality` and `blur` are NaN there, `n_contrasts` and
    `short_side` are 0 and `bucket` is None. Take `features.take(features.ok)` to be without them.

    Attributes
    ----------
    X : ndarray of float32, shape (n, d)
        The features.
    within : ndarray of float32, shape (n, c, d)
        How the regions of each image differ, see `morelli.encoders.encoder.Encoded`, with c the most that the encoder
        gives; rows that are not real are zeros. The columns of a family that is measured on the whole image are zeros
        in all rows.
    n_contrasts : ndarray of int8, shape (n,)
        How many rows of `within` are real, 0 to c.
    blocks : dict of str to slice
        The columns of each family, one behind the other from 0 to d.
    image_id : ndarray of object, shape (n,)
        SHA-256 of the file; None where its bytes could not be read.
    short_side : ndarray of int32, shape (n,)
        In pixels.
    jpeg_quality : ndarray of float32, shape (n,)
        1 to 100, NaN where there is no trace of JPEG.
    blur : ndarray of float32, shape (n,)
        0 (sharp) to 1.
    bucket : ndarray of object, shape (n,)
        See `morelli.images.Quality`.
    error : ndarray of object, shape (n,)
        A sentence, or None where all is well.
    recipe_hash : str
        Of the encoder.
    view : str
        Canonical name of the view that the images went through.

    Raises
    ------
    MorelliError
        The parts do not fit together, or a row without an error has values that are not finite.
    """

    X: NDArray[np.float32]
    within: NDArray[np.float32]
    n_contrasts: NDArray[np.int8]
    blocks: Mapping[str, slice]
    image_id: NDArray[np.object_]
    short_side: NDArray[np.int32]
    jpeg_quality: NDArray[np.float32]
    blur: NDArray[np.float32]
    bucket: NDArray[np.object_]
    error: NDArray[np.object_]
    recipe_hash: str
    view: str = "none"

    def __post_init__(self) -> None:
        if self.X.ndim != 2:
            raise MorelliError(f"Features are a table with two axes, not an array of shape {self.X.shape}.")
        n, d = self.X.shape
        self._check("X", np.float32, (n, d))
        contrasts = self.within.shape[1] if self.within.ndim == 3 else 0
        self._check("within", np.float32, (n, contrasts, d))
        for name, kind in _COLUMNS.items():
            self._check(name, kind, (n,))
        position = 0
        for name, block in self.blocks.items():
            if block.start != position or block.stop is None or block.stop < position or block.step not in (None, 1):
                raise MorelliError(f"The columns of family {name} should start at {position}, but they are {block}.")
            position = block.stop
        if position != d:
            raise MorelliError(f"The families have {position} columns together, but the table has {d}.")
        # A sum is finite when all its terms are, and needs no mask as large as the table. It may also overflow, which
        # takes values that no family gives.
        finite = np.isfinite(self.X.sum(axis=1, dtype=np.float64)) & np.isfinite(
            self.within.sum(axis=(1, 2), dtype=np.float64)
        )
        if (self.ok & ~finite).any():
            row = int(np.argmax(self.ok & ~finite))
            raise MorelliError(f"Row {row} has values that are not finite, and no error that says why.")

    def _check(self, name: str, kind: type, shape: tuple[int, ...]) -> None:
        array = getattr(self, name)
        if array.dtype != kind or array.shape != shape:
            raise MorelliError(
                f"{name} should be {np.dtype(kind)} with shape {shape}, not {array.dtype} with shape {array.shape}."
            )

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        failed = len(self) - int(self.ok.sum())
        return f"Features({len(self)} images, {failed} with errors, {self.X.shape[1]} features, view {self.view})"

    @property
    def ok(self) -> NDArray[np.bool_]:
        """The rows without an error, bool (n,)."""
        return np.array([error is None for error in self.error], dtype=np.bool_)

    def take(self, rows: ArrayLike) -> Features:
        """Return some rows, copied: integers (m,) in that order, or a mask, bool (n,).

        Raises
        ------
        MorelliError
            A mask is of another length, or an integer is no row.
        """
        index = np.asarray(rows)
        if index.dtype == np.bool_:
            if index.shape != (len(self),):
                raise MorelliError(f"A mask for these features is {len(self)} booleans, not of shape {index.shape}.")
            index = np.flatnonzero(index)
        elif index.size == 0:
            index = np.zeros(0, dtype=np.intp)
        elif index.dtype.kind not in "iu" or index.ndim != 1 or index.min() < 0 or index.max() >= len(self):
            raise MorelliError(f"Rows are whole numbers from 0 to {len(self) - 1}, or a mask.")
        return Features(
            X=self.X[index],
            within=self.within[index],
            blocks=dict(self.blocks),
            recipe_hash=self.recipe_hash,
            view=self.view,
            **{name: getattr(self, name)[index] for name in _COLUMNS},
        )

    def family(self, name: str) -> NDArray[np.float32]:
        """Return the columns of one family, float32 (n, d of the family), as a view of `X`.

        Raises
        ------
        MorelliError
            There is no such family here.
        """
        if name not in self.blocks:
            raise MorelliError(f"These features hold no family {name!r}; there are: {', '.join(self.blocks)}.")
        return self.X[:, self.blocks[name]]

    @classmethod
    def beside(cls, parts: Sequence[Features], recipe_hash: str) -> Features:
        """Put tables of the same images side by side.

        A row that has an error in one part has it in the whole. Where parts differ in how many rows of `within` are
        real, the others' are the zeros that they hold.

        Parameters
        ----------
        parts : sequence of Features
            Of the same images and view, with families of different names.
        recipe_hash : str
            Of the encoder that they make up together.

        Raises
        ------
        MorelliError
            They are not of the same images or view, or there is none.
        """
        if not parts:
            raise MorelliError("There are no features to put side by side.")
        first = parts[0]
        blocks: dict[str, slice] = {}
        error = first.error.copy()
        for part in parts:
            if part.view != first.view or not np.array_equal(part.image_id, first.image_id):
                raise MorelliError("Features of different images or views cannot be put side by side.")
            if blocks.keys() & part.blocks.keys():
                raise MorelliError("Features that are put side by side need families of different names.")
            start = max((block.stop for block in blocks.values()), default=0)
            blocks |= {name: slice(start + b.start, start + b.stop) for name, b in part.blocks.items()}
            new = np.array([mine is None for mine in error], dtype=np.bool_) & ~part.ok
            error[new] = part.error[new]
        bad = np.array([sentence is not None for sentence in error], dtype=np.bool_)

        values = np.concatenate([part.X for part in parts], axis=1)
        values[bad] = np.nan
        rows = max(part.within.shape[1] for part in parts)
        within = np.zeros((len(first), rows, values.shape[1]), dtype=np.float32)
        start = 0
        for part in parts:
            within[:, : part.within.shape[1], start : start + part.X.shape[1]] = part.within
            start += part.X.shape[1]
        within[bad] = np.nan

        def of_first(name: str, blank: Any) -> Any:
            values = getattr(first, name).copy()
            values[bad] = blank
            return values

        n_contrasts = np.max([part.n_contrasts for part in parts], axis=0)
        n_contrasts[bad] = 0
        return cls(
            X=values,
            within=within,
            n_contrasts=n_contrasts,
            blocks=blocks,
            image_id=first.image_id.copy(),
            short_side=of_first("short_side", 0),
            jpeg_quality=of_first("jpeg_quality", np.nan),
            blur=of_first("blur", np.nan),
            bucket=of_first("bucket", None),
            error=error,
            recipe_hash=recipe_hash,
            view=first.view,
        )

    @classmethod
    def concat(cls, parts: Iterable[Features]) -> Features:
        """Put tables one below the other.

        Raises
        ------
        MorelliError
            There is none, or they differ in recipe, columns or view. Rows of several views have no place in one table,
            because their `view` could not say which is which: put their `X` together instead.
        """
        tables = list(parts)
        if not tables:
            raise MorelliError("There are no features to put together.")
        first = tables[0]
        for table in tables[1:]:
            for what in ("recipe_hash", "view"):
                mine, other = getattr(first, what), getattr(table, what)
                if mine != other:
                    raise MorelliError(f"Features of different {what} cannot be put together: {mine!r} and {other!r}.")
            if list(table.blocks.items()) != list(first.blocks.items()):
                raise MorelliError("Features with different columns cannot be put together.")

        def joined(name: str) -> Any:
            return np.concatenate([getattr(table, name) for table in tables])

        return cls(
            X=joined("X"),
            within=joined("within"),
            blocks=dict(first.blocks),
            recipe_hash=first.recipe_hash,
            view=first.view,
            **{name: joined(name) for name in _COLUMNS},
        )
