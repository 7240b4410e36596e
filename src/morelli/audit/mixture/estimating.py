"""From answers for a set to shares with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.rehearsal import Rehearsal
from morelli.audit._answers import check_shape, proba_among
from morelli.audit.mixture.adjusting import adjusted_shares, response_matrix
from morelli.audit.mixture.em import em_shares
from morelli.audit.mixture.strangers import StrangerScale
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["UNKNOWN", "Mixture", "RolledUp", "estimate_mixture", "estimate_mixtures", "roll_up_shares"]

Float = NDArray[np.float64]

UNKNOWN: Final = "unknown"

BLENDS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of the confusion correction that are tried."""

_TRIALS, _SOURCES, _SETS = 40, 5, (10, 75)
"""Sets that are simulated to choose among them: how many, models in each, fewest and most images in each."""

_RESAMPLED = 2000
"""Most images in a resampled set. Of larger ones parts are drawn, and deviations scaled (Bickel et al. 1997)."""

WIDENING = 1.2
"""What deviations of resampled sets are multiplied by. Percentiles of few images are too narrow, above all for models
that resemble another; ``benchmarks/audit.py`` says how often intervals hold with it."""

_CHUNK = 50
_LEAST_PROBA = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Shares of a set.

    Attributes
    ----------
    shares, lower, upper : ndarray, shape (K + 1,)
        Of each candidate, and last of models that are no candidates (0 where that was not asked for). Shares sum to 1;
        limits are for each by itself.
    draws : ndarray, shape (B, K + 1)
        What resampling gave, for intervals of sums.
    level : float
        That the intervals are made for.
    n : int
        Images.
    blend : float
        Weight of the confusion correction, 0 to 1, as simulated sets of references advised.
    notes : tuple of str
        Sentences that belong beside the shares.
    """

    shares: Float
    lower: Float
    upper: Float
    draws: Float
    level: float
    n: int
    blend: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RolledUp:
    """Shares of groups of candidates.

    Attributes
    ----------
    names : tuple of str
        Sorted; ``unknown`` is last.
    shares, lower, upper : ndarray, shape (G,)
    """

    names: tuple[str, ...]
    shares: Float
    lower: Float
    upper: Float


def estimate_mixture(
    log_proba: ArrayLike,
    open_set_p: ArrayLike,
    rehearsal: Rehearsal,
    *,
    unknown: bool = True,
    among: Sequence[int] | None = None,
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 0,
) -> Mixture:
    """Estimate what share of a set each candidate made.

    Shares make the set likeliest (expectation-maximisation), blended with the adjusted count as far as sets that are
    simulated from the rehearsal gain by it: with a dozen references of each candidate its confusions are too little
    known to correct anything, with hundreds they are well known. Intervals are percentiles over resampled images,
    resampled prompts of the rehearsal (by how much each candidate's own images are underrated), and resampled unknown
    models.

    Parameters
    ----------
    log_proba : array-like, shape (n, K)
        Calibrated log-probabilities of the images, without the unreadable.
    open_set_p : array-like, shape (n,)
        Above 0, at most 1.
    rehearsal : Rehearsal
        Of the attributor that answered.
    unknown : bool, default True
        Whether images may be by models that are no candidates.
    among : sequence of int, optional
        Candidates that are possible; by default all.
    level : float, default 0.95
        Of the intervals.
    n_boot : int, default 500
        Resampled sets; at least 20.
    seed : int, default 0

    Raises
    ------
    NotEnoughDataError
        There is no image.
    MorelliError
        Numbers that are not finite or of the wrong shape, or arguments that make no sense.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Neural Computation 14(1); Esuli et al. (2023), "Learning to quantify".
    """
    made = _Sets.of(log_proba, open_set_p, rehearsal, among, level, n_boot, seed)
    return made.with_strangers() if unknown else made.among_candidates()


def estimate_mixtures(
    log_proba: ArrayLike,
    open_set_p: ArrayLike,
    rehearsal: Rehearsal,
    *,
    among: Sequence[int] | None = None,
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 0,
) -> tuple[Mixture, Mixture]:
    """Estimate a set's mixture as it is, and as if no image could be by an unknown model, from the same resampled sets.

    Parameters
    ----------
    log_proba, open_set_p, rehearsal, among, level, n_boot, seed
        As for :func:`estimate_mixture`, and errors likewise.

    Returns
    -------
    Mixture
        As by ``estimate_mixture(...)``.
    Mixture
        As by ``estimate_mixture(..., unknown=False)``.
    """
    made = _Sets.of(log_proba, open_set_p, rehearsal, among, level, n_boot, seed)
    return made.with_strangers(), made.among_candidates()


@dataclass(frozen=True, slots=True, eq=False)
class _Sets:
    """Shares of candidates, of a set and of resampled ones, before anybody asks for unknown models."""

    words: Float
    p: Float
    rehearsal: Rehearsal
    shares: Float
    draws: Float
    level: float
    blend: float
    rng: np.random.Generator

    @classmethod
    def of(
        cls,
        log_proba: ArrayLike,
        open_set_p: ArrayLike,
        rehearsal: Rehearsal,
        among: Sequence[int] | None,
        level: float,
        n_boot: int,
        seed: int,
    ) -> _Sets:
        words, p = np.asarray(log_proba, dtype=np.float64), np.asarray(open_set_p, dtype=np.float64)
        k = rehearsal.n_classes
        _check(words, p, k, level, n_boot)
        chosen = np.arange(k) if among is None else np.unique(np.asarray(among, dtype=np.int64))
        if not len(chosen) or chosen[0] < 0 or chosen[-1] >= k:
            raise MorelliError(f"Name candidates by numbers from 0 to {k - 1}, not {among}.")
        rng = np.random.default_rng(seed)
        proba = proba_among(words, chosen)
        known = _Known.of(rehearsal, chosen)
        blend = _choose_blend(rehearsal, tuple(chosen.tolist()), int(np.clip(len(proba), *_SETS)), seed)
        mixed = _blended(em_shares(proba), proba.mean(axis=0), known.responses(), blend)
        draws = _resampled(proba, mixed, known, blend, n_boot, rng)
        return cls(words, p, rehearsal, _spread(mixed, chosen, k), _spread(draws, chosen, k), level, blend, rng)

    def among_candidates(self) -> Mixture:
        return self._mixture(0.0, np.zeros(len(self.draws)))

    def with_strangers(self) -> Mixture:
        scale = StrangerScale.fit(self.rehearsal)
        if scale is None:
            note = "The share of unknown models is not estimated: the bundle rehearsed too few images of hidden models."
            return replace(self.among_candidates(), notes=(note,))
        score = scale(self.words, self.p)
        strange = float(scale.share(score.mean(), self.shares))
        means = score.mean() + score.std() / np.sqrt(len(score)) * self.rng.standard_normal(len(self.draws))
        return self._mixture(strange, scale.resampled_share(means, self.draws, self.rng))

    def _mixture(self, strange: float, strange_draws: Float) -> Mixture:
        shares = np.append(self.shares * (1 - strange), strange)
        draws = np.column_stack([self.draws * (1 - strange_draws[:, None]), strange_draws])
        low, high = _limits(draws, self.level)
        lower, upper = np.minimum(low, shares), np.maximum(high, shares)
        return Mixture(shares, lower, upper, draws, self.level, len(self.words), self.blend)


def roll_up_shares(mixture: Mixture, groups: Sequence[str | None]) -> RolledUp:
    """Sum shares over groups of candidates, such as lineages.

    Parameters
    ----------
    mixture : Mixture
    groups : sequence of (str or None), length K
        Group of each candidate; those of None are one called ``not stated``.

    Raises
    ------
    ValueError
        There are not as many groups as candidates.
    """
    if len(groups) != len(mixture.shares) - 1:
        raise ValueError(f"{len(groups)} groups for {len(mixture.shares) - 1} candidates")
    told = ["not stated" if name is None else name for name in groups]
    names = sorted(set(told))
    member = np.zeros((len(mixture.shares), len(names) + 1))
    member[np.arange(len(told)), [names.index(name) for name in told]] = 1
    member[-1, -1] = 1
    shares = mixture.shares @ member
    low, high = _limits(mixture.draws @ member, mixture.level)
    return RolledUp((*names, UNKNOWN), shares, np.minimum(low, shares), np.maximum(high, shares))


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """References among the candidates that are possible."""

    proba: Float
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, rehearsal: Rehearsal, chosen: NDArray[np.int64]) -> _Known:
        own = np.isin(rehearsal.codes, chosen)
        return cls(
            proba_among(rehearsal.log_proba[own], chosen),
            np.searchsorted(chosen, rehearsal.codes[own]),
            rehearsal.groups[own],
        )

    @property
    def k(self) -> int:
        return int(self.proba.shape[1])

    def responses(self, weights: Float | None = None) -> Float:
        return response_matrix(self.proba, self.codes, self.k, weights)

    def resampled_weights(self, rng: np.random.Generator) -> Float:
        """Return how often each reference counts when prompts are resampled."""
        present, index = np.unique(self.groups, return_inverse=True)
        times = np.bincount(rng.integers(len(present), size=len(present)), minlength=len(present))
        return times[index].astype(np.float64)

    def underrating(self, weights: Float) -> Float:
        """Return the mean logarithm of the probability of each candidate's own images, shape (K,)."""
        own = np.log(np.maximum(self.proba[np.arange(len(self.codes)), self.codes], _LEAST_PROBA))
        counts = np.bincount(self.codes, weights, minlength=self.k)
        everything = float(own.mean()) if len(own) else 0.0
        sums = np.bincount(self.codes, own * weights, minlength=self.k)
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1e-12), everything))


