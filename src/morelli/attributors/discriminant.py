"""A regularised discriminant for few references: who is told apart from whom by one vector of measurements.

Classes are Gaussians with a common covariance, as in linear discriminant analysis. Three things make it work with a
dozen references a class and thousands of features:

- the covariance is shrunk towards a multiple of the identity, in standardised features;
- it also learns from *within* images: how a statistic varies between the regions of one picture tells how it varies
  with content, and every reference gives such differences for free;
- class means are shrunk towards their common mean, direction by direction, as far as the classes' spread there could be
  chance, and the uncertainty that remains widens the predictive density. Directions that carry nothing drop out.

References
----------
S. Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006, sections 2 and 3 (predictive density, shrunk means).
J. Friedman, "Regularized discriminant analysis", JASA 84(405), 1989 (shrinkage towards the identity).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Discriminant", "fit_discriminant"]

Float = NDArray[np.float64]

CLIP = 6.0
"""Standard deviations at which features are clipped, so that one freak statistic cannot decide alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Discriminant:
    """A fitted discriminant: plain arrays for K classes, d features and r coordinates, fewer than there were classes.

    Attributes
    ----------
    centre, scale : ndarray, shape (d,)
        Mean and standard deviation of the training features.
    origin : ndarray, shape (d,)
        Mean of the class means, in standardised features.
    projection : ndarray, shape (d, r)
        From standardised features to coordinates in which classes have unit covariance.
    means : ndarray, shape (K, r)
        Shrunk class means.
    variance : ndarray, shape (r,)
        Predictive variance of a new image about its class mean; above 1, since means are known only so well.
    """

    centre: Float
    scale: Float
    origin: Float
    projection: Float
    means: Float
    variance: Float

    def check(self, n_features: int, n_classes: int) -> None:
        """Raise ValueError unless all arrays are numbers of the right shape (for what was read from a file)."""
        r = self.projection.shape[-1] if self.projection.ndim else 0
        shapes = {
            **dict.fromkeys(("centre", "scale", "origin"), (n_features,)),
            "projection": (n_features, r),
            "means": (n_classes, r),
            "variance": (r,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64:
                raise ValueError(f"{name} is {array.dtype} {array.shape} instead of float64 {shape}")
            # An infinite scale is how a feature without variation is switched off.
            if np.isnan(array).any() or (name != "scale" and not np.isfinite(array).all()):
                raise ValueError(f"{name} is not finite")
            if name in ("scale", "variance") and not (array > 0).all():
                raise ValueError(f"{name} is not positive")

    def of_first(self, n_classes: int) -> Discriminant:
        """Return the discriminant for the first classes only: the others helped to fit it, and are not asked about."""
        if n_classes == len(self.means):
            return self
        return replace(self, means=np.ascontiguousarray(self.means[:n_classes]))

    def standardise(self, X: NDArray[np.floating]) -> Float:
        """Return the standardised and clipped features, shape (n, d)."""
        Z: Float = np.subtract(X, self.centre, dtype=np.float64)
        Z *= 1 / self.scale
        np.clip(Z, -CLIP, CLIP, out=Z)
        return Z

    def outlyingness(self, X: NDArray[np.floating]) -> Float:
        """Mean square of the standardised and clipped features, shape (n,): 1 for a typical reference."""
        return self.outlyingness_of(self.standardise(X))

    @staticmethod
    def outlyingness_of(Z: Float) -> Float:
        """Return the same from standardised features, shape (n, d)."""
        return np.asarray(np.einsum("nd,nd->n", Z, Z) / Z.shape[1])

    def coordinates(self, X: NDArray[np.floating]) -> Float:
        """Whitened discriminant coordinates of `X` (n, d), shape (n, r)."""
        return self.coordinates_of(self.standardise(X))

    def coordinates_of(self, Z: Float) -> Float:
        """Return the same from standardised features, shape (n, d)."""
        return np.asarray(Z @ self.projection - self.origin @ self.projection)

    def log_likelihood(self, X: NDArray[np.floating]) -> Float:
        """Log-likelihood of every class up to a term that all classes share, shape (n, K); `X` is (n, d)."""
        return self.log_likelihood_at(self.coordinates(X))

    def log_likelihood_at(self, coordinates: Float) -> Float:
        """Return the same from whitened coordinates, shape (n, r)."""
        weights = self.means / self.variance
        return np.asarray(coordinates @ weights.T - 0.5 * (self.means * weights).sum(axis=1))


def fit_discriminant(
    X: NDArray[np.floating],
    y: NDArray[np.integer],
    n_classes: int,
    *,
    within: NDArray[np.floating] | None = None,
    shrinkage: float = 0.003,
    within_share: float = 0.3,
) -> Discriminant:
    """Fit a discriminant.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Finite features.
    y : ndarray of int, shape (n,)
        Classes, 0 to `n_classes` - 1. A class with no image gets the common mean: it is neither favoured nor excluded.
    n_classes : int
        At least 2.
    within : ndarray, shape (m, d), optional
        Differences between regions of single images, each with the variance of one region about its image's mean.
    shrinkage : float, default 0.003
        Share of the identity in the covariance, 0 to 1, exclusive.
    within_share : float, default 0.3
        Share of `within` in the covariance, after scaling it to the same trace as the spread of images about their
        class means: only its shape is taken over.

    Returns
    -------
    Discriminant
    """
    centre, scale = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    # A feature that does not vary says nothing; an infinite scale makes it zero everywhere.
    scale = np.where(scale > 1e-9 * (1 + np.abs(centre)), scale, np.inf)
    Z = np.clip((X - centre) / scale, -CLIP, CLIP)
    counts = np.bincount(y, minlength=n_classes).astype(np.float64)
    present = counts > 0
    means = np.zeros((n_classes, Z.shape[1]))
    np.add.at(means, y, Z)
    means[present] /= counts[present, None]
    origin = means[present].mean(axis=0)
    offsets = np.where(present[:, None], means - origin, 0.0)

    spread = (Z - means[y]) / np.sqrt(max(1.0, len(y) - present.sum()))
    trace = float((spread**2).sum())
    if within is not None and len(within) and trace > 1e-9 * Z.shape[1]:
        regions = np.clip(within / scale, -3 * CLIP, 3 * CLIP)
        total = float((regions**2).sum())
        if total > 0:
            spread = np.concatenate(
                [np.sqrt(1 - within_share) * spread, np.sqrt(within_share * trace / total) * regions]
            )
    # Where no class has two different images, nothing is known of the spread: the features' own is taken, which is 1.
    ridge = shrinkage * trace / Z.shape[1] if trace > 1e-9 * Z.shape[1] else 1.0
    solved = _solve_low_rank(np.sqrt(1 - shrinkage) * spread, ridge, offsets.T)

    # Directions between the class means in which they differ most, in units of the covariance.
    values, vectors = np.linalg.eigh(offsets @ solved)
    keep = values > 1e-9 * max(values[-1], 1e-300)
    values, vectors = values[keep][::-1], vectors[:, keep][:, ::-1]
    projection = solved @ (vectors / np.sqrt(values))
    between = np.maximum(values / max(1, int(present.sum()) - 1) - (1 / counts[present]).mean(), 1e-9)
    noise = np.divide(1.0, counts, out=np.full(n_classes, np.inf), where=present)
    shrink = np.where(present[:, None], between / (between + noise[:, None]), 0.0)
    shrunk = shrink * (offsets @ projection)
    typical_noise = (1 / counts[present]).mean()
    variance = 1 + between * typical_noise / (between + typical_noise)
    return Discriminant(centre, scale, origin, projection, shrunk, variance)


def _solve_low_rank(rows: Float, ridge: float, right: Float) -> Float:
    """Solve (rows' rows + ridge I) x = right, in the smaller of both dimensions (Woodbury's identity)."""
    n, d = rows.shape
    if n < d:
        gram = rows @ rows.T
        gram[np.diag_indices(n)] += ridge
        return np.asarray((right - rows.T @ np.linalg.solve(gram, rows @ right)) / ridge)
    gram = rows.T @ rows
    gram[np.diag_indices(d)] += ridge
    return np.asarray(np.linalg.solve(gram, right))
