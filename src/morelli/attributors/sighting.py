"""What families make of images before anything is weighed: the material of fusion and of calling images unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors._checks import FloatArray, IntArray
from morelli.attributors.discriminant import Discriminant
from morelli.attributors.strangeness import cosine_similarity

__all__ = ["Look", "Sighting", "see"]


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What F families make of n images among K candidates.

    Attributes
    ----------
    log_likelihood : ndarray, shape (F, n, K)
        Up to a term that all candidates share.
    alignment : ndarray, shape (F, n, K)
        Cosine between the image and each class mean, in the family's discriminant coordinates.
    outlyingness : ndarray, shape (F, n), or None
        How far out each family finds an image, whatever the candidates; None where nobody asked.
    """

    log_likelihood: FloatArray
    alignment: FloatArray
    outlyingness: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.log_likelihood)
        if len(shape) != 3 or np.shape(self.alignment) != shape:
            both = f"{shape} and {np.shape(self.alignment)}"
            raise ValueError(
                f"log_likelihood and alignment must have one shape (families, images, candidates), not {both}"
            )
        if not (np.isfinite(self.log_likelihood).all() and np.isfinite(self.alignment).all()):
            raise ValueError("a sighting holds NaN or infinity: leave those images out")

    @classmethod
    def of(cls, discriminants: Mapping[str, Discriminant], coordinates: Mapping[str, FloatArray]) -> Sighting:
        """Make one of each family's discriminant coordinates, shape (n, r)."""
        return cls(
            np.stack([discriminants[name].log_likelihood_at(at) for name, at in coordinates.items()]),
            np.stack([cosine_similarity(at, discriminants[name].means) for name, at in coordinates.items()]),
        )

    def take(self, rows: NDArray[Any]) -> Sighting:
        """Return the sighting of some images, by index or mask."""
        far = None if self.outlyingness is None else self.outlyingness[:, rows]
        return Sighting(self.log_likelihood[:, rows], self.alignment[:, rows], far)

    def among(self, candidates: NDArray[np.integer]) -> Sighting:
        """Return the same images among some of the candidates only, in that order."""
        return Sighting(self.log_likelihood[:, :, candidates], self.alignment[:, :, candidates], self.outlyingness)

    @staticmethod
    def concat(parts: Sequence[Sighting]) -> Sighting:
        """Put sightings of several sets of images, among equally many candidates, behind one another."""
        far = [part.outlyingness for part in parts if part.outlyingness is not None]
        return Sighting(
            np.concatenate([part.log_likelihood for part in parts], axis=1),
            np.concatenate([part.alignment for part in parts], axis=1),
            np.concatenate(far, axis=1) if len(far) == len(parts) else None,
        )

    @classmethod
    def gather(cls, parts: Sequence[tuple[NDArray[np.intp], Sighting]]) -> Sighting:
        """Put parts together, each given with the rows that it holds."""
        return cls.concat([part for _, part in parts]).take(np.argsort(np.concatenate([rows for rows, _ in parts])))

    @property
    def mean_outlyingness(self) -> FloatArray:
        """How far out the families find each image on average, shape (n,); ValueError where nobody asked."""
        if self.outlyingness is None:
            raise ValueError("nobody asked how far out these images are")
        return np.asarray(self.outlyingness.mean(axis=0))

    def fuse(self, weights: FloatArray) -> FloatArray:
        """Return the weighted sum of the families, shape (n, K)."""
        return np.asarray(np.tensordot(weights, self.log_likelihood, axes=1))


Look = Callable[[IntArray, IntArray, int, IntArray], Sighting]
"""``look(train, codes, n_classes, test)`` fits to rows `train`, whose classes are `codes`, and sees the rows `test`."""


def see(discriminants: Mapping[str, Discriminant], blocks: Mapping[str, slice], X: NDArray[np.floating]) -> Sighting:
    """Let every family look at its columns of `X`, shape (n, d)."""
    coordinates, outlyingness = {}, []
    for name, block in blocks.items():
        standardised = discriminants[name].standardise(X[:, block])
        coordinates[name] = discriminants[name].coordinates_of(standardised)
        outlyingness.append(discriminants[name].outlyingness_of(standardised))
    return replace(Sighting.of(discriminants, coordinates), outlyingness=np.stack(outlyingness))
