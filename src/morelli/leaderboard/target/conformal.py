"""A calibrated score for "made by the target": a conformal p-value that prompts pool their references for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.leaderboard.target.spread import Spread

__all__ = ["PRIOR", "ConformalTarget"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

PRIOR = 1.0
"""How many images the scale that prompts share counts for, beside a prompt's own references: few, as prompts differ."""


@dataclass(frozen=True, slots=True, eq=False)
class ConformalTarget:
    """Tests whether one model made an image, with nothing but this model's references.

    The strangeness of an image z with k references of mean c is

        t = ||z - c||^2 / ((1 + 1/k) s^2),   s^2 = (PRIOR s0^2 + sum_i ||x_i - c||^2) / (PRIOR + k - 1),

    s0^2 being the variance inside prompts, pooled over all prompts: squared distance over what it would be for
    another image by the target, with the scale of a prompt shrunk towards the common one, so that one or two
    references do for a prompt. Each reference is as strange as if it were left out of its own prompt's references
    (centroid, sum and k). The p-value counts other prompts, each with the share of its references that are at least
    as strange as z:

        p = (1 + sum_q mean_i [t_qi >= t]) / (Q + 1),

    Q being the number of other prompts with two references or more. These are the weights of hierarchical conformal
    prediction (Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical data", arXiv 2306.06342).

    Notes
    -----
    P(p <= a) <= a for images by the target, if z was compared with one reference less than there is (`tested`), prompts
    are exchangeable (the judged prompt is not of another kind than the others), and images are inside prompts. Nothing
    is assumed of distributions, of the scales of prompts, or of the number of images per prompt; what is left of an
    assumption is that s0^2 is learned without z, one image of many. To put a reference aside costs power, most of all
    where there are two. By default z is compared with all k, where calibration has k - 1: centroid and scale are then
    surer than they are for calibration, images of the target look less strange, and p is conservative where it decides
    (held by simulation for a up to 0.5, k from 2); nearer to 1, p-values may come out too small.

    p is never below 1 / (Q + 1), and says nothing of single prompts: images for a prompt on which the target varies in
    an unusual way have p-values that are too small, others too large ones.

    With one reference per prompt there is no distance inside a prompt, and so no p-value.

    Attributes
    ----------
    spread : Spread
        Of all references.
    target : int
        Column of it.
    prior : float
    tested : Spread, optional
        Of the references that images are compared with; all by default. With one less for each prompt, p-values are
        exact.
    """

    spread: Spread
    target: int
    prior: float = PRIOR
    tested: Spread | None = None

    def __post_init__(self) -> None:
        if not self.prior > 0:
            raise MorelliError(f"The common scale must count for more than 0 images, not {self.prior}.")

    def strangeness(self, distances: Float, prompt: Codes) -> Float:
        """Return t of images with these distances to the target's centroids for their prompts, shape (n,).

        NaN where the target has no references for the prompt, or no two for any.
        """
        tested = self.spread if self.tested is None else self.tested
        k, squares = self._numbers(tested, prompt)
        return self._t(np.where(k >= 1, distances, 0.0) ** 2, k, squares)

    def p_values(self, distances: Float, prompt: Codes) -> Float:
        """Return the p-value of each image, in [1 / (Q + 1), 1].

        Parameters
        ----------
        distances : ndarray, shape (n,)
            To the target's centroid for the prompt of each image, of the references of `tested`.
        prompt : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray, shape (n,)
            NaN where the target has no references for the prompt, or no other prompt has two.
        """
        t = self.strangeness(distances, prompt)
        own, of, weight = self._calibration()
        order = np.argsort(own, kind="stable")
        # Mass of references at least as strange, over all prompts, less what the image's own prompt has of it.
        above = np.concatenate([np.cumsum(weight[order][::-1])[::-1], [0.0]])
        mass = above[np.searchsorted(own[order], t, side="left")]
        mass -= self._own_mass(t, prompt, own, of)
        there = np.bincount(of, minlength=self.spread.counts.shape[0]) > 0
        others = there.sum() - there[prompt]
        p = (1.0 + np.maximum(mass, 0.0)) / (others + 1.0)
        return np.asarray(np.where(np.isnan(t) | (others < 1), np.nan, np.minimum(p, 1.0)))

    def _calibration(self) -> tuple[Float, Codes, Float]:
        """Return strangeness, prompt and weight of each reference that is not alone."""
        n_models = self.spread.counts.shape[1]
        rows = np.flatnonzero(self.spread.cell % n_models == self.target)
        prompt = self.spread.cell[rows] // n_models
        k, squares = self._numbers(self.spread, prompt)
        several = k >= 2
        rows, prompt, k, squares = rows[several], prompt[several], k[several], squares[several]
        own = self.spread.distances[rows] ** 2
        # x_i - c_(-i) = k/(k-1) (x_i - c), and leaving x_i out takes k/(k-1) ||x_i - c||^2 off the sum of squares.
        factor = k / (k - 1.0)
        t = self._t(own * factor**2, k - 1.0, np.maximum(squares - own * factor, 0.0))
        return t, prompt, 1.0 / k

    def _own_mass(self, t: Float, prompt: Codes, own: Float, of: Codes) -> Float:
        counts = np.bincount(of, minlength=self.spread.counts.shape[0])
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        table = np.full((len(counts), max(1, int(counts.max(initial=0)))), -np.inf)
        table[of, np.arange(len(of)) - first[of]] = own  # `of` ascends, as cells do
        with np.errstate(invalid="ignore"):
            at_least = (table[prompt] >= t[:, None]).sum(axis=1)
        return np.asarray(at_least / np.maximum(counts[prompt], 1))

    def _numbers(self, spread: Spread, prompt: Codes) -> tuple[Float, Float]:
        return spread.counts[prompt, self.target].astype(np.float64), spread.squares[prompt, self.target]

    def _t(self, square: Float, k: Float, squares: Float) -> Float:
        """Return strangeness; 0 for no distance, infinite for a distance where nothing ever varied."""
        all_k, all_squares = self.spread.counts[:, self.target], self.spread.squares[:, self.target]
        freedom = np.maximum(all_k - 1, 0).sum()
        if not freedom:
            return np.full(len(square), np.nan)
        common = all_squares.sum() / freedom
        safe = np.maximum(k, 1.0)
        variance = (self.prior * common + squares) / (self.prior + safe - 1.0) * (1.0 + 1.0 / safe)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(square > 0, square / variance, 0.0)
        return np.asarray(np.where(k >= 1, t, np.nan))
