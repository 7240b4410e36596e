r"""Calling images unknown: many scores of strangeness, combined by how well they do on models that were hidden.

What makes an image of an unknown model stand out is not known beforehand, but it can be rehearsed: some candidates are
hidden, everything is fitted to the others, and the images of both are judged out of fold. A logistic regression learns
there how much each score counts. Its weights are not negative, so that nothing strange ever makes an image *less*
strange, and they are the only thing that is learned from hidden candidates; the scores are scaled by those of known
images, for the rehearsal as for the real thing, so that the number of candidates does not matter.

The scores, for F families:

- ``novelty``: likelihood ratio of a model never seen against the candidates. Its space is the fused log-likelihood
  profile of an image over all candidates, where the spread of images about their class is known from out-of-fold
  predictions: the discriminants' own coordinates know it only from images that they were fitted to.
- ``kinship``: the same, where the new model may also be a close relative of a candidate.
- ``angle.<family>``: minus the cosine between an image and the mean of the winner in the family's coordinates.
- ``dissent.<family>``: minus the log-probability which the family gives to the winner.

Their combination is no p-value: `morelli.attributors.open_set.OpenSetModel` makes one of it, from the out-of-fold
strangeness of known images that `fit_rejector` returns.

References
----------
S. Ioffe, "Probabilistic linear discriminant analysis", ECCV 2006, section 3.2 (likelihood ratio of a new class).
D. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992 (learning from out-of-fold predictions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from morelli.attributors._checks import FloatArray, IntArray, check_labels
from morelli.attributors.calibration import TemperatureCalibrator
from morelli.attributors.discriminant import Discriminant, fit_discriminant
from morelli.attributors.fusion import fit_fusion_weights
from morelli.attributors.sighting import Look, Sighting
from morelli.attributors.strangeness import max_logit_score, max_probability_score, new_class_score

__all__ = ["Hidden", "Rejector", "fit_rejector"]

MIN_CLASSES = 6
"""Fewest candidates for a rehearsal: a quarter of them is hidden, and four have to stay."""

N_FOLDS = 3
"""Folds of each rehearsal, and the fewest that it can do with."""

PROFILE_SHRINKAGE = 0.1
KIN_SHARE = 0.1
"""Variance of a close relative about a candidate, as a share of the variance between candidates."""

RIDGE = 0.1
"""Penalty on squared weights, beside a mean loss; results are flat from 0.01 to 0.3."""

CLIP = 4.0
"""Scaled scores are clipped there, so that one freak score cannot decide alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """How n references looked while some candidates were hidden, each judged by what had seen no image of its prompt.

    Attributes
    ----------
    of_hidden : ndarray of bool, shape (n,)
        Whose model was hidden.
    known : ndarray of int, shape (C,)
        The candidates that were left.
    words : ndarray, shape (n, C)
        Fused log-likelihoods of these, up to a term for each image.
    strangeness : ndarray, shape (n,)
        With coefficients that were learned in the other rehearsals.
    outlyingness : ndarray, shape (n,), or None
        Mean over the families; None where nobody measured it.
    """

    of_hidden: NDArray[np.bool_]
    known: IntArray
    words: FloatArray
    strangeness: FloatArray
    outlyingness: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """What scores are computed with, learned from out-of-fold sightings; no profile: only doubt and unlikeliness."""

    weights: FloatArray
    temperatures: FloatArray
    profile: Discriminant | None
    columns: IntArray | None = None
    """Candidates whose likelihoods make up a profile (all: None); those that were enrolled later do not."""

    @classmethod
    def learn(cls, held_out: Sighting, codes: IntArray, *, with_profile: bool = True) -> _Frame:
        words = held_out.log_likelihood
        weights = fit_fusion_weights(words, codes)
        temperatures = np.array([TemperatureCalibrator().fit(word, codes).temperature for word in words])
        profile = None
        if with_profile:
            profile = fit_discriminant(_profiles(weights, held_out), codes, words.shape[2], shrinkage=PROFILE_SHRINKAGE)
        return cls(weights, temperatures, profile)

    def scores(self, seen: Sighting) -> FloatArray:
        """Return the scores, shape (S, n), higher is stranger."""
        profiles = _profiles(self.weights, seen)
        if self.profile is None:
            return np.stack([max_probability_score(profiles), max_logit_score(profiles)])
        x, means, variance = self.at(seen), self.profile.means, self.profile.variance
        # Shrunk means spread less than the classes do, by just what the predictive variance has more than one.
        between = (means**2).mean(axis=0) + variance - 1
        novelty = new_class_score(x, means, variance, between)
        kinship = new_class_score(x, means, variance, between, kin_share=KIN_SHARE)
        winner = profiles.argmax(axis=1)
        rows = np.arange(len(winner))
        angles = -seen.alignment[:, rows, winner]
        dissent = [
            -log_softmax(word / t, axis=1)[rows, winner]
            for word, t in zip(seen.log_likelihood, self.temperatures, strict=True)
        ]
        return np.concatenate([[novelty, kinship], angles, dissent])

    def at(self, seen: Sighting) -> FloatArray:
        """Return the coordinates of images in the space of profiles, shape (n, r)."""
        assert self.profile is not None
        whole = seen if self.columns is None else seen.among(self.columns)
        return self.profile.coordinates(_profiles(self.weights, whole))


