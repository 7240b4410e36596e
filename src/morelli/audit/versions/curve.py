"""What the last references bought: every image judged by discriminants that knew fewer and fewer of the others."""

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
from morelli.attributors.enrolment import views_of
from morelli.attributors.sighting import see
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import NotEnoughDataError

__all__ = ["SHARES", "Curve", "measure_curve"]

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]

SHARES: Final = (0.5, 0.7, 1.0)
"""Of each candidate's prompts that are learned from; the smaller are parts of the larger."""

N_FOLDS: Final = 5
_LEAST_PROMPTS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """How n images of K candidates are judged as more is known.

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
    notes : tuple of str
        What was not measured, or not without doubt.
    """

    codes: Ints
    groups: Ints
    truth: Float
    named: Ints
    known: Float
    notes: tuple[str, ...] = ()


def measure_curve(
    bundle: Bundle,
    catalog: Catalog,
    *,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Curve:
    """Judge references out of fold, by discriminants fitted to shares of the others.

    Weights of families are the bundle's: what is asked is what references are worth to discriminants. Of a bundle for
    several views the first is asked about. A background is not learned from.

    Parameters
    ----------
    bundle : Bundle
    catalog : Catalog
        References of its candidates; other rows are passed over, and counted in a note.
    cache, workers
        As for :func:`morelli.encoders.extract`.
    progress : callable, optional
        Is told how many images are measured, and of how many; then the same of fits.
    seed : int, default 0
        Deals prompts to folds, and chooses shares of them.

    Raises
    ------
    NotEnoughDataError
        Fewer than two candidates or four prompts.
    """
    own, features, notes = _measured(bundle, catalog, cache, workers, progress)
    classes = np.array(bundle.classes)
    codes = np.searchsorted(classes, own.text(bundle.label).astype(str)).astype(np.int64)
    grouped = group_catalog(own)
    groups = grouped.ids
    if not grouped.leak_free:
        notes.append(grouped.note)
    n_classes, n_prompts = len(np.unique(codes)), len(np.unique(groups))
    if n_classes < 2 or n_prompts < _LEAST_PROMPTS:
        raise NotEnoughDataError(
            f"What the last references bought takes images of two candidates and {_LEAST_PROMPTS} prompts to say; "
            f"there are {n_classes} and {n_prompts} among the {len(catalog)} that were given."
        )
    fold, leaks = deal_references(codes, groups, classes, N_FOLDS, seed)
    fused, known = _judged(bundle, features, codes, groups, fold, seed, progress)
    # Discriminants that know less are surer than they should be: each share needs a temperature of its own.
    log_proba = np.stack([DoubtedTemperature().fit(words, codes).transform(words) for words in fused])
    truth = np.exp(log_proba[:, np.arange(len(codes)), codes])
    return Curve(codes, groups, truth, log_proba.argmax(axis=2), known, tuple(notes + leaks))


def _measured(
    bundle: Bundle, catalog: Catalog, cache: FeatureCache | None, workers: int | None, progress: Progress | None
) -> tuple[Catalog, Features, list[str]]:
    """Return the images of candidates as the first view shows them, and notes on what was left out."""
    wanted = set(bundle.classes)
    own = catalog.filter(np.array([label in wanted for label in catalog.text(bundle.label)], dtype=np.bool_))
    views = list(bundle.attributor.experts_)
    if not len(own):
        raise NotEnoughDataError(
            f"None of the {len(catalog)} images is of a candidate of this bundle by the column "
            f'"{bundle.label}"; give its references.'
        )
    features = extract(own, bundle.encoder, view=views_of(views[0])[0], cache=cache, workers=workers, progress=progress)
    notes = []
    if len(own) < len(catalog):
        notes.append(f"{len(catalog) - len(own)} images are of no candidate, and were passed over.")
    if not features.ok.all():
        notes.append(f"{int((~features.ok).sum())} images could not be measured, and were left out.")
    own, features = own.filter(features.ok), features.take(features.ok)
    strange = sum(one not in bundle.references.image_ids for one in own.column("image_id"))
    if strange:
        notes.append(f"{strange} of {len(own)} images are no references of this bundle, and were judged like them.")
    missing = len(bundle.references.image_ids - set(own.column("image_id")))
    if missing:
        notes.append(f"{missing} references of this bundle were not given: what they bought was not measured.")
    if len(views) > 1:
        notes.append(f'The images were judged as they look in the first view, "{views[0]}".')
    return own, features, notes


def _judged(
    bundle: Bundle, features: Features, codes: Ints, groups: Ints, fold: Ints, seed: int, progress: Progress | None
) -> tuple[Float, Float]:
    """Return what families say together, shape (shares, n, K), and the references behind it, as in `Curve.known`."""
    home, k = bundle.attributor.home, len(bundle.classes)
    X = features.X.astype(np.float64)
    blocks = home.named_blocks(X.shape[1])
    references = References(
        X, codes, k, None, features.within, features.n_contrasts, blocks, None, home.shrinkage, home.within_share
    )
    weights = np.array(list(home.weights_.values()))
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    fused = np.empty((len(SHARES), len(codes), k))
    known = np.zeros((len(SHARES), k))
    n_folds = int(fold.max()) + 1
    for number in range(n_folds):
        test, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        asked = np.bincount(codes[test], minlength=k)
        for row, share in enumerate(SHARES):
            rows = others[_first_prompts(codes[others], order[groups[others]], share)]
            seen = see(references.discriminants(rows), blocks, X[test])
            fused[row, test] = np.tensordot(weights, seen.log_likelihood, axes=1)
            known[row] += np.bincount(codes[rows], minlength=k) * asked
            if progress is not None:
                progress(number * len(SHARES) + row + 1, n_folds * len(SHARES))
    return fused, known / np.maximum(np.bincount(codes, minlength=k), 1)


def _first_prompts(codes: Ints, rank: Ints, share: float) -> NDArray[np.bool_]:
    """Return which images are of the first prompts of their candidate, a share of these but one at least."""
    pairs, image = np.unique(np.stack([codes, rank]), axis=1, return_inverse=True)
    sizes = np.bincount(pairs[0])
    starts = np.cumsum(sizes) - sizes
    place = np.arange(pairs.shape[1]) - starts[pairs[0]]
    kept = place < np.maximum(1, np.round(share * sizes))[pairs[0]]
    return np.asarray(kept[image.ravel()])
