"""Honest voters: which pair they see, how they vote, and how their tastes differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtri

from morelli.errors import MorelliError
from morelli.leaderboard.votes.ballots import LEFT, RIGHT, TIE, Tally, Votes
from morelli.leaderboard.votes.ratings import ELO

__all__ = [
    "HONEST_GAP",
    "draw_cells",
    "honest_law",
    "model_names",
    "pair_probabilities",
    "session_times",
    "simulate_board",
    "simulate_votes",
    "spread_strengths",
]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

HONEST_GAP: Final = 45.0
"""Assumed mean seconds between two votes of an honest voter in a session."""

_SHAPE: Final = 0.7  # of the gamma law of how busy voters are: most vote little, some a lot


def spread_strengths(n_models: int, spread: float = 100.0, seed: int | None = None) -> Float:
    """Return strengths (natural units) of models that are spread like a normal law with a deviation of `spread` Elo.

    Parameters
    ----------
    n_models : int
    spread : float
        Points of Elo.
    seed : int, optional
        Shuffles them; by default the first is the strongest.
    """
    if n_models < 1 or not spread >= 0.0:
        raise MorelliError(f"A board has models and a spread of at least 0, not {n_models} and {spread}.")
    scores = -np.asarray(ndtri((np.arange(n_models) + 0.5) / n_models), dtype=np.float64)
    scores -= scores.mean()
    deviation = float(scores.std())
    theta = scores * (spread / ELO / deviation if deviation > 0.0 else 0.0)
    return theta if seed is None else np.random.default_rng(seed).permutation(theta)


def model_names(n_models: int) -> tuple[str, ...]:
    """Return names for simulated models, in alphabetical order.

    Examples
    --------
    >>> model_names(3)
    ('model-1', 'model-2', 'model-3')
    """
    digits = len(str(n_models))
    return tuple(f"model-{i + 1:0{digits}d}" for i in range(n_models))


def pair_probabilities(n_models: int, weights: ArrayLike | None = None) -> Float:
    """Return how often each ordered pair of models is shown, shape (M, M), symmetric, with sum 1.

    Parameters
    ----------
    n_models : int
    weights : array-like, shape (M,) or (M, M), optional
        How often the operator shows each model (a pair in proportion to the product), or each pair. All pairs are
        equally frequent where nothing is said.
    """
    if n_models < 2:
        raise MorelliError(f"A battle needs two models, and there are {n_models}.")
    values = np.ones(n_models) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape not in ((n_models,), (n_models, n_models)) or not np.isfinite(values).all() or values.min() < 0.0:
        raise MorelliError(f"Sampling needs a weight of at least 0 for each of {n_models} models, or for each pair.")
    matrix = np.outer(values, values) if values.ndim == 1 else (values + values.T) / 2.0
    matrix = matrix * (1.0 - np.eye(n_models))
    if matrix.sum() <= 0.0:
        raise MorelliError("No pair of models is ever shown: at least two need a weight.")
    return np.asarray(matrix / matrix.sum())


def honest_law(theta: Float, tie: float = 0.0) -> Float:
    """Return the probabilities of outcomes of an honest vote, shape (M, M, 3): left, right, tie.

    The left model wins a battle with probability ``p = sigma(theta_i - theta_j)`` (Bradley & Terry 1952). A tie takes
    ``4 t p (1 - p)`` from both alike, as of a voter who looks twice and is undecided when the looks disagree. Unlike
    the laws of Rao & Kupper (1967) and Davidson (1970), the expected score stays `p`, so that ratings that count a tie
    as half a win estimate `theta`.

    Parameters
    ----------
    theta : ndarray, shape (M,)
    tie : float
        Share of ties between equals, in [0, 0.5].
    """
    p = expit(theta[:, None] - theta[None, :])
    return np.stack(_outcomes(p, tie), axis=-1)


def _outcomes(p: Float, tie: float) -> tuple[Float, Float, Float]:
    if not 0.0 <= tie <= 0.5:
        raise MorelliError(f"The share of ties between equals lies in [0, 0.5], not at {tie}.")
    drawn = 4.0 * tie * p * (1.0 - p)
    return p - drawn / 2.0, 1.0 - p - drawn / 2.0, drawn


def draw_cells(table: Float, n: int, rng: np.random.Generator) -> Codes:
    """Draw `n` flat indices into a table of probabilities (or weights), with replacement."""
    bounds = np.cumsum(table.ravel())
    drawn = np.searchsorted(bounds, rng.random(n) * bounds[-1], side="right")
    # Rounding may put a draw behind the last cell that has a probability.
    return np.asarray(np.minimum(drawn, int(np.flatnonzero(table.ravel())[-1])), dtype=np.int64)


def simulate_votes(
    theta: ArrayLike,
    n: int,
    *,
    models: Sequence[str] | None = None,
    tie: float = 0.1,
    pairs: Float | None = None,
    voters: int = 0,
    taste: float = 0.0,
    hours: float = 24.0 * 30,
    seed: int = 0,
) -> Votes:
    """Simulate honest votes.

    Parameters
    ----------
    theta : array-like, shape (M,)
        Strengths in natural units, see `spread_strengths`.
    n : int
        Votes.
    models : sequence of str, optional
    tie : float
        Share of ties between equals, in [0, 0.5].
    pairs : ndarray, shape (M, M), optional
        See `pair_probabilities`; all pairs alike where nothing is said.
    voters : int
        Voters who cast them, each in one session of the period; how much they vote varies as a gamma law. 0: unknown.
    taste : float
        Standard deviation, in points of Elo, of what a voter thinks of each model around what all think.
    hours : float
        Length of the period.
    seed : int

    Returns
    -------
    Votes
        By time, where there are voters.
    """
    strengths = np.asarray(theta, dtype=np.float64)
    m = len(strengths)
    if n < 0 or voters < 0 or not taste >= 0.0 or not hours > 0.0:
        raise MorelliError("Votes, voters and taste are at least 0, and the period has a length.")
    if taste > 0.0 and voters == 0:
        raise MorelliError("Tastes are those of voters; say how many there are.")
    rng = np.random.default_rng(seed)
    shown = draw_cells(pair_probabilities(m) if pairs is None else pairs, n, rng)
    left, right = np.divmod(shown, m)
    names = model_names(m) if models is None else tuple(models)
    if voters == 0:
        edges = np.cumsum(honest_law(strengths, tie), axis=-1).reshape(-1, 3)[:, :2]
        return Votes(names, left, right, _outcome(edges[shown], rng))
    voter = np.sort(draw_cells(rng.gamma(_SHAPE, size=voters), n, rng))
    own = strengths + rng.standard_normal((voters, m)) * (taste / ELO)
    chances = _outcomes(expit(own[voter, left] - own[voter, right]), tie)
    outcome = _outcome(np.cumsum(np.stack(chances[:2], axis=-1), axis=-1), rng)
    time = session_times(voter, rng.random(voters) * hours * 3600.0, HONEST_GAP, rng)
    order = np.argsort(time, kind="stable")
    digits = len(str(voters))
    people = tuple(f"voter-{i + 1:0{digits}d}" for i in range(voters))
    return Votes(names, left[order], right[order], outcome[order], voter[order], people, time[order])


def session_times(voter: Codes, begins: Float, gap: float, rng: np.random.Generator) -> Float:
    """Return times of votes, sorted by voter, with exponential pauses after each voter's begin, in seconds."""
    if not len(voter):
        return np.zeros(0)
    passed = np.cumsum(rng.exponential(gap, size=len(voter)))
    first = np.concatenate([[True], voter[1:] != voter[:-1]])
    start = np.maximum.accumulate(np.where(first, passed, 0.0))
    return np.asarray(begins[voter] + passed - start)


