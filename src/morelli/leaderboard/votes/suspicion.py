"""Tests of one voter at a time, by an operator who does not know which model is pushed, or by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, chdtrc, expit, ndtr, xlogy

from morelli.errors import MorelliError
from morelli.leaderboard.votes.ballots import LEFT, TIE
from morelli.leaderboard.votes.simulation import honest_law

__all__ = [
    "Detector",
    "Evidence",
    "binomial_interval",
    "binomial_tail",
    "busiest_hour",
    "get_detector",
    "list_detectors",
    "register_detector",
]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

_CHUNK: Final = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Votes by voter, beside what is expected of an honest voter.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n,)
        Codes of models.
    outcome : ndarray of int8, shape (n,)
    voter : ndarray of int64, shape (n,)
        0 to n_voters - 1.
    n_voters : int
    theta : ndarray, shape (M,)
        Ratings, natural units.
    tie : float
        Share of ties between equals.
    pairs : ndarray, shape (M, M)
        How often the operator shows each ordered pair.
    """

    left: Codes
    right: Codes
    outcome: NDArray[np.int8]
    voter: Codes
    n_voters: int
    theta: Float
    tie: float
    pairs: Float

    def by_voter(self, values: Float | None = None) -> Float:
        """Return sums over the votes of each voter (or their number), shape (n_voters,)."""
        return np.bincount(self.voter, weights=values, minlength=self.n_voters).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Detector:
    """A test of voters.

    Attributes
    ----------
    name, summary : str
    p_values : callable
        From `Evidence` to a p-value for each voter, shape (n_voters,); 1 for a voter without votes.
    """

    name: str
    summary: str
    p_values: Callable[[Evidence], Float]


_DETECTORS: dict[str, Detector] = {}

Test = Callable[[Evidence], Float]


def register_detector(name: str, summary: str) -> Callable[[Test], Test]:
    """Return a decorator that adds a test under a name."""

    def add(test: Test) -> Test:
        if name in _DETECTORS:
            raise MorelliError(f"There already is a detector called {name}.")
        _DETECTORS[name] = Detector(name, summary, test)
        return test

    return add


def list_detectors() -> list[Detector]:
    """Return all detectors."""
    return list(_DETECTORS.values())


def get_detector(name: str) -> Detector:
    """Return a detector by name.

    Raises
    ------
    MorelliError
        There is none.
    """
    if name not in _DETECTORS:
        raise MorelliError(f'There is no detector "{name}"; there are: {", ".join(_DETECTORS)}.')
    return _DETECTORS[name]


def binomial_tail(k: Float, n: Float, p: Float) -> Float:
    """Return the probability of `k` or more of `n` at probability `p`, elementwise."""
    inside = (k > 0) & (k <= n)
    value = betainc(np.where(inside, k, 1.0), np.where(inside, n - k + 1.0, 1.0), np.clip(p, 0.0, 1.0))
    return np.asarray(np.where(inside, value, np.where(k <= 0, 1.0, 0.0)), dtype=np.float64)


