"""A test whether all images of a set are by claimed generators, with a stated rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.rehearsal import Rehearsal
from morelli.audit._answers import check_shape, proba_among
from morelli.audit.consistency.suspicion import SuspicionScale
from morelli.audit.mixture.em import em_shares
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["SHARES", "Consistency", "test_consistency"]

Float = NDArray[np.float64]

SHARES = np.array([0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8])
"""Shares of images from elsewhere that the statistic looks for."""

CAP = 5.0
"""Largest suspicion of a single image (nats): one image proves nothing, however sure it sounds."""

POWER = 0.8
"""Chance to notice what is called detectable."""

LENDING = 0.5
"""Variance of the difference between two candidates' mean scores up to which they lend each other references, as a
share of what chance alone gives."""

_POWER_DRAWS = 200
_RESAMPLED = 200
_HALF_CHI2 = 1.92
"""Half of the 95% quantile of chi-squared with one degree of freedom."""

_FINE = np.linspace(0, 1, 201)
_CHUNK = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Consistency:
    """What a set says about a claim.

    Attributes
    ----------
    statistic : float
        Log-likelihood ratio (nats) of the best share of images from elsewhere against none.
    p_value : float
        How often sets by claimed generators alone reach it; never below 1 / (draws + 1).
    level : float
        Rate of false alarms that was asked for.
    consistent : bool
        Whether the p-value is above it. That is no proof: see `smallest_detectable`.
    suspicion : ndarray, shape (n,)
        Log-likelihood ratio of each image against the claimed generator that fits it best.
    image_p : ndarray, shape (n,)
        How often references of claimed generators are as suspicious.
    order : ndarray of int, shape (n,)
        Rows, the most suspicious first.
    share_estimate : float
        Likeliest share of images from elsewhere.
    share_interval : tuple of float
        At 95%, by resampling images and by the likelihood ratio; from 0 where the set is consistent.
    smallest_detectable : float or None
        Least share of images by another candidate that would be noticed with a chance of `POWER`; None where not even
        all would, or where nobody asked.
    """

    statistic: float
    p_value: float
    level: float
    consistent: bool
    suspicion: Float
    image_p: Float
    order: NDArray[np.int64]
    share_estimate: float
    share_interval: tuple[float, float]
    smallest_detectable: float | None


def test_consistency(
    log_proba: ArrayLike,
    open_set_p: ArrayLike,
    claimed: Sequence[int] | NDArray[np.integer],
    rehearsal: Rehearsal | Sequence[Rehearsal],
    *,
    judge: ArrayLike | None = None,
    level: float = 0.05,
    n_draws: int = 2000,
    seed: int = 0,
    power: bool = True,
) -> Consistency:
    """Test whether every image of a set is by one of the claimed candidates.

    The statistic is the likelihood ratio of a mixture: the largest ``sum_i log(1 - e + e r_i)`` over shares e, where
    r_i is how much likelier the answer for image i is for somebody else's image (:class:`SuspicionScale`). Its law
    under the claim is simulated from out-of-fold answers for references: prompts are drawn with Dirichlet weights
    (Rubin 1981, "The Bayesian bootstrap"), so that it allows for their small number, and candidates whose references
    look alike in score lend each other theirs.

    Parameters
    ----------
    log_proba : array-like, shape (n, K)
        Calibrated log-probabilities, without images that could not be judged.
    open_set_p : array-like, shape (n,)
        Above 0, at most 1.
    claimed : sequence of int
        Candidates.
    rehearsal : Rehearsal or sequence of Rehearsal
        Of the attributor that answered; of several with the same candidates, where each judged a part, as in
        cross-fitting.
    judge : array-like of int, shape (n,), optional
        Which of several judged each image.
    level : float, default 0.05
        Rate of false alarms.
    n_draws : int, default 2000
        Simulated sets; at least 100.
    seed : int, default 0
    power : bool, default True
        Whether the smallest share that would be noticed is looked for, which takes longer than the test.

    Raises
    ------
    NotEnoughDataError
        There is no image.
    MorelliError
        A claimed number is no candidate, all are claimed, or other input makes no sense.
    """
    words, p = np.asarray(log_proba, dtype=np.float64), np.asarray(open_set_p, dtype=np.float64)
    own = np.unique(np.asarray(claimed, dtype=np.int64))
    rehearsals = [rehearsal] if isinstance(rehearsal, Rehearsal) else list(rehearsal)
    judged_by = np.zeros(len(words), dtype=np.int64) if judge is None else np.asarray(judge, dtype=np.int64)
    for one in rehearsals:
        _check(words, p, own, one, level, n_draws)
    if judged_by.shape != p.shape or judged_by.min() < 0 or judged_by.max() >= len(rehearsals):
        raise MorelliError(f"Say for each image which of {len(rehearsals)} attributors judged it.")
    rng = np.random.default_rng(seed)
    scales = [SuspicionScale.fit(one) for one in rehearsals]
    suspicion = np.empty(len(words))
    for number, scale in enumerate(scales):
        rows = judged_by == number
        suspicion[rows] = scale(words[rows], p[rows])[:, own].min(axis=1)
    summed = _summed(suspicion, SHARES)
    statistic = float(max(summed.max(), 0.0))

    parts = np.bincount(judged_by, minlength=len(scales)) / len(words)
    null = _Null(scales, parts, own, _mix(words, own), rng)
    simulated = null.draw(len(words), n_draws)
    p_value = float((1 + (simulated >= statistic).sum()) / (n_draws + 1))
    consistent = p_value > level
    estimate, low, high = _share(suspicion, rng)
    return Consistency(
        statistic,
        p_value,
        level,
        consistent,
        suspicion,
        null.image_p(suspicion),
        np.argsort(-suspicion, kind="stable").astype(np.int64),
        estimate,
        (0.0 if consistent else low, high),
        null.detectable(len(words), float(np.quantile(simulated, 1 - level))) if power else None,
    )


test_consistency.__test__ = False  # type: ignore[attr-defined]  # its name is what it does; pytest is not meant


def _check(
    words: Float, p: Float, claimed: NDArray[np.int64], rehearsal: Rehearsal, level: float, n_draws: int
) -> None:
    k = rehearsal.n_classes
    check_shape(words, p, k)
    if not len(words):
        raise NotEnoughDataError("There is no image that could be tested.")
    if np.isnan(words).any() or (words > 1e-6).any() or not ((p > 0) & (p <= 1)).all():
        raise MorelliError("Answers are logarithms of probabilities; leave images out that could not be judged.")
    if not len(claimed) or claimed[0] < 0 or claimed[-1] >= k:
        raise MorelliError(f"Claimed are one or more candidates, by numbers from 0 to {k - 1}.")
    if len(claimed) == k:
        raise MorelliError("Every candidate is claimed: there is nobody else whose images could be found.")
    if not set(claimed.tolist()) <= set(rehearsal.codes.tolist()):
        raise NotEnoughDataError("A claimed candidate has no reference that was judged out of fold.")
    if not 0 < level < 1 or n_draws < 100:
        raise MorelliError(f"A test needs a level between 0 and 1 and 100 draws, not {level} and {n_draws}.")


def _summed(suspicion: Float, shares: Float) -> Float:
    """Return the log-likelihood ratio of each share, in bounded memory."""
    total = np.zeros(len(shares))
    for start in range(0, len(suspicion), _CHUNK):
        total += _each(suspicion[start : start + _CHUNK], shares).sum(axis=0)
    return total


def _each(suspicion: Float, shares: Float) -> Float:
    return np.asarray(np.log1p(shares * np.expm1(np.minimum(suspicion, CAP))[..., None]))


def _mix(words: Float, claimed: NDArray[np.int64]) -> Float:
    """Return in which shares the claimed candidates seem to have made the set."""
    if len(claimed) == 1:
        return np.ones(1)
    return em_shares(proba_among(words, claimed))


def _share(suspicion: Float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the likeliest share of images from elsewhere, and a 95% interval.

    By resampling images; at least as wide as by the likelihood ratio, because none of few images is suspicious in any
    resampled set where none was.
    """
    part = suspicion if len(suspicion) <= _CHUNK else rng.choice(suspicion, _CHUNK, replace=False)
    ratio = np.expm1(np.minimum(part, CAP))
    each = np.log1p(np.minimum(_FINE, 0.995)[:, None] * ratio)
    likelihood = each.sum(axis=1) * (len(suspicion) / len(part))
    estimate = float(_FINE[int(likelihood.argmax())])
    plausible = _FINE[likelihood >= likelihood.max() - _HALF_CHI2]
    counts = rng.multinomial(len(part), np.full(len(part), 1 / len(part)), size=_RESAMPLED)
    drawn = _FINE[(counts @ each.T).argmax(axis=1)]
    # Of a part of a large set the deviations are those of the part; the whole has smaller ones.
    drawn = estimate + np.sqrt(len(part) / len(suspicion)) * (drawn - estimate)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return estimate, float(min(low, plausible[0])), float(max(high, plausible[-1]))


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """References that sets by claimed candidates are drawn from, all judged by one attributor."""

    scale: SuspicionScale
    score: Float
    each: Float
    rows: dict[int, NDArray[np.intp]]

    @classmethod
    def of(cls, scale: SuspicionScale, claimed: NDArray[np.int64]) -> _Pool:
        # A reference of a claimed candidate may fit another claimed one better, and only then is that one's.
        others = scale.others[:, claimed].min(axis=1)
        score = np.where(np.isin(scale.codes, claimed), np.minimum(scale.own, others), scale.own)
        rows = {int(name): np.flatnonzero(scale.codes == name) for name in np.unique(scale.codes)}
        return cls(scale, score, _each(score, SHARES), rows)

    def sums(self, lender: int, sizes: NDArray[np.int64], rng: np.random.Generator) -> Float:
        """Return summed log-likelihood ratios, shape (B, E), of sets of so many of the lender's references."""
        rows = self.rows[lender]
        prompts, index = np.unique(self.scale.groups[rows], return_inverse=True)
        mass = rng.dirichlet(np.ones(len(prompts)), len(sizes))[:, index] / np.bincount(index)[index]
        return np.asarray(rng.multinomial(sizes, mass / mass.sum(axis=1, keepdims=True)) @ self.each[rows])


