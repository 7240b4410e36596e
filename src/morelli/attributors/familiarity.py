"""Conditions that the references were not seen in: noticing them, and what may still be said there.

An expert knows the view that it was fitted to. Asked about another condition, it is wrong and sure of it. So a gate
that tells the views apart also says when an image resembles none of them, and for such images the experts are pooled
and their confidence is cut down to what it proved to be worth where it could be tried: on every view in turn, as judged
by the experts for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from morelli.attributors._folding import deal_references
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.discriminant import CLIP, Discriminant, fit_discriminant
from morelli.attributors.doubt import DoubtedTemperature
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.strangeness import max_probability_score

__all__ = ["UNFAMILIAR_LEVEL", "Gate", "UnfamiliarPool", "ViewSpace"]

Float = NDArray[np.float64]

UNFAMILIAR_LEVEL = 0.1
"""Share of images in a known view that the gate takes for unfamiliar."""

MOST_ROWS = 480
"""Images of each view that the gate learns from: views differ far more than images do."""

DIRECTIONS = 60
"""Main directions of each view and family that do not count as strange; at most a quarter of the family's columns."""

N_FOLDS = 10
"""Folds in which typical energies are found: with few, directions are fewer and everything new looks familiar."""

LEAST_WORD = -50.0
"""An expert's log-probability for a candidate counts as no less: one that rules out the truth must not decide alone."""

TRUST_RIDGE = 0.01
"""Penalty on squared trust: without evidence, experts are trusted alike."""

SHARPNESS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""How much the pool listens to the gate: 0 hears all experts alike, 1 believes the gate's probabilities."""


