"""Conditions that the references were not seen in: noticing them, and what may still be said there.

An expert knows the view that it was fitted to. Asked about another condition, it is wrong and sure of it. So a gate
that tells the views apart also says when an image resembles none of them, and for such images the experts are pooled
and their confidence is cut down to what it proved to be worth where it could be tried: on every view in turn, as judged
by the experts for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from morelli.attributors._folding import deal_references
from morelli.attributors.calibration import TemperatureCalibrator
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.discriminant import CLIP, Discriminant, fit_discriminant
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.strangeness import max_probability_score

__all__ = ["UNFAMILIAR_LEVEL", "Gate", "UnfamiliarPool", "ViewSpace"]

Float = NDArray[np.float64]

UNFAMILIAR_LEVEL = 0.05
"""Share of images in a known view that the gate takes for unfamiliar."""

MOST_ROWS = 480
"""Images of each view that the gate learns from: views differ far more than images do."""

DIRECTIONS = 60
"""Main directions of each view and family that do not count as strange; at most a quarter of the family's columns."""

N_FOLDS = 10
"""Folds in which typical energies are found: with few, directions are fewer and everything new looks familiar."""

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
    """Experts pooled log-linearly, with a temperature, a conformal threshold and open-set scores of its own.

    Parameters
    ----------
    sharpness : float
        Of the gate's word in the pool, one of :data:`SHARPNESS`.
    temperature : TemperatureCalibrator
    conformal : SplitConformal
    open_set : OpenSetModel
    """

    def __init__(
        self, sharpness: float, temperature: TemperatureCalibrator, conformal: SplitConformal, open_set: OpenSetModel
    ) -> None:
        self.sharpness = sharpness
        self.temperature = temperature
        self.conformal = conformal
        self.open_set = open_set

    @classmethod
    def fit(
        cls,
        log_proba: Sequence[Float],
        gate: Sequence[Float],
        codes: Sequence[NDArray[np.integer]],
        level: float,
    ) -> UnfamiliarPool:
        """Learn from every view as judged by the experts for the other views.

        Parameters
        ----------
        log_proba : sequence of ndarray, each of shape (n_v, others, K)
            For each view the calibrated out-of-fold log-probabilities of its rows by the other experts.
        gate : sequence of ndarray, each of shape (n_v, others)
            The gate's log-likelihoods of those other views.
        codes : sequence of ndarray of int, each of shape (n_v,)
            True classes.
        level : float
            Coverage of the conformal sets.
        """
        y = np.concatenate(list(codes))
        tried = []
        for sharpness in SHARPNESS:
            pairs = zip(log_proba, gate, strict=True)
            pooled = np.concatenate([pool(words, sharpness * heard) for words, heard in pairs])
            calibrator = TemperatureCalibrator().fit(pooled, y)
            known = calibrator.transform(pooled)
            tried.append((-float(known[np.arange(len(y)), y].mean()), sharpness, calibrator, known))
        _, sharpness, calibrator, known = min(tried, key=lambda one: one[:2])
        conformal = SplitConformal(level=level).fit(np.exp(known), y)
        return cls(sharpness, calibrator, conformal, OpenSetModel().fit(max_probability_score(known)))

    def shares(self, gate: Float) -> Float:
        """Return how much each expert counts, divided by the temperature, shape (n, views)."""
        return np.asarray(softmax(self.sharpness * gate, axis=1) / self.temperature.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON-able values."""
        return {
            "sharpness": self.sharpness,
            "temperature": self.temperature.to_dict(),
            "conformal": self.conformal.to_dict(),
            "open_set": self.open_set.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> UnfamiliarPool:
        """Rebuild from :meth:`to_dict`; ValueError where a number makes no sense."""
        sharpness = float(state["sharpness"])
        if not 0 <= sharpness <= 1:
            raise ValueError(f"sharpness is {sharpness}, not a number from 0 to 1")
        return cls(
            sharpness,
            TemperatureCalibrator.from_dict(state["temperature"]),
            SplitConformal.from_dict(state["conformal"]),
            OpenSetModel.from_dict(state["open_set"]),
        )


_PARTS = tuple(Discriminant.__dataclass_fields__)
_SPACE_PARTS = ("centre", "scale", "basis", "typical", "spread")


def pool(log_proba: Float, heard: Float) -> Float:
    """Return the log-linear pool of experts: `log_proba` is (n, experts, K), `heard` (n, experts) logits of shares."""
    shares = softmax(heard, axis=1)
    return np.asarray(log_softmax(np.einsum("ne,nek->nk", shares, np.maximum(log_proba, -50.0)), axis=1))


def _thinned(codes: NDArray[np.integer], seed: int) -> NDArray[np.intp]:
    """Return rows with at most `MOST_ROWS` of each view, in order."""
    random = np.random.default_rng(seed)
    keep = [random.permutation(np.flatnonzero(codes == view))[:MOST_ROWS] for view in np.unique(codes)]
    return np.sort(np.concatenate(keep))
