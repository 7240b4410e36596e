"""What the last references bought: every image judged by discriminants that knew fewer and fewer of the others.

References
----------
C. Cortes, L. Jackel, S. Solla, V. Vapnik, J. Denker, "Learning curves: asymptotic values and rate of convergence", NIPS
6, 1993 (errors fall like a power of the number of examples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle
from morelli.attributors._folding import deal_references
from morelli.attributors._references import References
from morelli.attributors.doubt import DoubtedTemperature
from morelli.attributors.sighting import see
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import FeatureCache, extract
from morelli.errors import NotEnoughDataError

__all__ = ["SHARES", "Curve", "measure_curve"]

Float = NDArray[np.float64]

SHARES: Final = (0.5, 0.7, 1.0)
"""Of the prompts that are learned from; the smaller are parts of the larger."""

N_FOLDS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """How images of each candidate are judged as more is known.

    Attributes
    ----------
    codes, groups : ndarray of int, shape (n,)
        Candidate and prompt of each image.
    truth : ndarray, shape (shares, n)
        Probability of the true candidate, out of fold, at the temperature that suits that share.
    named : ndarray of int, shape (shares, n)
        Candidate that is named.
    known : ndarray, shape (shares, K)
        References of each candidate behind an answer about an image of it, on average over its images.
    """

    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    truth: Float
    named: NDArray[np.int64]
    known: Float


def measure_curve(
    bundle: Bundle,
    catalog: Catalog,
    *,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Curve:
    """Judge references out of fold, by discriminants fitted to shares of the others.

    Weights of families are the bundle's: what is asked is what references are worth to discriminants.

    Parameters
    ----------
    bundle : Bundle
    catalog : Catalog
        References of its candidates; other rows are passed over.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.
    seed : int, default 0
        Deals prompts to folds, and chooses shares of them.

    Raises
    ------
    NotEnoughDataError
        Fewer than two candidates or four prompts.
    """
    labels = catalog.text(bundle.label)
    classes = [str(name) for name in bundle.attributor.classes_]
    own = catalog.filter(np.array([label in set(classes) for label in labels], dtype=np.bool_))
    home = bundle.attributor.home
    view = next(iter(bundle.attributor.experts_))
    features = extract(own, bundle.encoder, view=view, cache=cache, workers=workers)
    own, features = own.filter(features.ok), features.take(features.ok)
    codes = np.array([classes.index(str(label)) for label in own.text(bundle.label)], dtype=np.int64)
    groups = group_catalog(own).ids
    if len(np.unique(codes)) < 2 or len(np.unique(groups)) < 4:
        raise NotEnoughDataError(
            "A learning curve takes images of two candidates and four prompts; these have "
            f"{len(np.unique(codes))} and {len(np.unique(groups))}."
        )
    X = features.X.astype(np.float64)
    blocks = home.named_blocks(X.shape[1])
    references = References(
        X, codes, len(classes), None, features.within, features.n_contrasts, blocks, None, home.shrinkage,
        home.within_share,
    )  # fmt: skip
    fold, _ = deal_references(codes, groups, np.array(classes), N_FOLDS, seed)
    weights = np.array(list(home.weights_.values()))
    n_folds = int(fold.max()) + 1
    fused = np.empty((len(SHARES), len(codes), len(classes)))
    known = np.zeros((len(SHARES), len(classes)))
    images = np.bincount(codes, minlength=len(classes))
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    for number in range(n_folds):
        test, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        prompts = np.unique(groups[others])
        prompts = prompts[np.argsort(rank[prompts])]
        judged_here = np.bincount(codes[test], minlength=len(classes))
        for row, share in enumerate(SHARES):
            rows = others[np.isin(groups[others], prompts[: max(2, round(share * len(prompts)))])]
            seen = see(references.discriminants(rows), blocks, X[test])
            fused[row, test] = np.tensordot(weights, seen.log_likelihood, axes=1)
            known[row] += np.bincount(codes[rows], minlength=len(classes)) * judged_here
            if progress is not None:
                progress(number * len(SHARES) + row + 1, n_folds * len(SHARES))
    # Discriminants that know less are surer than they should be, each share needs a temperature of its own.
    log_proba = np.stack([DoubtedTemperature().fit(words, codes).transform(words) for words in fused])
    truth = np.exp(log_proba[:, np.arange(len(codes)), codes])
    return Curve(codes, groups, truth, log_proba.argmax(axis=2), known / np.maximum(images, 1))