def _check(words: Float, p: Float, k: int, level: float, n_boot: int) -> None:
    check_shape(words, p, k)
    if not len(words):
        raise NotEnoughDataError("There is no image whose maker could be counted.")
    if np.isnan(words).any() or (words > 1e-6).any() or not np.isfinite(words).any(axis=1).all():
        raise MorelliError("Answers are logarithms of probabilities; leave images out that could not be judged.")
    if not ((p > 0) & (p <= 1)).all():
        raise MorelliError("Open-set p-values lie above 0 and at most at 1.")
    if not 0 < level < 1 or n_boot < 20:
        raise MorelliError(f"An interval needs a level between 0 and 1 and 20 draws, not {level} and {n_boot}.")


def _spread(shares: Float, chosen: NDArray[np.int64], k: int) -> Float:
    """Return shares of all candidates, 0 for those that were not possible."""
    full = np.zeros((*shares.shape[:-1], k))
    full[..., chosen] = shares
    return full


def _blended(likeliest: Float, mean_answer: Float, responses: Float, blend: float) -> Float:
    if blend == 0:
        return likeliest
    return (1 - blend) * likeliest + blend * adjusted_shares(mean_answer, responses)


@lru_cache(maxsize=32)  # sets and parts of a campaign ask the same
def _choose_blend(rehearsal: Rehearsal, chosen: tuple[int, ...], size: int, seed: int) -> float:
    """Return the weight of the correction with the least error on sets of so many references.

    Sets are drawn from half of the prompts, and confusions learned on the other half: who is judged by his own
    confusions is flattered.
    """
    known, rng = _Known.of(rehearsal, np.array(chosen)), np.random.default_rng([seed, 1])
    prompts = np.unique(known.groups)
    if len(prompts) < 4 or known.k < 2:
        return 0.0
    losses = np.zeros(len(BLENDS))
    for _ in range(_TRIALS):
        judged = np.isin(known.groups, rng.permutation(prompts)[: len(prompts) // 2])
        sources = rng.permutation(np.unique(known.codes[judged]))[:_SOURCES]
        wanted = rng.dirichlet(np.full(len(sources), 2.0))
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(judged & (known.codes == source)), max(1, round(size * share)))
                for source, share in zip(sources, wanted, strict=True)
            ]
        )
        truth = np.bincount(known.codes[rows], minlength=known.k) / len(rows)
        likeliest = em_shares(known.proba[rows], tolerance=1e-5)
        responses = response_matrix(known.proba[~judged], known.codes[~judged], known.k)
        corrected = adjusted_shares(known.proba[rows].mean(axis=0), responses)
        for i, blend in enumerate(BLENDS):
            losses[i] += np.abs((1 - blend) * likeliest + blend * corrected - truth).sum()
    return BLENDS[int(np.argmin(losses))]


