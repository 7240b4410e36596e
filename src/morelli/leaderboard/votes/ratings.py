"""Bradley-Terry ratings on the Elo scale, with intervals for ratings and for ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, ndtri
from threadpoolctl import threadpool_limits

from morelli.errors import MorelliError
from morelli.leaderboard.votes._solve import check_rankable, information, is_separated, ranks_of, solve
from morelli.leaderboard.votes.ballots import Tally, Votes, tally_of_cells

__all__ = ["ELO", "Ratings", "fit_ratings", "rank_intervals", "tie_share"]

Float = NDArray[np.float64]
Interval = Literal["sandwich", "bootstrap"]

ELO: Final = 400.0 / log(10.0)
"""Points of Elo's scale for one natural unit: 400 points are odds of ten to one."""

_CHUNK: Final = 4_000_000  # numbers held at once, so that memory stays flat
_DRAWS: Final = 2000
_FEW_VOTERS: Final = 40
_BOOTSTRAP_RIDGE: Final = 1e-3  # keeps a resample finite in which a model never loses; of no weight elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Ratings of models.

    Attributes
    ----------
    models : tuple of str
    theta : ndarray, shape (M,)
        Strengths in natural units, with mean 0: i beats j with odds ``exp(theta_i - theta_j)``.
    rating, low, high : ndarray, shape (M,)
        On Elo's scale, with the interval.
    rank, rank_low, rank_high : ndarray of int64, shape (M,)
        1 is the best; equals share the better rank. The interval holds for all models at once.
    covariance : ndarray, shape (M, M)
        Of `theta`.
    battles : ndarray, shape (M,)
        Votes that each model took part in.
    n : int
        Votes.
    n_voters : int or None
        Voters that the interval resamples or sums over; None where it treats votes as independent.
    interval : {"sandwich", "bootstrap"}
    level : float
    ridge : float
    notes : tuple of str
    """

    models: tuple[str, ...]
    theta: Float
    rating: Float
    low: Float
    high: Float
    rank: NDArray[np.int64]
    rank_low: NDArray[np.int64]
    rank_high: NDArray[np.int64]
    covariance: Float
    battles: Float
    n: int
    n_voters: int | None
    interval: Interval
    level: float
    ridge: float
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> NDArray[np.int64]:
        """Indices of the models from the best to the worst; equals by name."""
        return np.lexsort((np.array(self.models), self.rank))


def fit_ratings(
    votes: Votes | Tally,
    *,
    ridge: float = 0.0,
    interval: Interval = "sandwich",
    by_voter: bool | None = None,
    n_boot: int = 500,
    level: float = 0.95,
    mean: float = 1000.0,
    anchor: tuple[str, float] | None = None,
    seed: int = 0,
) -> Ratings:
    """Rate models by the Bradley-Terry model (Bradley & Terry 1952); a tie is half a win for each side.

    Intervals do not rely on the model being right. The sandwich (White 1982) has the observed spread of the votes in
    its middle, by voter where voters are known, as votes of one voter are not independent (Liang & Zeger 1986). The
    bootstrap draws votes, or whole voters, with replacement. Intervals of ranks are simultaneous, from all pairwise
    differences at once (Mogstad et al. 2024, "Inference for ranks"; Gao, Shen & Zhang 2023 for this model).

    Parameters
    ----------
    votes : Votes or Tally
        A tally knows no voters.
    ridge : float, default 0
        Precision of a normal prior on the strengths in natural units: 0.1 makes finite what would be infinite.
    interval : {"sandwich", "bootstrap"}
    by_voter : bool, optional
        Whether voters, not votes, are independent; by default where at least two are known.
    n_boot : int
    level : float
        Coverage aimed at, in (0, 1).
    mean : float
        Mean rating, where there is no anchor.
    anchor : (str, float), optional
        A model and its rating, from which the others are counted.
    seed : int

    Raises
    ------
    NotEnoughDataError
        Nothing to rank, models that never met, or a model that never loses; see the sentence.
    MorelliError
        An argument is out of range, or no such model is there to be the anchor.
    """
    tally = votes if isinstance(votes, Tally) else votes.tally()
    _check(tally, interval, n_boot, level, anchor)
    check_rankable(tally, ridge)
    with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
        theta = solve(tally.score, ridge)
        known = 0 if isinstance(votes, Tally) or votes.voter is None else len(np.unique(votes.voter))
        if by_voter and known < 2:
            raise MorelliError("An interval by voter needs votes with two voters or more.")
        clustered = known >= 2 if by_voter is None else by_voter
        notes = [f"A ridge of {ridge:g} draws all ratings towards their mean."] if ridge else []
        if clustered and known < _FEW_VOTERS:
            notes.append(f"Intervals rest on {known} voters; with so few they are too narrow.")
        source = votes if clustered and isinstance(votes, Votes) else tally
        if interval == "sandwich":
            covariance = _sandwich(source, tally, theta, ridge)
            vectors, values = _root(covariance)
            draws = np.random.default_rng(seed).standard_normal((_DRAWS, len(theta))) * values @ vectors.T
        else:
            replicas, separated = _bootstrap(source, theta, ridge, n_boot, seed)
            draws = replicas - theta
            covariance = np.cov(replicas, rowvar=False, bias=True)
            if separated:
                notes.append(
                    f"In {separated} of {n_boot} resamples a model never loses: its rating there is held by a ridge of "
                    f"{max(ridge, _BOOTSTRAP_RIDGE):g} only, and intervals are as wide as that."
                )
        if tally.wins.sum() == 0.0:
            notes.append("All votes are ties: the votes do not vary, and the intervals have no width.")
        shift, contrast = _contrast(tally.models, anchor)
        rating = (mean if anchor is None else anchor[1]) + ELO * (theta - shift @ theta)
        if interval == "sandwich":
            spread = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", contrast, covariance, contrast), 0.0))
            half = ELO * float(ndtri((1.0 + level) / 2.0)) * spread
            low, high = rating - half, rating + half
        else:
            moved = rating + ELO * draws @ contrast.T
            low, high = np.quantile(moved, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
        first, last = rank_intervals(theta, covariance, draws, level)
    return Ratings(
        tally.models,
        theta,
        rating,
        low,
        high,
        ranks_of(theta),
        first,
        last,
        covariance,
        tally.battles.sum(axis=1),
        round(tally.n),
        known if clustered else None,
        interval,
        level,
        ridge,
        tuple(notes),
    )


def rank_intervals(
    theta: Float, covariance: Float, draws: Float, level: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last rank that each model may have, for all models at once.

    A model is behind those that are better beyond the simultaneous margin of all pairwise differences, and before
    those that are worse beyond it.

    Parameters
    ----------
    theta : ndarray, shape (M,)
    covariance : ndarray, shape (M, M)
    draws : ndarray, shape (n, M)
        Deviations of estimates from the truth, as a normal law or a bootstrap makes them.
    level : float
    """
    variances = np.diagonal(covariance)
    spread = np.sqrt(np.maximum(variances[:, None] + variances[None, :] - 2.0 * covariance, 0.0))
    spread[spread <= 1e-12 * max(1.0, float(spread.max(initial=0.0)))] = 0.0
    upper = np.triu_indices(len(theta), 1)
    scale = spread[upper]
    varies = scale > 0.0
    margin = 0.0
    if varies.any():
        i, j = upper[0][varies], upper[1][varies]
        rows = max(1, _CHUNK // len(i))
        largest = np.concatenate(
            [
                (np.abs(part[:, i] - part[:, j]) / scale[varies]).max(axis=1)
                for part in (draws[start : start + rows] for start in range(0, len(draws), rows))
            ]
        )
        margin = float(np.quantile(largest, level))
    difference = theta[None, :] - theta[:, None]
    better = difference > margin * spread + 1e-8
    return (1 + better.sum(axis=1)).astype(np.int64), (len(theta) - better.sum(axis=0)).astype(np.int64)


def tie_share(tally: Tally, theta: Float) -> float:
    """Return the share of ties between equals that explains the ties of a tally, in [0, 0.5].

    See `morelli.leaderboard.votes.simulation.honest_law`: a tie has the probability ``4 t p (1 - p)``.
    """
    p = expit(theta[:, None] - theta[None, :])
    expected = float((tally.battles * 4.0 * p * (1.0 - p)).sum())
    return min(0.5, float(tally.ties.sum()) / expected) if expected > 0.0 else 0.0


def _check(tally: Tally, interval: str, n_boot: int, level: float, anchor: tuple[str, float] | None) -> None:
    if interval not in ("sandwich", "bootstrap"):
        raise MorelliError(f'The interval is "sandwich" or "bootstrap", not "{interval}".')
    if n_boot < 2 or not 0.0 < level < 1.0:
        raise MorelliError(f"Intervals need n_boot >= 2 and 0 < level < 1, got {n_boot} and {level}.")
    if anchor is not None and not isfinite(anchor[1]):
        raise MorelliError(f"The rating of the anchor is a finite number, not {anchor[1]}.")
    if anchor is not None and anchor[0] not in tally.models:
        raise MorelliError(f"No model is called {anchor[0]} to be the anchor; there are: {', '.join(tally.models)}.")


def _contrast(models: tuple[str, ...], anchor: tuple[str, float] | None) -> tuple[Float, Float]:
    """Return the weights of what is subtracted from each strength, and of what is left, shapes (M,) and (M, M)."""
    m = len(models)
    shift = np.full(m, 1.0 / m)
    if anchor is not None:
        shift = np.zeros(m)
        shift[models.index(anchor[0])] = 1.0
    return shift, np.eye(m) - shift


def _sandwich(source: Votes | Tally, tally: Tally, theta: Float, ridge: float) -> Float:
    """Return ``A+ B A+`` with the information A (and the ridge) and the sum of squared scores B."""
    m = len(theta)
    p = expit(theta[:, None] - theta[None, :])
    if isinstance(source, Tally):
        squares = tally.wins * (1.0 - p) ** 2 + tally.wins.T * p**2 + tally.ties * (0.5 - p) ** 2
        middle = -squares
        middle[np.arange(m), np.arange(m)] = squares.sum(axis=1)
    else:
        assert source.voter is not None
        sums = voter_scores(source, theta)
        voted = len(np.unique(source.voter))
        middle = sums.T @ sums * (voted / (voted - 1.0))
        middle = np.asarray(middle.todense())
    bread = information(tally.battles, theta) + ridge * np.eye(m)
    inverse = np.linalg.inv(bread + np.trace(bread) / m**2)
    inverse -= inverse.mean(axis=0)
    inverse -= inverse.mean(axis=1, keepdims=True)
    return np.asarray(inverse @ middle @ inverse)


def voter_scores(votes: Votes, theta: Float) -> csr_matrix:
    """Return for each voter the sum of ``(y - p)(e_left - e_right)``, sparse, shape (voters, M)."""
    y = np.array([1.0, 0.0, 0.5])[votes.outcome]
    surprise = y - expit(theta[votes.left] - theta[votes.right])
    shape = (len(votes.voters), len(theta))
    rows = np.concatenate([votes.voter, votes.voter])
    columns = np.concatenate([votes.left, votes.right])
    return csr_matrix((np.concatenate([surprise, -surprise]), (rows, columns)), shape=shape)


def _root(covariance: Float) -> tuple[Float, Float]:
    """Return eigenvectors and roots of eigenvalues."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return vectors, np.sqrt(np.maximum(values, 0.0))


def _bootstrap(source: Votes | Tally, theta: Float, ridge: float, n_boot: int, seed: int) -> tuple[Float, int]:
    """Return strengths of resamples, shape (n_boot, M), and in how many of them some model never loses."""
    m = len(theta)
    found, separated = [], 0
    for score in _resampled(source, n_boot, max(1, _CHUNK // (8 * m * m)), np.random.default_rng(seed)):
        separated += sum(is_separated(one) for one in score)
        found.append(solve(score, max(ridge, _BOOTSTRAP_RIDGE), theta))
    return np.concatenate(found), separated


def _resampled(source: Votes | Tally, n_boot: int, rows: int, rng: np.random.Generator) -> Iterator[Float]:
    """Yield matrices of scores of resampled votes or voters, shape (rows, M, M)."""
    m = len(source.models)
    if isinstance(source, Tally):
        # Votes of one pair and outcome are alike: to draw votes is to draw how many there are of each kind.
        upper = np.triu(source.ties)
        kinds = np.concatenate([source.wins.ravel(), upper.ravel()])
        n = round(source.n)
        for start in range(0, n_boot, rows):
            counts = rng.multinomial(n, kinds / kinds.sum(), size=min(rows, n_boot - start)).astype(np.float64)
            wins, ties = counts[:, : m * m].reshape(-1, m, m), counts[:, m * m :].reshape(-1, m, m)
            yield wins + (ties + np.swapaxes(ties, 1, 2)) / 2.0
        return
    assert source.voter is not None
    who, member = np.unique(source.voter, return_inverse=True)
    for start in range(0, n_boot, rows):
        number = min(rows, n_boot - start)
        weights = rng.multinomial(len(who), np.full(len(who), 1.0 / len(who)), size=number).astype(np.float64)
        yield np.stack([tally_of_cells(source.models, source.cell, one[member]).score for one in weights])