@dataclass(frozen=True, slots=True, eq=False)
class Rejector:
    """Says how strange images are for the candidates; made by `fit_rejector`.

    Attributes
    ----------
    names : tuple of str
        The scores, see the module; ``doubt`` and ``unlikeliness`` where there was too little to rehearse with.
    coefficients : ndarray, shape (S,)
        What each scaled score counts, not negative.
    centres, scales : ndarray, shape (S,)
        Median and half the central 68 % of the scores of known images out of fold.
    frame : object
        What the scores are computed with.
    rehearsed_auroc : dict of str to float
        AUROC of each score, and under ``all`` of the combination as learned from the other rehearsals, for images of
        hidden candidates against those of the others; empty without rehearsals. Hidden candidates are as close to the
        others as yours are to one another: models of your world may be easier or harder.
    n_fits : int
        How often the discriminants were fitted for it.
    notes : tuple of str
        Sentences for the reader of a result.
    """

    names: tuple[str, ...]
    coefficients: FloatArray
    centres: FloatArray
    scales: FloatArray
    frame: _Frame
    rehearsed_auroc: dict[str, float]
    n_fits: int
    notes: tuple[str, ...]

    @property
    def trained(self) -> bool:
        """Whether the combination was learned from rehearsals."""
        return self.frame.profile is not None

    def scores(self, seen: Sighting) -> FloatArray:
        """Return the scores of images, shape (S, n), in the order of `names`; higher is stranger."""
        n_families, n_classes = len(self.frame.weights), seen.log_likelihood.shape[2]
        if len(seen.log_likelihood) != n_families:
            raise ValueError(f"{len(seen.log_likelihood)} families are given, the rejector was fitted on {n_families}")
        if self.frame.profile is not None and len(self.frame.profile.means) != n_classes:
            raise ValueError(
                f"{n_classes} candidates are given, the rejector was fitted on {len(self.frame.profile.means)}"
            )
        return self.frame.scores(seen)

    def strangeness(self, seen: Sighting) -> FloatArray:
        """Return one strangeness for each image, shape (n,)."""
        return np.asarray(self.coefficients @ _scaled(self.scores(seen), self.centres, self.scales))

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the fitted state as named arrays and JSON-able values, for storage without pickle."""
        profile = self.frame.profile
        arrays = {} if profile is None else {f.name: getattr(profile, f.name) for f in fields(Discriminant)}
        return {f"profile.{name}": np.ascontiguousarray(a) for name, a in arrays.items()}, {
            "names": list(self.names),
            "coefficients": self.coefficients.tolist(),
            "centres": self.centres.tolist(),
            "scales": self.scales.tolist(),
            "weights": self.frame.weights.tolist(),
            "temperatures": self.frame.temperatures.tolist(),
            "n_classes": None if profile is None else len(profile.means),
            "rehearsed_auroc": self.rehearsed_auroc,
            "n_fits": self.n_fits,
            "notes": list(self.notes),
            **({} if self.frame.columns is None else {"columns": self.frame.columns.tolist()}),
        }

    @classmethod
    def from_parts(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Rejector:
        """Rebuild from `to_parts`.

        Raises
        ------
        ValueError
            The parts do not fit together; other kinds of damage raise KeyError or TypeError.
        """
        numbers = ("coefficients", "centres", "scales", "weights", "temperatures")
        vectors = {name: np.array(values[name], dtype=np.float64) for name in numbers}
        names = tuple(str(name) for name in values["names"])
        profile, columns = None, None
        if values["n_classes"] is not None:
            n_classes = int(values["n_classes"])
            if "columns" in values:
                columns = np.array(values["columns"], dtype=np.int64)
                if len(np.intersect1d(columns, np.arange(n_classes))) != columns.size:
                    raise ValueError("the rejector's profiles are of candidates that there are not")
            profile = Discriminant(**{f.name: arrays[f"profile.{f.name}"] for f in fields(Discriminant)})
            profile.check(n_classes if columns is None else len(columns), n_classes)
        n_families = vectors["weights"].size
        n_scores = 2 if profile is None else 2 + 2 * n_families
        for name, vector in vectors.items():
            expected = n_families if name in ("weights", "temperatures") else n_scores
            if vector.shape != (expected,) or not np.isfinite(vector).all():
                raise ValueError(f"the rejector's {name} are not {expected} finite numbers")
        if len(names) != n_scores:
            raise ValueError(f"the rejector names {len(names)} scores and has {n_scores}")
        if min(vectors["coefficients"].min(), vectors["weights"].min()) < 0:
            raise ValueError("the rejector has a negative weight")
        if min(vectors["scales"].min(), vectors["temperatures"].min()) <= 0:
            raise ValueError("the rejector has a scale or a temperature that is not positive")
        return cls(
            names,
            vectors["coefficients"],
            vectors["centres"],
            vectors["scales"],
            _Frame(vectors["weights"], vectors["temperatures"], profile, columns),
            {str(name): float(value) for name, value in values["rehearsed_auroc"].items()},
            int(values["n_fits"]),
            tuple(str(note) for note in values["notes"]),
        )


def fit_rejector(
    held_out: Sighting,
    codes: IntArray,
    fold: IntArray,
    look: Look,
    families: Sequence[str],
    *,
    n_draws: int = 4,
    random_state: int = 0,
) -> tuple[Rejector, FloatArray, tuple[Hidden, ...]]:
    """Learn what makes images of unknown models stand out.

    Every candidate is hidden in one of `n_draws` rehearsals. In each, the others are judged out of fold, in 3 folds
    that are unions of the given ones, and the hidden ones' images by discriminants that have not seen their prompts
    either. This costs ``3 * n_draws`` fits of the discriminants, each to about half of the references.

    Parameters
    ----------
    held_out : Sighting
        Of all n references, each by discriminants fitted to the other folds.
    codes : ndarray of int, shape (n,)
        Classes, 0 to K - 1.
    fold : ndarray of int, shape (n,)
        Folds of `held_out`, numbered from 0; images of one prompt are in one fold.
    look : callable
        ``look(train, codes, n_classes, test)``, see `Look`.
    families : sequence of str
        Names of the families, in the order of `held_out`.
    n_draws : int, default 4
        Rehearsals, at least 2; each hides about ``K / n_draws`` candidates.
    random_state : int, default 0
        Deals candidates to rehearsals.

    Returns
    -------
    Rejector
    ndarray, shape (n,)
        Out-of-fold strangeness of the references, to fit an `OpenSetModel` to: every fold's is computed with what was
        learned on the other folds, and by the same formula as for new images.
    tuple of Hidden
        How images looked while their models were hidden, by rehearsal; empty where there was too little to rehearse.

    Raises
    ------
    ValueError
        Shapes that do not fit.
    """
    _, n, n_classes = held_out.log_likelihood.shape
    codes = check_labels(codes, n_classes, n, "codes")
    fold = check_labels(fold, None, n, "fold")
    if len(families) != len(held_out.log_likelihood):
        raise ValueError(f"{len(families)} families are named, {len(held_out.log_likelihood)} are given")
    if n_draws < 2:
        raise ValueError(f"n_draws must be at least 2, not {n_draws}")
    auroc: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    looks: tuple[Hidden, ...] = ()
    n_fits = 0
    reason = _too_little(n_classes, len(np.unique(fold)))
    if reason is not None:
        scores, _ = _cross_scored(held_out, codes, fold, with_profile=False)
        centres, scales = _location(scores)
        coefficients = np.ones(2)
        names: tuple[str, ...] = ("doubt", "unlikeliness")
        notes = (reason,)
    else:
        scores, _ = _cross_scored(held_out, codes, fold)
        centres, scales = _location(scores)
        names = (
            "novelty",
            "kinship",
            *(f"angle.{name}" for name in families),
            *(f"dissent.{name}" for name in families),
        )
        plan = min(n_draws, n_classes // 2)
        rehearsed, looks = _rehearse(codes, fold, n_classes, look, plan, random_state)
        coefficients = _coefficients(rehearsed)
        auroc = _auroc(rehearsed, names)
        n_fits = N_FOLDS * len(rehearsed)
    frame = _Frame.learn(held_out, codes, with_profile=reason is None)
    rejector = Rejector(names, coefficients, centres, scales, frame, auroc, n_fits, notes)
    return rejector, np.asarray(coefficients @ _scaled(scores, centres, scales)), looks


def _too_little(n_classes: int, n_folds: int) -> str | None:
    """Return why nothing can be rehearsed, or None."""
    lacking = None
    if n_classes < MIN_CLASSES:
        lacking = f"there are {n_classes} candidates, and {MIN_CLASSES} are needed"
    elif n_folds < N_FOLDS:
        lacking = f"references fall into {n_folds} groups of prompts, and {N_FOLDS} are needed"
    if lacking is None:
        return None
    return f"How to tell unknown models could not be rehearsed: {lacking}. Only doubt and unlikeliness are looked at."


def _rehearse(
    codes: IntArray, fold: IntArray, n_classes: int, look: Look, n_draws: int, random_state: int
) -> tuple[list[tuple[FloatArray, NDArray[np.bool_]]], tuple[Hidden, ...]]:
    """Return for each rehearsal the scaled scores, shape (S, n), with the images of hidden classes; and its looks."""
    order = np.random.default_rng(random_state).permutation(n_classes)
    # Unions of folds, numbered without gaps first: then every union holds about a third of the prompts.
    union = np.unique(fold, return_inverse=True)[1] % N_FOLDS
    results, seen = [], []
    for draw in range(n_draws):
        known = np.setdiff1d(np.arange(n_classes), order[draw::n_draws])
        hidden = ~np.isin(codes, known)
        recoded = np.searchsorted(known, codes)
        parts, rows = [], []
        for held in range(N_FOLDS):
            train, test = np.flatnonzero((union != held) & ~hidden), np.flatnonzero(union == held)
            parts.append(look(train, recoded[train], len(known), test))
            rows.append(test)
        back = np.argsort(np.concatenate(rows))
        # What is learned from sightings is learned on all other folds, as it is in earnest: there are few enough.
        sighting = Sighting.concat(parts).take(back)
        scores, words = _cross_scored(sighting, np.where(hidden, -1, recoded), fold)
        results.append((_scaled(scores, *_location(scores[:, ~hidden])), hidden))
        far = None if sighting.outlyingness is None else sighting.outlyingness.mean(axis=0)
        seen.append((known, words, far))
    looks = [
        Hidden(hidden, known, words, np.asarray(_learned_elsewhere(results, draw) @ scaled), far)
        for draw, ((scaled, hidden), (known, words, far)) in enumerate(zip(results, seen, strict=True))
    ]
    return results, tuple(looks)


def _learned_elsewhere(rehearsed: Sequence[tuple[FloatArray, NDArray[np.bool_]]], draw: int) -> FloatArray:
    return _coefficients([*rehearsed[:draw], *rehearsed[draw + 1 :]])


def _cross_scored(
    seen: Sighting, codes: IntArray, fold: IntArray, *, with_profile: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Return scores (S, n) and fused words (n, K) of every fold by what the others taught; code -1 teaches nothing."""
    parts, words, rows = [], [], []
    for held in np.unique(fold):
        learn, test = np.flatnonzero((fold != held) & (codes >= 0)), np.flatnonzero(fold == held)
        if not len(learn):  # all in one fold: there are no others
            learn = np.flatnonzero(codes >= 0)
        frame = _Frame.learn(seen.take(learn), codes[learn], with_profile=with_profile)
        parts.append(frame.scores(seen.take(test)))
        words.append(_profiles(frame.weights, seen.take(test)))
        rows.append(test)
    back = np.argsort(np.concatenate(rows))
    return np.concatenate(parts, axis=1)[:, back], np.concatenate(words)[back]