def _resampled(proba: Float, mixed: Float, known: _Known, blend: float, n_boot: int, rng: np.random.Generator) -> Float:
    """Return shares of resampled sets, shape (B, K)."""
    n, k = proba.shape
    part = min(n, _RESAMPLED)
    base = known.underrating(np.ones(len(known.codes)))
    result = np.empty((n_boot, k))
    for start in range(0, n_boot, _CHUNK):
        size = min(_CHUNK, n_boot - start)
        times = [known.resampled_weights(rng) for _ in range(size)]
        factors = np.exp(np.clip(np.stack([known.underrating(w) for w in times]) - base, -3, 3))
        rows = rng.permutation(n)[:part] if part < n else np.arange(n)
        counts = rng.multinomial(part, np.full(part, 1 / part), size=size)
        drawn = em_shares(proba[rows], weights=counts, factors=factors, tolerance=1e-5, most_steps=300)
        if part < n:
            plain = em_shares(proba[rows], weights=counts, tolerance=1e-5, most_steps=300)
            drawn = mixed + np.sqrt(part / n) * (plain - plain.mean(axis=0)) + (drawn - plain)
            drawn = np.maximum(drawn, 0)
            drawn /= drawn.sum(axis=1, keepdims=True)
        if blend:
            means = counts @ proba[rows] / part
            drawn = np.stack(
                [
                    _blended(one, mean, known.responses(w), blend)
                    for one, mean, w in zip(drawn, means, times, strict=True)
                ]
            )
        result[start : start + size] = drawn
    result = np.maximum(mixed + WIDENING * (result - mixed), 0)
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def _limits(draws: Float, level: float) -> tuple[Float, Float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