def binomial_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper & Pearson 1934), NaN without any trial."""
    if n == 0:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    return low, float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0


@register_detector("favour", "wins of one model in a voter's votes against those expected: exact binomial, each model")
def _favour(evidence: Evidence) -> Float:
    """Two-sided; the smallest p over the models by Bonferroni.

    The wins of a model over different opponents follow a sum of unequal Bernoulli laws, whose tails are lighter than
    those of the binomial law with the same mean (Hoeffding 1956), so that the test errs on the voter's side. Ties are
    left out, and chances are those given that there is no tie.
    """
    law = honest_law(evidence.theta, evidence.tie)
    decided = evidence.outcome != TIE
    left, right, voter = (getattr(evidence, name)[decided] for name in ("left", "right", "voter"))
    won = (evidence.outcome[decided] == LEFT).astype(np.float64)
    chance = law[left, right, 0] / (law[left, right, 0] + law[left, right, 1])
    m = len(evidence.theta)
    cells = np.concatenate([voter * m + left, voter * m + right])

    def table(values: Float | None = None) -> Float:
        return np.bincount(cells, weights=values, minlength=evidence.n_voters * m).reshape(-1, m).astype(np.float64)

    n, k = table(), table(np.concatenate([won, 1.0 - won]))
    p = table(np.concatenate([chance, 1.0 - chance])) / np.maximum(n, 1.0)
    tails = np.minimum(binomial_tail(k, n, p), binomial_tail(n - k, n, 1.0 - p))
    smallest = np.where(n > 0, 2.0 * tails, 1.0).min(axis=1, initial=1.0)
    return np.asarray(np.minimum(1.0, smallest * np.maximum(1, (n > 0).sum(axis=1))))


@register_detector(
    "presence", "votes in battles of one model against how often it is shown: exact binomial, each model"
)
def _presence(evidence: Evidence) -> Float:
    """One-sided (more often than shown); the smallest p over the models by Bonferroni."""
    m = len(evidence.theta)
    cells = np.concatenate([evidence.voter * m + evidence.left, evidence.voter * m + evidence.right])
    k = np.bincount(cells, minlength=evidence.n_voters * m).reshape(-1, m).astype(np.float64)
    n = evidence.by_voter()[:, None]
    p = 2.0 * evidence.pairs.sum(axis=1) / evidence.pairs.sum()
    return np.asarray(np.minimum(1.0, binomial_tail(k, n, p[None, :]).min(axis=1, initial=1.0) * m))


@register_detector("taste", "all models at once: score test for other strengths than those that all voters share, chi2")
def _taste(evidence: Evidence) -> Float:
    """Rao's score test of the Bradley-Terry model of one voter against the common strengths.

    The law is that of many votes; with few votes a voter it is an approximation.
    """
    m = len(evidence.theta)
    p = expit(evidence.theta[:, None] - evidence.theta[None, :])
    # Variance of a score that is 1/2 for a tie, under `honest_law`.
    variance = p * (1.0 - p) * (1.0 - evidence.tie)
    points = np.array([1.0, 0.0, 0.5])[evidence.outcome] - p[evidence.left, evidence.right]
    result = np.ones(evidence.n_voters)
    order = np.argsort(evidence.voter, kind="stable")
    rows = max(1, _CHUNK // (m * m))
    for start in range(0, evidence.n_voters, rows):
        stop = min(start + rows, evidence.n_voters)
        a, b = np.searchsorted(evidence.voter, [start, stop], sorter=order)
        at = order[a:b]
        who, left, right = evidence.voter[at] - start, evidence.left[at], evidence.right[at]
        sums = np.bincount(who * m + left, weights=points[at], minlength=(stop - start) * m)
        sums -= np.bincount(who * m + right, weights=points[at], minlength=(stop - start) * m)
        weight = np.bincount((who * m + left) * m + right, variance[left, right], (stop - start) * m * m)
        spread = weight.reshape(-1, m, m)
        spread = spread + np.swapaxes(spread, 1, 2)
        bread = -spread
        bread[:, np.arange(m), np.arange(m)] += spread.sum(axis=2)
        values, vectors = np.linalg.eigh(bread)
        kept = values > 1e-9 * np.maximum(values[:, -1:], 1e-300)
        along = np.einsum("uij,ui->uj", vectors, sums.reshape(-1, m))
        statistic = np.where(kept, along**2 / np.where(kept, values, 1.0), 0.0).sum(axis=1)
        freedom = kept.sum(axis=1) * (values[:, -1] > 0.0)
        result[start:stop] = np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistic), 1.0)
    return result


@register_detector("agreement", "likelihood of a voter's votes against that of an honest voter's, one-sided")
def _agreement(evidence: Evidence) -> Float:
    """Log-likelihood beside its law under the common strengths: exact mean and variance, and Edgeworth's first term.

    Votes against the odds weigh more than votes with them, so that the law leans to low values; a normal law would
    accuse honest voters (Hall 1992, section 2.3).
    """
    law = honest_law(evidence.theta, evidence.tie)
    with np.errstate(divide="ignore"):
        logs = np.where(law > 0.0, np.log(law), 0.0)
    mean = xlogy(law, law).sum(axis=2)
    variance = (law * logs**2).sum(axis=2) - mean**2
    third = (law * (logs - mean[..., None]) ** 3).sum(axis=2)
    left, right = evidence.left, evidence.right
    # An outcome that cannot be (a tie where there are none) is as unlikely as one in a million.
    said = np.where(law > 0.0, logs, np.log(1e-6))[left, right, evidence.outcome]
    excess = evidence.by_voter(said - mean[left, right])
    spread = np.sqrt(np.maximum(evidence.by_voter(variance[left, right]), 0.0))
    known = spread > 1e-9
    scale = np.where(known, spread, 1.0)
    z, skew = excess / scale, evidence.by_voter(third[left, right]) / scale**3
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi)
    return np.where(known, np.clip(ndtr(z) - density * skew * (z**2 - 1.0) / 6.0, 0.0, 1.0), 1.0)


@register_detector("combined", "the smallest p of the other tests, by Bonferroni")
def _combined(evidence: Evidence) -> Float:
    tests = (_favour, _presence, _taste, _agreement)
    return np.asarray(np.minimum(1.0, len(tests) * np.min([test(evidence) for test in tests], axis=0)))


def busiest_hour(voter: Codes, n_voters: int, time: Float) -> NDArray[np.int64]:
    """Return how many votes each voter cast in the hour with the most, shape (n_voters,).

    Parameters
    ----------
    voter : ndarray of int64, shape (n,)
    n_voters : int
    time : ndarray, shape (n,)
        Seconds.
    """
    result = np.zeros(n_voters, dtype=np.int64)
    if not len(voter):
        return result
    order = np.lexsort((time, voter))
    who = voter[order]
    passed = time[order] - time.min()
    # Voters lie behind one another on one axis, farther apart than an hour.
    axis = who * (float(passed.max()) + 7200.0) + passed
    first = np.searchsorted(axis, axis - 3600.0, side="right")
    np.maximum.at(result, who, np.arange(len(who)) - first + 1)
    return result