class Gate:
    """Tells views apart, and says how familiar an image is.

    Between known views a discriminant decides. It looks only where these differ, and a new codec or size may differ
    elsewhere. So how familiar an image is comes from what is left of its features outside the main directions in which
    images of its view vary.

    Parameters
    ----------
    discriminant : Discriminant
        Of the views.
    spaces : list of ViewSpace
        One for each view.
    distances : OpenSetModel
        Calibrated on how far images of known views lie from theirs, as judged by what has not seen them.
    """

    def __init__(self, discriminant: Discriminant, spaces: list[ViewSpace], distances: OpenSetModel) -> None:
        self.discriminant = discriminant
        self.spaces = spaces
        self.distances = distances

    @classmethod
    def fit(
        cls,
        X: Float,
        codes: NDArray[np.integer],
        groups: NDArray[np.integer] | None,
        blocks: Mapping[str, slice],
        shrinkage: float,
        seed: int,
    ) -> Gate:
        """Fit to rows (n, d) of views `codes` (n,); rows of one group are held out together."""
        rows = _thinned(codes, seed)
        X, codes = X[rows], codes[rows]
        views = np.arange(int(codes.max()) + 1)
        fold, _ = deal_references(codes, None if groups is None else groups[rows], views, N_FOLDS, seed)
        parts = list(blocks.values())
        spaces, distances = [], np.empty(len(codes))
        for view in views:
            own = codes == view
            energies = np.empty((len(codes), len(parts)))
            for held_out in range(int(fold.max()) + 1):
                train, test = own & (fold != held_out), own & (fold == held_out)
                # A view with images in one fold only is compared with itself: it will look a little too strange.
                energies[test] = ViewSpace.fit(X[train if train.any() else own], parts).energies(X[test])
            space = ViewSpace.fit(X[own], parts)
            space.typical, space.spread = energies[own].mean(axis=0), np.maximum(energies[own].std(axis=0), 1e-6)
            distances[own] = space.distance(energies[own])
            spaces.append(space)
        discriminant = fit_discriminant(X, codes, len(views), shrinkage=shrinkage)
        return cls(discriminant, spaces, OpenSetModel().fit(distances))

    def log_likelihood(self, X: Float) -> Float:
        """Return the log-likelihood of every view up to a constant, shape (n, views)."""
        return self.discriminant.log_likelihood(X)

    def familiar(self, X: Float) -> NDArray[np.bool_]:
        """Return whether each row may be of the view that it resembles most, shape (n,)."""
        nearest = self.log_likelihood(X).argmax(axis=1)
        result = np.ones(len(X), dtype=np.bool_)
        for view, space in enumerate(self.spaces):
            rows = np.flatnonzero(nearest == view)
            if len(rows):
                distance = space.distance(space.energies(X[rows]))
                result[rows] = self.distances.p_values(distance) >= UNFAMILIAR_LEVEL
        return result

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the state as named arrays and JSON-able values."""
        arrays = {part: np.ascontiguousarray(getattr(self.discriminant, part)) for part in _PARTS}
        for number, space in enumerate(self.spaces):
            arrays |= {f"space{number}.{part}": getattr(space, part) for part in _SPACE_PARTS}
        return arrays, {"distances": self.distances.to_dict()}

    @classmethod
    def from_parts(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        values: Mapping[str, Any],
        blocks: Mapping[str, slice],
        n_features: int,
        n_views: int,
    ) -> Gate:
        """Rebuild from :meth:`to_parts`; ValueError where the parts do not fit."""
        discriminant = Discriminant(**{part: arrays[part] for part in _PARTS})
        discriminant.check(n_features, n_views)
        spaces = []
        for number in range(n_views):
            state = {part: np.asarray(arrays[f"space{number}.{part}"]) for part in _SPACE_PARTS}
            spaces.append(ViewSpace(list(blocks.values()), **state))
            spaces[-1].check(n_features)
        return cls(discriminant, spaces, OpenSetModel.from_dict(values["distances"]))


class ViewSpace:
    """The main directions in which the images of one view vary, family by family.

    Attributes
    ----------
    parts : list of slice
        Columns of each of F families.
    centre, scale : ndarray of float32, shape (d,)
    basis : ndarray of float32, shape (DIRECTIONS, d)
        In the columns of each family an orthonormal basis of its own.
    typical, spread : ndarray, shape (F,)
        Mean and standard deviation of the families' energies for new images of the view.
    """

    def __init__(
        self,
        parts: list[slice],
        centre: NDArray[np.float32],
        scale: NDArray[np.float32],
        basis: NDArray[np.float32],
        typical: Float,
        spread: Float,
    ) -> None:
        self.parts, self.centre, self.scale, self.basis = parts, centre, scale, basis
        self.typical, self.spread = typical, spread

    @classmethod
    def fit(cls, X: Float, parts: list[slice]) -> ViewSpace:
        """Fit to images of one view, shape (n, d)."""
        centre, scale = X.mean(axis=0).astype(np.float32), X.std(axis=0).astype(np.float32)
        scale = np.where(scale > 1e-9 * (1 + np.abs(centre)), scale, np.inf).astype(np.float32)
        Z = np.clip((X - centre) / scale, -CLIP, CLIP)
        basis = np.zeros((DIRECTIONS, X.shape[1]), dtype=np.float32)
        for part in parts:
            columns = Z[:, part]
            values, vectors = np.linalg.eigh(columns @ columns.T)
            most = min(DIRECTIONS, (part.stop - part.start) // 4)
            strong = np.flatnonzero(values > 1e-9 * max(values[-1], 1e-300))[::-1][:most]
            basis[: len(strong), part] = ((columns.T @ vectors[:, strong]) / np.sqrt(values[strong])).T
        return cls(parts, centre, scale, basis, np.zeros(len(parts)), np.ones(len(parts)))

    def energies(self, X: Float) -> Float:
        """Return the log of the mean square that is left outside the main directions, shape (n, F)."""
        Z = np.clip((X - self.centre) / self.scale, -CLIP, CLIP)
        result = np.empty((len(X), len(self.parts)))
        for column, part in enumerate(self.parts):
            inside = Z[:, part] @ self.basis[:, part].T
            left = (Z[:, part] ** 2).sum(axis=1) - (inside**2).sum(axis=1)
            result[:, column] = np.log(np.maximum(left / (part.stop - part.start), 1e-6))
        return result

    def distance(self, energies: Float) -> Float:
        """Return by how many standard deviations energies exceed what is typical, shape (n,).

        The mean of the families, each with the weight of its columns: what many features agree on is the condition, and
        what a few say may be the picture.
        """
        columns = np.array([part.stop - part.start for part in self.parts])
        return np.asarray(((energies - self.typical) / self.spread) @ (columns / columns.sum()))

    def check(self, n_features: int) -> None:
        """Raise ValueError unless all arrays are numbers of the right shape (for what was read from a file)."""
        shapes = {
            "centre": (n_features,),
            "scale": (n_features,),
            "basis": (DIRECTIONS, n_features),
            "typical": (len(self.parts),),
            "spread": (len(self.parts),),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            kind = np.float64 if name in ("typical", "spread") else np.float32
            if array.shape != shape or array.dtype != kind:
                raise ValueError(f"{name} of a view is {array.dtype} {array.shape} instead of {np.dtype(kind)} {shape}")
            # An infinite scale is how a feature without variation is switched off.
            if np.isnan(array).any() or (name != "scale" and not np.isfinite(array).all()):
                raise ValueError(f"{name} of a view is not finite")
            if name in ("scale", "spread") and not (array > 0).all():
                raise ValueError(f"{name} of a view is not positive")


class UnfamiliarPool:
    """Experts pooled log-linearly, with a calibration, a conformal threshold and open-set scores of its own.

    Parameters
    ----------
    sharpness : float
        Of the gate's word in the pool, one of :data:`SHARPNESS`.
    trust : ndarray, shape (experts,)
        What each expert has besides the gate's word, as the logarithm of its share.
    asks : ndarray of bool, shape (experts,)
        Which experts have a share at all.
    calibrator : DoubtedTemperature
    conformal : SplitConformal
    open_set : OpenSetModel
    """

    def __init__(
        self,
        sharpness: float,
        trust: Float,
        asks: NDArray[np.bool_],
        calibrator: DoubtedTemperature,
        conformal: SplitConformal,
        open_set: OpenSetModel,
    ) -> None:
        self.sharpness = sharpness
        self.trust = trust
        self.asks = asks
        self.calibrator = calibrator
        self.conformal = conformal
        self.open_set = open_set

    @classmethod
    def fit(
        cls,
        log_proba: Float,
        heard: Float,
        asked: NDArray[np.bool_],
        y: NDArray[np.integer],
        conditions: NDArray[np.integer],
        level: float,
        set_method: str = "lac",
        set_per_class: bool = False,
    ) -> UnfamiliarPool:
        """Learn from images of every condition as judged by the experts for the others.

        Parameters
        ----------
        log_proba : ndarray, shape (n, experts, K)
            Calibrated out-of-fold log-probabilities; those of an expert that is not asked do not matter.
        heard : ndarray, shape (n, experts)
            The gate's log-likelihoods.
        asked : ndarray of bool, shape (n, experts)
            False for the expert that knows the condition of an image.
        y : ndarray of int, shape (n,)
            True classes.
        conditions : ndarray of int, shape (n,)
            All conditions count alike, however many images there are of each.
        level : float
            Coverage of the conformal sets.
        set_method, set_per_class : str and bool
            How they are made, see :class:`~morelli.attributors.conformal.SplitConformal`.
        """
        words = np.where(asked[:, :, None], np.maximum(log_proba, LEAST_WORD), 0.0)
        weights = 1.0 / np.bincount(conditions)[conditions]
        weights /= weights.sum()
        tried = []
        for sharpness in SHARPNESS:
            loss, trust = _fit_trust(words, np.where(asked, sharpness * heard, -np.inf), y, weights)
            tried.append((loss, sharpness, trust))
        _, sharpness, trust = min(tried, key=lambda one: one[:2])
        pooled = pool(words, np.where(asked, sharpness * heard + trust, -np.inf))
        calibrator = DoubtedTemperature().fit(pooled, y, weights)
        known = calibrator.transform(pooled)
        conformal = SplitConformal(set_method, level, set_per_class).fit(np.exp(known), y)
        asks = np.asarray(asked.any(axis=0))
        return cls(sharpness, trust, asks, calibrator, conformal, OpenSetModel().fit(max_probability_score(known)))

    def shares(self, gate: Float) -> Float:
        """Return how much each expert counts, divided by the temperature, shape (n, experts)."""
        heard = np.where(self.asks, self.sharpness * gate + self.trust, -np.inf)
        return np.asarray(softmax(heard, axis=1) / self.calibrator.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON-able values."""
        return {
            "sharpness": self.sharpness,
            "trust": self.trust.tolist(),
            "asks": self.asks.tolist(),
            "calibrator": self.calibrator.to_dict(),
            "conformal": self.conformal.to_dict(),
            "open_set": self.open_set.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], n_experts: int) -> UnfamiliarPool:
        """Rebuild from :meth:`to_dict`; ValueError where a number makes no sense."""
        sharpness, trust = float(state["sharpness"]), np.array(state["trust"], dtype=np.float64)
        if not 0 <= sharpness <= 1:
            raise ValueError(f"sharpness is {sharpness}, not a number from 0 to 1")
        if trust.shape != (n_experts,) or not np.isfinite(trust).all():
            raise ValueError(f"trust is {trust}, not a number for each of {n_experts} experts")
        asks = np.array(state["asks"], dtype=np.bool_)
        if asks.shape != (n_experts,) or not asks.any():
            raise ValueError(f"asks is {asks}, which does not say of each of {n_experts} experts if it has a share")
        return cls(
            sharpness,
            trust,
            asks,
            DoubtedTemperature.from_dict(state["calibrator"]),
            SplitConformal.from_dict(state["conformal"]),
            OpenSetModel.from_dict(state["open_set"]),
        )