def _coefficients(rehearsed: Sequence[tuple[FloatArray, NDArray[np.bool_]]]) -> FloatArray:
    """Fit a ridge logistic regression with non-negative weights, known and hidden images counting equally in all."""
    from scipy.optimize import minimize

    x = np.concatenate([scores for scores, _ in rehearsed], axis=1)
    hidden = np.concatenate([mask for _, mask in rehearsed])
    sign = np.where(hidden, 1.0, -1.0)
    share = np.where(hidden, 0.5 / max(1, hidden.sum()), 0.5 / max(1, (~hidden).sum()))

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (theta[0] + theta[1:] @ x)
        slope = -share * sign * np.exp(-np.logaddexp(0, margin))
        value = share @ np.logaddexp(0, -margin) + 0.5 * RIDGE * (theta[1:] ** 2).sum()
        return float(value), np.concatenate([[slope.sum()], x @ slope + RIDGE * theta[1:]])

    start = np.concatenate([[0.0], np.full(len(x), 1 / len(x))])
    bounds = [(None, None), *[(0.0, None)] * len(x)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-7})
    return np.asarray(found.x[1:])


def _auroc(rehearsed: Sequence[tuple[FloatArray, NDArray[np.bool_]]], names: Sequence[str]) -> dict[str, float]:
    """Return the mean AUROC over rehearsals of each score, and of what is learned on the other rehearsals."""
    from scipy.stats import rankdata

    def auroc(score: FloatArray, hidden: NDArray[np.bool_]) -> float:
        m, rest = int(hidden.sum()), int((~hidden).sum())
        return float((rankdata(score)[hidden].sum() - m * (m + 1) / 2) / (m * rest))

    found: dict[str, list[float]] = {name: [] for name in ("all", *names)}
    for draw, (scores, hidden) in enumerate(rehearsed):
        learned = _learned_elsewhere(rehearsed, draw)
        for name, score in zip(("all", *names), (learned @ scores, *scores), strict=True):
            found[name].append(auroc(score, hidden))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _profiles(weights: FloatArray, seen: Sighting) -> FloatArray:
    """Return fused log-likelihoods against their mean over the candidates, shape (n, K)."""
    fused = np.tensordot(weights, seen.log_likelihood, axes=1)
    return np.asarray(fused - fused.mean(axis=1, keepdims=True))


def _location(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return median and robust standard deviation of scores, shape (S, n), each of shape (S,)."""
    low, middle, high = np.quantile(scores, [0.16, 0.5, 0.84], axis=1)
    scale = (high - low) / 2
    # A score that hardly ever varies is not blown up: its unit stays what it is.
    return middle, np.where(scale > 1e-9 * (1 + np.abs(middle)), scale, 1.0)


def _scaled(scores: FloatArray, centres: FloatArray, scales: FloatArray) -> FloatArray:
    return np.asarray(np.clip((scores - centres[:, None]) / scales[:, None], -CLIP, CLIP))