class _Null:
    """Sets by claimed candidates alone, drawn from references."""

    def __init__(
        self,
        scales: Sequence[SuspicionScale],
        parts: Float,
        claimed: NDArray[np.int64],
        mix: Float,
        rng: np.random.Generator,
    ) -> None:
        self._claimed, self._mix, self._parts, self._rng = claimed, mix, parts, rng
        self._pools = [_Pool.of(scale, claimed) for scale in scales]
        common = set.intersection(*(set(pool.rows) for pool in self._pools))
        lenders = np.stack([np.mean([_lenders(scale, int(name)) for scale in scales], axis=0) for name in claimed])
        lenders[:, [name not in common for name in range(lenders.shape[1])]] = 0
        self._lenders = lenders / lenders.sum(axis=1, keepdims=True)
        self._names = sorted(common)

    def image_p(self, suspicion: Float) -> Float:
        """Return the share of references, by lender's weight, that are at least as suspicious."""
        codes = np.concatenate([pool.scale.codes for pool in self._pools])
        score = np.concatenate([pool.score for pool in self._pools])
        counts = np.bincount(codes, minlength=self._lenders.shape[1])
        weight = (self._mix @ self._lenders)[codes] / counts[codes]
        weight /= weight.sum()
        order = np.argsort(score, kind="stable")
        above = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
        share = above[np.searchsorted(score[order], suspicion, side="left")]
        # Kish: as many equal references as the weighted ones are worth; one and the same seen by several counts once.
        worth = 1 / float((weight**2).sum()) / len(self._pools)
        return np.asarray(np.minimum((share * worth + 1) / (worth + 1), 1.0))

    def draw(self, n: int, n_draws: int) -> Float:
        """Return statistics of `n_draws` sets of `n` images, shape (n_draws,)."""
        return np.asarray(np.maximum(self._sums(np.full(n_draws, n)).max(axis=1), 0))

    def detectable(self, n: int, critical: float) -> float | None:
        """Return the least share by another candidate that exceeds `critical` with a chance of `POWER`."""
        low, high = 0, n
        if not self._noticed(n, n, critical):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._noticed(n, middle, critical) else (middle, high)
        return high / n

    def _noticed(self, n: int, foreign: int, critical: float) -> bool:
        rng = np.random.default_rng([n, foreign])
        sums = self._sums(np.full(_POWER_DRAWS, n - foreign))
        rivals = [name for name in self._names if name not in self._claimed]
        for i, rival in enumerate(rng.choice(rivals, _POWER_DRAWS)):
            for pool, part in zip(self._pools, rng.multinomial(foreign, self._parts), strict=True):
                against = pool.scale.others[pool.rows[int(rival)]][:, self._claimed].min(axis=1)
                times = rng.multinomial(part, np.full(len(against), 1 / len(against)))
                sums[i] += times @ _each(against, SHARES)
        return bool((sums.max(axis=1) > critical).mean() >= POWER)

    def _sums(self, sizes: NDArray[np.int64]) -> Float:
        """Return summed log-likelihood ratios, shape (B, E), of sets of so many images."""
        rng, result = self._rng, np.zeros((len(sizes), len(SHARES)))
        dealt = _dealt(sizes, self._mix, rng)
        for lenders, drawn in zip(self._lenders, dealt, strict=True):
            # Who lends is drawn once for a set: its images are by one and the same generator.
            chosen = rng.choice(len(lenders), len(sizes), p=lenders)
            for pool, times in zip(self._pools, _dealt(drawn, self._parts, rng), strict=True):
                for name in np.unique(chosen):
                    sets = np.flatnonzero(chosen == name)
                    result[sets] += pool.sums(int(name), times[sets], rng)
        return result


def _dealt(sizes: NDArray[np.int64], mix: Float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many images of each set fall to each part, shape (parts, B)."""
    return np.asarray(rng.multinomial(sizes, np.maximum(mix, 0) / mix.sum())).T


def _lenders(scale: SuspicionScale, claimed: int) -> Float:
    """Return how far each candidate's references stand in for a claimed one's, shape (K,), sum 1.

    A Gaussian of the difference of mean scores, narrower than such a difference scatters: the Dirichlet weights
    already allow for the small number of a lender's own references.
    """
    k = scale.others.shape[1]
    counts = np.bincount(scale.codes, minlength=k)
    means = np.bincount(scale.codes, scale.own, minlength=k) / np.maximum(counts, 1)
    spread = float(np.mean((scale.own - means[scale.codes]) ** 2))
    variance = LENDING * spread * (1 / np.maximum(counts, 1) + 1 / counts[claimed])
    weight = np.exp(-0.5 * (means - means[claimed]) ** 2 / np.maximum(variance, 1e-12))
    weight[counts == 0] = 0
    return np.asarray(weight / weight.sum())