def simulate_board(
    models: Sequence[str],
    honest: int,
    target: str,
    *,
    rank: int | None = None,
    spread: float = 100.0,
    tie: float = 0.1,
    pairs: Float | None = None,
    seed: int = 0,
) -> Tally:
    """Simulate a board of models of which it is not known how good they are.

    Parameters
    ----------
    models : sequence of str
    honest : int
        Votes.
    target : str
        A model whose rank is given.
    rank : int, optional
        Its rank by true strength; by default the middle. The other models are ranked at random.
    spread, tie, pairs, seed
        See `spread_strengths` and `simulate_votes`.

    Raises
    ------
    MorelliError
        There is no such model or rank.
    """
    m = len(models)
    place = (m + 1) // 2 if rank is None else rank
    if target not in models:
        raise MorelliError(f"No model of the board is called {target}; there are: {', '.join(models)}.")
    if not 1 <= place <= m:
        raise MorelliError(f"The ranks of {m} models are 1 to {m}, not {place}.")
    others = np.random.default_rng(seed).permutation([i for i in range(m) if i != list(models).index(target)])
    order = np.insert(others, place - 1, list(models).index(target))
    theta = np.empty(m)
    theta[order] = spread_strengths(m, spread)
    return simulate_votes(theta, honest, models=models, tie=tie, pairs=pairs, seed=seed).tally()


def _outcome(edges: Float, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw outcomes; `edges` are the cumulative probabilities of left and of left or right, shape (n, 2)."""
    u = rng.random(len(edges))
    return np.select([u < edges[:, 0], u < edges[:, 1]], [LEFT, RIGHT], TIE).astype(np.int8)
