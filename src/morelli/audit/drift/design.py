"""Which labels could have been the other way round: the design of a comparison of two samples of images.

Where both samples have images of one prompt, nothing but chance decides which of a prompt's images are new, as long as
the model has not changed: labels are exchanged within prompts, and what a prompt shows is no part of the comparison.
Where prompts do not coincide, whole prompts are exchanged between the samples.

References
----------
B. Phipson, G. Smyth, "Permutation p-values should never be zero", SAGMB 9(1), 2010.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["DESIGNS", "Design", "make_design"]

Bools = NDArray[np.bool_]
Codes = NDArray[np.int64]

DESIGNS: Final = ("auto", "paired", "grouped")
"""How labels are exchanged: within prompts, by whole prompts, or within prompts wherever enough of them coincide."""

PAIRED_FOLDS = 20
"""Most folds of a paired comparison: with so many prompts or fewer, each is held out by itself."""

GROUPED_FOLDS = 5

FEW_PROMPTS = 5
"""With fewer prompts that both samples have, folds are of images: what is found is found for these prompts."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What is exchanged with what.

    Attributes
    ----------
    kind : {"paired", "grouped"}
    rows : ndarray of int, shape (n,)
        The images that are compared, as rows of what `make_design` was given.
    new : ndarray of bool, shape (n,)
        Which of them are of the new sample.
    group : ndarray of int, shape (n,)
        Prompt (or other group) of each, numbered from 0.
    cell : ndarray of int, shape (n,)
        Images that are compared with each other: those of a prompt, or of a fold of whole prompts.
    unit : ndarray of int, shape (n,)
        Images whose labels are exchanged together, numbered from 0.
    stratum : ndarray of int, shape (n_units,)
        Units whose labels are exchanged with each other.
    fold : ndarray of int, shape (n,)
        Folds of whole groups, or of images where there are too few groups; they do not hang on the labels.
    apart : ndarray of int, shape (n,)
        Only images with different numbers are compared by the discrepancy of means.
    notes : tuple of str
    """

    kind: str
    rows: NDArray[np.intp]
    new: Bools
    group: Codes
    cell: Codes
    unit: Codes
    stratum: Codes
    fold: Codes
    apart: Codes
    notes: tuple[str, ...] = ()

    @property
    def n_groups(self) -> int:
        """Prompts (or other groups) that are compared."""
        return int(self.group.max()) + 1

    @property
    def unit_new(self) -> Bools:
        """Label of each unit, shape (n_units,)."""
        labels = np.zeros(len(self.stratum), dtype=np.bool_)
        labels[self.unit] = self.new
        return labels

    @property
    def n_relabellings(self) -> int:
        """In how many ways the labels can be dealt, the one that was observed included."""
        return math.prod(math.comb(size, k) for size, k in self._strata())

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this design allows.

        Statistics that square the difference are the same when the two samples change places. Where that is one of
        the relabellings, two of them have every value.
        """
        mirrored = all(2 * k == size for size, k in self._strata())
        return (2 if mirrored else 1) / self.n_relabellings

    def relabel(self, n_permutations: int, seed: int) -> tuple[Bools, bool]:
        """Return labels of all images, dealt anew in so many ways.

        Parameters
        ----------
        n_permutations : int
            Random relabellings; where there are no more than that in all, every one is given once instead.
        seed : int

        Returns
        -------
        ndarray of bool, shape (n_permutations + 1 or fewer, n)
            The labels that were observed are the first.
        bool
            Whether these are all that there are.
        """
        observed = self.unit_new
        if self.n_relabellings <= n_permutations + 1:
            dealt = self._all(observed)
        else:
            dealt = self._random(observed, n_permutations, seed)
        return dealt[:, self.unit], self.n_relabellings <= n_permutations + 1

    def _strata(self) -> list[tuple[int, int]]:
        """Return how many units each stratum has, and how many of them are new."""
        sizes = np.bincount(self.stratum)
        new = np.bincount(self.stratum, weights=self.unit_new).astype(np.int64)
        return [(int(size), int(k)) for size, k in zip(sizes, new, strict=True)]

    def _all(self, observed: Bools) -> Bools:
        choices = []
        for number, (_, k) in enumerate(self._strata()):
            choices.append(list(itertools.combinations(np.flatnonzero(self.stratum == number), k)))
        rows = [np.fromiter(itertools.chain.from_iterable(chosen), np.int64) for chosen in itertools.product(*choices)]
        dealt = np.zeros((len(rows), len(observed)), dtype=np.bool_)
        for number, chosen in enumerate(rows):
            dealt[number, chosen] = True
        first = int(np.flatnonzero((dealt == observed).all(axis=1))[0])
        dealt[[0, first]] = dealt[[first, 0]]
        return dealt

    def _random(self, observed: Bools, n: int, seed: int) -> Bools:
        rng = np.random.default_rng(seed)
        dealt = np.empty((n + 1, len(observed)), dtype=np.bool_)
        dealt[0] = observed
        draws = rng.random((n, len(observed)))
        for number, (_, k) in enumerate(self._strata()):
            units = np.flatnonzero(self.stratum == number)
            places = np.argsort(np.argsort(draws[:, units], axis=1), axis=1)
            dealt[1:, units] = places < k
        return dealt