_PARTS = tuple(Discriminant.__dataclass_fields__)
_SPACE_PARTS = ("centre", "scale", "basis", "typical", "spread")


def pool(log_proba: Float, heard: Float) -> Float:
    """Return the log-linear pool of experts: `log_proba` is (n, experts, K), `heard` (n, experts) logits of shares."""
    shares = softmax(heard, axis=1)
    return np.asarray(log_softmax(np.einsum("ne,nek->nk", shares, log_proba), axis=1))


def _fit_trust(words: Float, heard: Float, y: NDArray[np.integer], weights: Float) -> tuple[float, Float]:
    """Return the least penalised loss at one sharpness, and the trust there; a temperature is fitted besides."""
    rows, n_experts = np.arange(len(y)), words.shape[1]

    def loss(theta: Float) -> tuple[float, Float]:
        trust, scale = theta[:-1], float(np.exp(-theta[-1]))
        shares = softmax(heard + trust, axis=1)
        fused = np.einsum("ne,nek->nk", shares, words)
        log_p = log_softmax(scale * fused, axis=1)
        value = -weights @ log_p[rows, y] + 0.5 * TRUST_RIDGE * float(trust @ trust)
        # How the loss changes with an expert's word: what it says of the truth against what it says on average.
        said = scale * (words[rows, :, y] - np.einsum("nk,nek->ne", np.exp(log_p), words))
        total = np.einsum("ne,ne->n", shares, said)
        in_trust = -weights @ (shares * (said - total[:, None])) + TRUST_RIDGE * trust
        return float(value), np.append(in_trust, weights @ total)

    best = minimize(loss, np.zeros(n_experts + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return float(best.fun), np.asarray(best.x[:-1])


def _thinned(codes: NDArray[np.integer], seed: int) -> NDArray[np.intp]:
    """Return rows with at most `MOST_ROWS` of each view, in order."""
    random = np.random.default_rng(seed)
    keep = [random.permutation(np.flatnonzero(codes == view))[:MOST_ROWS] for view in np.unique(codes)]
    return np.sort(np.concatenate(keep))
