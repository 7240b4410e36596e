"""A Gaussian model of images by prompt and model, and what it says of an image given few references.

An image of model m for prompt p is ``mean of p + offset of m + cell of (p, m) + seed``: the offset is what a model does
to all prompts, the cell what it makes of this one, and the seed what differs from image to image. The covariances of
cells and seeds are learned on prompts at hand; then references of a new prompt move the expected cell as far as their
number warrants, which is never as far as their mean.

References
----------
S. Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006 (two covariances, diagonalised together; the
posterior of a class with few references).
S. R. Searle, G. Casella and C. E. McCulloch, "Variance components", Wiley 1992 (crossed effects, unequal numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.linalg import eigh
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import cell_means
from morelli.attributors.prompts.known import Known

__all__ = ["TwoLevel", "fit_two_level"]

Float = NDArray[np.float64]

_SWEEPS = 20
"""Rounds in which prompts' means and models' offsets are fitted to each other; a complete board needs one."""


@dataclass(frozen=True, slots=True, eq=False)
class TwoLevel:
    """The learned model, in coordinates where seeds have variance 1 and cells are independent.

    Attributes
    ----------
    centre : ndarray, shape (d,)
        Subtracted first.
    basis : ndarray, shape (d, r)
        From centred features to coordinates.
    offsets : ndarray, shape (K, r)
        Of the models; 0 for one that was not seen.
    spread : ndarray, shape (r,)
        Variance of cells, at least 0.
    prompt_spread : ndarray, shape (r,)
        Variance of prompts' means.
    doubt : ndarray, shape (K,)
        Variance of each model's offset per unit of ``spread + 1``: one over the prompts that it was seen for, or more.
    """

    centre: Float
    basis: Float
    offsets: Float
    spread: Float
    prompt_spread: Float
    doubt: Float

    def coordinates(self, X: NDArray[np.floating]) -> Float:
        """Return images in the coordinates of the model, shape (n, r)."""
        return np.asarray((X - self.centre) @ self.basis, dtype=np.float64)

    def log_likelihood(self, known: Known, X: NDArray[np.floating], prompts: NDArray[np.int64]) -> dict[str, Float]:
        """Return what the model says of images, given references of their prompts.

        Parameters
        ----------
        known : Known
            References.
        X : ndarray, shape (n, d)
        prompts : ndarray of int64, shape (n,)

        Returns
        -------
        dict of str to ndarray, shape (n, K)
            ``own``: log-likelihoods up to a constant, given the references of each class and the offsets. ``offset``:
            given the offsets and the mean of all references of the prompt alone. Classes without references for a
            prompt have what is expected of them by their offset; images whose prompt has no reference have 0.
        """
        own, offset = np.zeros((len(X), known.n_classes)), np.zeros((len(X), known.n_classes))
        references, asked = self.coordinates(known.X), self.coordinates(X)
        for prompt in np.unique(prompts):
            rows, here = np.flatnonzero(prompts == prompt), np.flatnonzero(known.prompts == prompt)
            if not len(here):
                continue
            means, counts = cell_means(references[here], known.codes[here], known.n_classes)
            expected, variance, first = self._cells(means, counts)
            own[rows] = _gaussian(asked[rows], expected, variance)
            offset[rows] = _gaussian(asked[rows], first, self.spread + 1.0)
        return {"own": own, "offset": offset}

    def _cells(self, means: Float, counts: NDArray[np.int64]) -> tuple[Float, Float, Float]:
        """Return what images of each class are expected to be for one prompt, with which variance, and by offset alone.

        Parameters
        ----------
        means : ndarray, shape (K, r)
            Of the references, NaN where there are none.
        counts : ndarray of int64, shape (K,)

        Returns
        -------
        expected, variance, first : ndarray, shape (K, r)
        """
        there = counts > 0
        rest = means[there] - self.offsets[there]
        prior = self.spread + self.doubt[:, None] * (self.spread + 1.0)
        precision = 1.0 / (prior[there] + 1.0 / counts[there][:, None])
        certain = 1.0 / (precision.sum(axis=0) + 1.0 / self.prompt_spread)
        first = (precision * rest).sum(axis=0) * certain + self.offsets
        share = np.zeros_like(prior)
        share[there] = prior[there] * precision
        expected = first + share * np.where(there[:, None], means - first, 0.0)
        variance = 1.0 + prior * (1.0 - share) + certain * (1.0 - share) ** 2
        return expected, variance, first


def _gaussian(X: Float, mean: Float, variance: Float) -> Float:
    """Return log-densities of rows under diagonal Gaussians, up to a constant, shape (n, K)."""
    weight = np.broadcast_to(1.0 / variance, mean.shape)
    squares = (X**2) @ weight.T - 2.0 * X @ (weight * mean).T + (weight * mean**2).sum(axis=1)
    return np.asarray(-0.5 * (squares + np.broadcast_to(np.log(variance), mean.shape).sum(axis=1)))


def fit_two_level(known: Known, *, certainty: float = 0.5) -> TwoLevel:
    """Fit the model.

    Both covariances are shrunk towards a multiple of the identity, as under an inverse Wishart prior that counts as
    much as half so many observations as there are features: there are rarely more images than features, and hardly
    ever more cells.

    Parameters
    ----------
    known : Known
        Prompts with references of several classes; unequal numbers are accounted for.
    certainty : float, default 0.5
        Observations that a prior counts as, per feature.

    Returns
    -------
    TwoLevel
    """
    K, d = known.n_classes, known.X.shape[1]
    centre = known.X.mean(axis=0, dtype=np.float64)
    X = known.X - centre
    span = np.eye(d)
    if len(X) < d:
        # Classes differ within the span of their images only, and what is isotropic outside says nothing of them.
        span = _span(X)
        X = X @ span
    prompts, number = np.unique(known.prompts, return_inverse=True)
    cell = number * K + known.codes
    means, counts = cell_means(X, cell, len(prompts) * K)
    there = np.flatnonzero(counts)
    residual = X - means[cell]
    seeds, free = residual.T @ residual, len(X) - len(there)
    scale = float(np.trace(seeds)) / (d * free) if free else 0.0
    if scale <= 0:  # one image in each cell, or nothing but copies: how seeds vary is unknown, and taken to be little
        scale = max(float(np.square(X).mean()), 1e-12) * 1e-3
    prior = certainty * d
    seeds = (seeds + prior * scale * np.eye(len(seeds))) / (free + prior)
    power, whiten = eigh(seeds)
    whiten = whiten / np.sqrt(power)  # whiten.T @ seeds @ whiten = 1

    base, offsets, cells = _two_way(means[there] @ whiten, there // K, there % K, (len(prompts), K))
    per_class = np.bincount(there % K, minlength=K)
    # Each prompt's mean has taken its share of the variance with it, and each class's offset too.
    free = max(len(there) - len(prompts) - int((per_class > 0).sum()) + 1, 1)
    between = cells.T @ cells
    common = float(np.trace(between)) / (free * len(between))
    between = (between + prior * common * np.eye(len(between))) / (free + prior)
    variances, turn = eigh(between)
    noise = float((1.0 / counts[there]).mean())
    spread = np.maximum(variances - noise, 0.0)
    # A prompt's mean is known with the noise of its cells.
    few = (spread + noise) * float((1.0 / np.bincount(there // K, minlength=len(prompts))).mean())
    prompt_spread = np.maximum(np.var(base @ turn, axis=0) - few, 1e-3)
    doubt = np.where(per_class > 0, 1.0 / np.maximum(per_class, 1), 1.0)
    return TwoLevel(centre, span @ whiten @ turn, offsets @ turn, spread, prompt_spread, doubt)


def _span(X: Float) -> Float:
    """Return an orthonormal basis of the rows of X, shape (d, r)."""
    power, side = eigh(X @ X.T)
    kept = power > 1e-10 * power[-1]
    if not kept.any():  # all images are alike: any direction does
        return np.eye(X.shape[1], 1)
    return np.asarray(X.T @ (side[:, kept] / np.sqrt(power[kept])))


def _two_way(
    means: Float, prompt: NDArray[np.integer], of_class: NDArray[np.integer], shape: tuple[int, int]
) -> tuple[Float, Float, Float]:
    """Fit cells by a mean of each prompt and an offset of each class, whose sum is 0.

    Returns
    -------
    base : ndarray, shape (P, r)
    offsets : ndarray, shape (K, r)
        0 for a class without a cell.
    left : ndarray, shape (cells, r)
        What is left of the cells.
    """
    offsets = np.zeros((shape[1], means.shape[1]))
    seen = np.bincount(of_class, minlength=shape[1]) > 0
    for _ in range(_SWEEPS):
        base, _ = cell_means(means - offsets[of_class], prompt, shape[0])
        moved, _ = cell_means(means - base[prompt], of_class, shape[1])
        moved = np.where(seen[:, None], moved - moved[seen].mean(axis=0), 0.0)
        step, offsets = float(np.abs(moved - offsets).max()), moved
        if step < 1e-6:  # in units of the variation between seeds
            break
    return base, offsets, means - base[prompt] - offsets[of_class]