def make_design(new: Bools, group: Codes, *, kind: str = "auto", level: float = 0.05, seed: int = 0) -> Design:
    """Decide what is compared with what.

    Parameters
    ----------
    new : ndarray of bool, shape (n,)
        Which images are of the new sample.
    group : ndarray of int, shape (n,)
        Prompt, or other group that belongs together, of each image.
    kind : {"auto", "paired", "grouped"}, default "auto"
        Paired: only prompts of which both samples have images are compared. Auto: paired wherever that alone allows a
        p-value below `level`, or uses most of the images.
    level : float, default 0.05
    seed : int, default 0
        Deals groups to folds, and chooses images where prompts have different numbers of them.

    Returns
    -------
    Design

    Raises
    ------
    NotEnoughDataError
        So few images or prompts that no p-value could fall below `level`.
    MorelliError
        There is no such design.
    """
    if kind not in DESIGNS:
        raise MorelliError(f"A comparison is {', '.join(DESIGNS)}, not {kind!r}.")
    if not new.any() or new.all():
        side = "new" if not new.any() else "reference"
        raise NotEnoughDataError(f"There is no {side} image to compare.")
    if kind == "grouped":
        return _checked(_grouped(new, group, seed), level)
    paired = _paired(new, group, seed)
    if kind == "paired":
        if paired is None:
            raise NotEnoughDataError("No prompt has images in both samples, so that nothing is paired.")
        return _checked(paired, level)
    if paired is not None and (paired.smallest_p <= level or 2 * len(paired.rows) > len(new)):
        return _checked(paired, level)
    return _checked(_grouped(new, group, seed), level)


def _checked(design: Design, level: float) -> Design:
    if design.smallest_p > level:
        units = "prompts that both samples have" if design.kind == "paired" else "prompts of each sample"
        least = "6 of them with one image each" if design.kind == "paired" else "5 of each"
        raise NotEnoughDataError(
            f"With these {units} ({len(design.rows)} images) no p-value can fall below {design.smallest_p:.2g}, and "
            f"{level:.2g} is asked for: nothing could be found. It takes {least} at the usual 0.05."
        )
    return design


def _paired(new: Bools, group: Codes, seed: int) -> Design | None:
    both = np.intersect1d(group[new], group[~new])
    if not len(both):
        return None
    rows = np.flatnonzero(np.isin(group, both))
    of = np.unique(group[rows], return_inverse=True)[1].astype(np.int64)
    left = len(group) - len(rows)
    notes = [f"{left} images of prompts that only one sample has were left out."] if left else []
    n_groups = int(of.max()) + 1
    image = np.arange(len(rows))
    if n_groups < FEW_PROMPTS:
        fold = _deal(image, min(GROUPED_FOLDS, len(rows)), seed)
        cell = np.unique(of * (int(fold.max()) + 1) + fold, return_inverse=True)[1].astype(np.int64)
        apart = image
        notes.append(f"Only {n_groups} prompts coincide: what is found is found for images of these prompts.")
    else:
        fold, cell, apart = _deal(of, n_groups if n_groups <= PAIRED_FOLDS else PAIRED_FOLDS // 2, seed), of, of
    return Design(
        kind="paired", rows=rows, new=new[rows], group=of, cell=cell, unit=image, stratum=of, fold=fold, apart=apart,
        notes=tuple(notes),
    )  # fmt: skip


def _grouped(new: Bools, group: Codes, seed: int) -> Design:
    rows = _even(new, group, seed)
    of = np.unique(group[rows], return_inverse=True)[1].astype(np.int64)
    fold = _deal(of, min(GROUPED_FOLDS, int(of.max()) + 1), seed)
    pairs, unit = np.unique(np.stack([of, new[rows]]), axis=1, return_inverse=True)
    unit = unit.ravel().astype(np.int64)
    # Prompts are exchanged with prompts of as many images: how many there are of each may differ between the samples
    # for reasons of its own.
    sizes = np.bincount(unit, minlength=pairs.shape[1])
    stratum = np.unique(sizes, return_inverse=True)[1].astype(np.int64)
    notes = [
        "The samples have no prompts in common that are known: what the prompts ask for may differ as well as the "
        "model. Images of the same prompts, labelled with them, would compare the models alone."
    ]
    if len(rows) < len(new):
        notes.append(
            f"{len(new) - len(rows)} images were left out, so that prompts of both samples have as many images."
        )
    return Design(
        kind="grouped", rows=rows, new=new[rows], group=of, cell=fold, unit=unit, stratum=stratum, fold=fold,
        apart=of, notes=tuple(notes),
    )  # fmt: skip


def _even(new: Bools, group: Codes, seed: int) -> NDArray[np.intp]:
    """Return rows with no more images of a prompt than the sample with fewer of them typically has."""
    typical = [int(np.median(np.unique(group[side], return_counts=True)[1])) for side in (new, ~new)]
    most = max(1, min(typical))
    order = np.random.default_rng(seed).permutation(len(new))
    key = group[order] * 2 + new[order]
    by = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(key[by]) != 0]))
    place = np.arange(len(key)) - np.repeat(starts, np.diff([*starts, len(key)]))
    return np.sort(order[by[place < most]])


def _deal(group: Codes, n_folds: int, seed: int) -> Codes:
    """Deal groups to folds of as many groups, in random order."""
    n_groups = int(group.max()) + 1
    fold = np.empty(n_groups, dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(n_groups)] = np.arange(n_groups) % n_folds
    return fold[group]
