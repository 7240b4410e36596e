"""What all pretrained encoders have in common: sightings, families, recipe and self-test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.encoder import (
    N_CONTRASTS,
    Encoded,
    contrasts_of,
    decoder_fingerprint,
)
from morelli.encoders.forensic import MIN_SIDE
from morelli.encoders.pretrained.sightings import (
    check_pixels,
    crops_of,
    network_input,
    resampler_fingerprint,
    resized_of,
)
from morelli.encoders.pretrained.spec import Preprocessing, PretrainedSpec, Sightings
from morelli.encoders.self_test import SelfTested
from morelli.errors import MorelliError

__all__ = ["SELF_TEST_CORRELATION", "SELF_TEST_DIFFERENCE", "Agreement", "PretrainedEncoder", "agreement"]

Float = NDArray[np.float32]

RECIPE_SCHEMA = 1
"""Raised when the meaning of a vector changes in a way that nothing else in the recipe says."""

SELF_TEST_CORRELATION = 0.99
"""Least correlation with an expected self-test vector, in each family."""

SELF_TEST_DIFFERENCE = 0.12
"""Greatest difference from an expected self-test vector: root mean square, as a share of the family's spread.

Networks of floating-point numbers differ by less than 0.001 between machines. Those of 8-bit integers round to the
integers that they compute with: CLIP with its operators fused or one by one, a difference in the seventh digit before
the rounding, comes to 0.06. Swapped colour channels come to 0.24, JPEG of quality 95 to 0.49, and integers that
overflow to 3.4.
"""


class Agreement(NamedTuple):
    """How far two self-test vectors agree.

    Attributes
    ----------
    correlation : float
        The lowest of all families.
    difference : float
        The greatest of all families: root mean square of the difference, divided by the family's spread.
    """

    correlation: float
    difference: float

    @property
    def ok(self) -> bool:
        """Whether both measure the same."""
        return self.correlation > SELF_TEST_CORRELATION and self.difference < SELF_TEST_DIFFERENCE


def agreement(actual: NDArray[np.floating], expected: NDArray[np.floating], blocks: Sequence[slice]) -> Agreement:
    """Compare two self-test vectors of equal shape (d,), half by half of each family.

    The first half of a family are means and the second are standard deviations of channels; each half is compared after
    its most extreme channels are brought in, for a few channels of a transformer are a hundred times stronger than the
    rest and would agree for all.
    """
    correlations, differences = [], []
    for block in blocks:
        a, b = np.asarray(actual[block], dtype=np.float64), np.asarray(expected[block], dtype=np.float64)
        low, high = np.quantile(b, [0.01, 0.99])
        margin = high - low
        a, b = (np.clip(values, low - margin, high + margin) for values in (a, b))
        spread = float(b.std())
        if spread == 0 or a.std() == 0:
            correlations.append(1.0 if np.array_equal(a, b) else 0.0)
            differences.append(0.0 if np.array_equal(a, b) else np.inf)
            continue
        correlations.append(float(np.corrcoef(a, b)[0, 1]))
        differences.append(float(np.sqrt(np.mean((a - b) ** 2))) / spread)
    return Agreement(min(correlations, default=1.0), max(differences, default=0.0))


class PretrainedEncoder(SelfTested, ABC):
    """A network, looked into after some of its blocks.

    For every tap the tokens of the patches (not the class token) are summed up by the mean and the standard deviation
    of each channel: what a crop looks like on the whole, and how much that varies within it. What tells generators
    apart lies in the middle blocks of such networks rather than in the final embedding, which was trained to know
    what a picture shows and not how it was made.

    Parameters
    ----------
    name : str
        Of the encoder; the families are ``name/crops4``, ``name/resized6`` and so on.
    sightings : Sightings
        What is looked at.

    Notes
    -----
    Subclasses give `_measure`, `preprocessing` and `_weights`. They must pickle without what was loaded.
    """

    spec: PretrainedSpec | None = None
    """What it is registered as; None for a network that is not."""

    def __init__(self, name: str, sightings: Sightings) -> None:
        self._name, self.sightings = name, sightings

    @property
    def name(self) -> str:
        """``arch.weights``, with what is measured in brackets where that is not the usual."""
        words = self.sightings.words
        usual = self.spec is None or words == self.spec.sightings.words
        return self._name if usual else f"{self._name}[{words}]"

    @property
    @abstractmethod
    def preprocessing(self) -> Preprocessing:
        """How pixels become the network's input."""

    @abstractmethod
    def _measure(self, inputs: list[Float], kind: str) -> list[dict[str, Float]]:
        """Measure inputs of shape (1, 3, size, size) of one kind, "crops" or "resized".

        Returns
        -------
        list of dict
            One for each input: vectors (d,) by family without the encoder's name, as ``crops4``; of the resized image
            also ``embedding`` where it is asked for.
        """

    @abstractmethod
    def _weights(self) -> dict[str, Any]:
        """Return what names the weights and how they are run, for the recipe; JSON-ready."""

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the feature families, in the order of their columns."""
        return tuple(f"{self._name}/{name}" for name in self.sightings.families)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready.

        As with forensic families, the runtime's version is not part of it: `passes_self_test` finds out when it counts.
        """
        return {
            "schema": RECIPE_SCHEMA,
            "encoder": self._name,
            "weights": self._weights(),
            "preprocessing": self.preprocessing.to_dict(),
            "sightings": self.sightings.to_dict(),
            "min_side": MIN_SIDE,
            "contrasts": self.n_contrasts,
            "resampler": resampler_fingerprint(),
            "decoder": decoder_fingerprint(),
        }

    @property
    def n_contrasts(self) -> int:
        """One less than there are crops, and at most `N_CONTRASTS`."""
        return min(self.sightings.grid**2 - 1, N_CONTRASTS) if self.sightings.crops else 0

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as decoded, in the native resolution.

        Returns
        -------
        Encoded
            Of the crops their mean, and their contrasts in reading order; of the resized image no contrasts.

        Raises
        ------
        NotEnoughDataError
            A side is shorter than `morelli.encoders.forensic.MIN_SIDE`.
        MorelliError
            The network's values are not finite.
        TypeError
            These are no such pixels.
        """
        check_pixels(pixels)
        measured: dict[str, Float] = {}  # (regions, d)
        regions = 1
        if self.sightings.crops:
            crops = crops_of(pixels, self.preprocessing.size, self.sightings.grid)
            regions = len(crops)
            rows = self._measure([network_input(crop, self.preprocessing) for crop in crops], "crops")
            measured.update({name: np.stack([row[name] for row in rows]) for name in rows[0]})
        if self.sightings.resized or self.sightings.embedding:
            whole = resized_of(pixels, self.preprocessing)
            (row,) = self._measure([network_input(whole, self.preprocessing)], "resized")
            measured.update({name: vector[None] for name, vector in row.items()})
        mean, contrasts = {}, {}
        for family in self.families:
            values = measured[family.removeprefix(f"{self._name}/")]
            if not np.isfinite(values).all():
                raise MorelliError(
                    f"{self.name} gives values that are not finite on an image of {pixels.shape[1]}x{pixels.shape[0]} "
                    "pixels; its weights may be damaged, or unfit for half precision."
                )
            mean[family] = np.asarray(values.mean(axis=0, dtype=np.float64), dtype=np.float32)
            contrasts[family] = contrasts_of(values)
        return Encoded(mean, contrasts, min(regions - 1, N_CONTRASTS))

    def _agrees(self, actual: Float, expected: NDArray[np.floating]) -> bool:
        return agreement(actual, expected, self.halves()).ok

    def halves(self) -> list[slice]:
        """Return the columns of each family's means and of its standard deviations; an embedding is one piece."""
        result = []
        for name, block in self.blocks.items():
            middle = (block.start + block.stop) // 2
            whole = name.endswith("/embedding")
            result += [block] if whole else [slice(block.start, middle), slice(middle, block.stop)]
        return result
