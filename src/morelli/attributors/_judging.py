"""What the families make of images, before and after fusion; shared by the steps of the fused attributor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.discriminant import Discriminant
from morelli.attributors.sighting import Sighting

__all__ = ["Spread", "judge"]

Float = NDArray[np.float64]

ROWS_AT_ONCE = 64


def judge(discriminants: Mapping[str, Discriminant], blocks: Mapping[str, slice], X: Float) -> Sighting:
    """Let every family judge its columns of `X`, shape (n, d)."""
    coordinates, outlyingness = {}, []
    for name, block in blocks.items():
        own, far = [], []
        # Few rows at a time, so that what is standardised is still in the processor's cache when it is projected.
        for start in range(0, max(len(X), 1), ROWS_AT_ONCE):
            Z = discriminants[name].standardise(X[start : start + ROWS_AT_ONCE, block])
            own.append(discriminants[name].coordinates_of(Z))
            far.append(discriminants[name].outlyingness_of(Z))
        coordinates[name] = np.concatenate(own)
        outlyingness.append(np.concatenate(far))
    return replace(Sighting.of(discriminants, coordinates), outlyingness=np.stack(outlyingness))


class Spread:
    """Rows of within-image spread, by image and family."""

    def __init__(
        self, within: NDArray[np.floating] | None, n_contrasts: NDArray[np.integer] | None, shape: tuple[int, int]
    ) -> None:
        self._within = None if within is None else np.asarray(within)
        if self._within is None:
            return
        if self._within.ndim != 3 or (self._within.shape[0], self._within.shape[2]) != shape:
            raise ValueError(f"within has shape {self._within.shape}; expected ({shape[0]}, contrasts, {shape[1]})")
        if not np.isfinite(self._within).all():
            raise ValueError("within contains NaN or infinity")
        count = np.full(shape[0], self._within.shape[1]) if n_contrasts is None else np.asarray(n_contrasts)
        if count.shape != shape[:1]:
            raise ValueError(f"n_contrasts has shape {count.shape}; expected ({shape[0]},)")
        self._real = np.arange(self._within.shape[1]) < count[:, None]

    def of(self, images: NDArray[np.integer], block: slice) -> NDArray[np.floating] | None:
        """Return the rows of `images` and the columns of `block`, or None where there are none."""
        if self._within is None:
            return None
        return np.asarray(self._within[images][:, :, block][self._real[images]])
