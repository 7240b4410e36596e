"""References on their way into discriminants: which rows take part in a fit, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors._judging import Spread, judge
from morelli.attributors.background import Background
from morelli.attributors.discriminant import Discriminant, fit_discriminant
from morelli.attributors.fusion import fit_fusion_weights
from morelli.attributors.sighting import Sighting

__all__ = ["HeldOut", "References"]

Float = NDArray[np.float64]
Ints = NDArray[np.integer]
Twins = tuple[NDArray[np.floating], Ints]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Every reference as it is judged by what was fitted to other prompts.

    Attributes
    ----------
    judged : Sighting
        The references, among the candidates.
    twins : Sighting or None
        Other pictures of them.
    words : ndarray, shape (families, n + m, K + B)
        Log-likelihoods of references and then of the background, among candidates and the models of the background;
        without one, those of `judged`.
    codes : ndarray of int, shape (n + m,)
        Classes of these rows.
    """

    judged: Sighting
    twins: Sighting | None
    words: Float
    codes: Ints

    def weights(self, rows: Ints | None = None) -> Float:
        """Learn how much each family's word counts, from some references (by default all) and the background."""
        n = self.judged.log_likelihood.shape[1]
        chosen = np.arange(n) if rows is None else rows
        index = np.concatenate([chosen, np.arange(n, len(self.codes))])
        return fit_fusion_weights(self.words[:, index], self.codes[index])


class References:
    """Measured references of n images and K classes, with a background of m images or none.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    codes : ndarray of int, shape (n,)
    n_classes : int
        K.
    groups : array-like, shape (n,), or None
        As the background's.
    within, n_contrasts
        As for :meth:`~morelli.attributors.FusedAttributor.fit`.
    blocks : mapping of str to slice
    background : Background or None
    shrinkage, within_share : float
        As for :func:`~morelli.attributors.discriminant.fit_discriminant`.
    """

    def __init__(
        self,
        X: Float,
        codes: Ints,
        n_classes: int,
        groups: ArrayLike | None,
        within: NDArray[np.floating] | None,
        n_contrasts: Ints | None,
        blocks: Mapping[str, slice],
        background: Background | None,
        shrinkage: float,
        within_share: float,
    ) -> None:
        self.X, self.codes, self.n_classes, self.blocks = X, codes, n_classes, blocks
        self._spread = Spread(within, n_contrasts, X.shape)
        self._settings = {"shrinkage": shrinkage, "within_share": within_share}
        self._background = background
        self._groups = None if groups is None else np.asarray(groups)
        if background is not None:
            self._beside = np.asarray(background.X, dtype=np.float64)
            self._beside_codes = np.unique(np.asarray(background.y), return_inverse=True)[1]
            shape = self._beside.shape
            if shape != (len(self._beside_codes), X.shape[1]) or not np.isfinite(self._beside).all():
                raise ValueError(f"the background has shape {shape}; expected (m, {X.shape[1]}) finite numbers")
            self._beside_spread = Spread(background.within, background.n_contrasts, (shape[0], shape[1]))
            self._beside_groups = None if background.groups is None else np.asarray(background.groups)

    def discriminants(
        self, rows: Ints, held_out: Ints | None = None, codes: Ints | None = None, n_classes: int | None = None
    ) -> dict[str, Discriminant]:
        """Fit a discriminant of each family to some rows and to the background.

        Parameters
        ----------
        rows : ndarray of int
            Of references.
        held_out : ndarray of int, optional
            Rows whose groups the background must not show either.
        codes, n_classes : optional
            Classes of `rows`, and how many there are, where these are not all.
        """
        own = self.codes[rows] if codes is None else codes
        k = self.n_classes if n_classes is None else n_classes
        return _of_first(self._fitted(rows, own, k, self._usable(held_out)), k)

    def _fitted(self, rows: Ints, codes: Ints, k: int, beside: Ints) -> dict[str, Discriminant]:
        """Fit to candidates and the models of the background alike."""
        return {name: self._fit(block, rows, codes, k, beside) for name, block in self.blocks.items()}

    def _fit(self, block: slice, rows: Ints, codes: Ints, k: int, beside: Ints) -> Discriminant:
        X, within = self.X[rows, block], self._spread.of(rows, block)
        if self._background is None:
            return fit_discriminant(X, codes, k, within=within, **self._settings)
        spreads = [part for part in (within, self._beside_spread.of(beside, block)) if part is not None]
        return fit_discriminant(
            np.concatenate([X, self._beside[beside, block]]),
            np.concatenate([codes, k + self._beside_codes[beside]]),
            k + int(self._beside_codes.max()) + 1,
            within=np.concatenate(spreads) if spreads else None,
            **self._settings,
        )

    def _usable(self, held_out: Ints | None) -> Ints:
        """Return the rows of the background that may stand beside what is judged on `held_out`."""
        if self._background is None:
            return np.zeros(0, dtype=np.intp)
        rows = np.arange(len(self._beside_codes))
        if held_out is None or self._groups is None or self._beside_groups is None:
            return rows
        return rows[~np.isin(self._beside_groups, self._groups[held_out])]

    def out_of_fold(self, fold: NDArray[np.int64], twins: Twins | None = None) -> HeldOut:
        """Judge every fold, the twins of its rows, and the background of its groups, by what was fitted to the rest."""
        own: list[tuple[NDArray[np.intp], Sighting]] = []
        others: list[tuple[NDArray[np.intp], Sighting]] = []
        words: list[Float] = []
        order: list[NDArray[np.intp]] = []
        beside_words: list[Float] = []
        beside_codes: list[Ints] = []
        for held_out in range(int(fold.max()) + 1):
            train, test = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
            beside = self._usable(test)
            wide = self._fitted(train, self.codes[train], self.n_classes, beside)
            fitted = _of_first(wide, self.n_classes)
            own.append((test, judge(fitted, self.blocks, self.X[test])))
            if twins is not None:
                rows = np.flatnonzero(fold[twins[1]] == held_out)
                others.append((rows, judge(fitted, self.blocks, np.asarray(twins[0][rows], dtype=np.float64))))
            if self._background is not None:
                away = np.setdiff1d(np.arange(len(self._beside)), beside)
                words.append(_words(wide, self.blocks, self.X[test]))
                order.append(test)
                beside_words.append(_words(wide, self.blocks, self._beside[away]))
                beside_codes.append(self.n_classes + self._beside_codes[away])
        judged = Sighting.gather(own)
        return HeldOut(
            judged,
            Sighting.gather(others) if twins is not None else None,
            np.concatenate([np.concatenate(words, axis=1)[:, np.argsort(np.concatenate(order))], *beside_words], axis=1)
            if words
            else judged.log_likelihood,
            np.concatenate([self.codes, *beside_codes]),
        )


def _of_first(fitted: Mapping[str, Discriminant], k: int) -> dict[str, Discriminant]:
    return {name: discriminant.of_first(k) for name, discriminant in fitted.items()}


def _words(fitted: Mapping[str, Discriminant], blocks: Mapping[str, slice], X: Float) -> Float:
    """Return the log-likelihoods of all classes by every family, shape (families, n, classes)."""
    return np.stack([fitted[name].log_likelihood(X[:, block]) for name, block in blocks.items()])
