"""The nearest centroid attack for nested references and many draws at once, prompt by prompt.

What makes it fast: one draw is a random order of the images of each model, so that the references of every k are sums
of runs of it. The runs of all draws are one sparse matrix, times the prompt's embeddings; their cumulative sums are
the centroids of all draws, models and k, and one product with the images to be named gives all distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from morelli.attributors.prompts.distances import Metric, check_metric, unit_vectors
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._geometry import SLACK, PromptImages, over_prompts

__all__ = ["Judged", "Plan", "Queries", "check_drawing", "judged_by_prompt", "nothing_to_name", "plan_draws"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
Small = NDArray[np.int16]
Queries = Literal["one", "rest"]

_BYTES = 1 << 26  # of one array of centroids; more draws are done in parts


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which images of one prompt are references, and which are named, in each draw.

    Attributes
    ----------
    order : ndarray of int64, shape (draws, n)
        Positions among the prompt's images: model by model, those of one model in random order.
    reserved : ndarray of int64, shape (m,)
        How many of each model, from the first, may be references: at most its images less one.
    queries : ndarray of int64, shape (q,)
        Positions in `order` that are named: the same in all draws.
    """

    order: Codes
    reserved: Codes
    queries: Codes


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Answers for one prompt.

    Attributes
    ----------
    images : PromptImages
        Without their embeddings.
    truth : ndarray of int64, shape (q,)
        Which of ``images.models`` made each image that is named.
    query : ndarray of int64, shape (draws, q)
        Which of ``images.rows`` it is.
    ahead : ndarray of int16, shape (draws, q, K)
        How many other models are at least as near as the true one: 0 is top-1.
    rival : ndarray of int16, shape (draws, q, K), or None
        The nearest of the others, if asked for.
    used : ndarray of int64, shape (m, K)
        References of each model at each k.
    """

    images: PromptImages
    truth: Codes
    query: Codes
    ahead: Small
    rival: Small | None
    used: Codes


def check_drawing(ks: Sequence[int], draws: int, queries: Queries) -> tuple[int, ...]:
    """Return the numbers of references, ascending and each once.

    Raises
    ------
    MorelliError
        One of them, or the number of draws, is not positive, or there is no such way to choose queries.
    """
    if not ks or min(ks) < 1 or draws < 1:
        raise MorelliError(f"References and draws are counted from 1, not {list(ks)} and {draws}.")
    if queries not in get_args(Queries):
        raise MorelliError(f"Queries are {' or '.join(get_args(Queries))}, not {queries!r}.")
    return tuple(sorted({int(k) for k in ks}))


def plan_draws(images: PromptImages, most: int, draws: int, seed: int, queries: Queries) -> Plan:
    """Draw references for one prompt; what is drawn depends on the seed, the prompt's code and its images alone.

    Parameters
    ----------
    images : PromptImages
    most : int
        The largest k. A model with n images gives at most n - 1 references, for one image has to be left to be named;
        the only image of a model is a reference.
    draws, seed : int
    queries : {"one", "rest"}
        Name one image of each model, which is a reference in none, or all images that are no reference at the largest
        k. The one is among the rest.
    """
    rng = np.random.default_rng([seed, images.prompt])
    own, counts = images.own, images.counts
    order = np.argsort(own[None] + rng.random((draws, len(own))), axis=1).astype(np.int64)
    reserved = np.maximum(np.minimum(most, counts - 1), 1)
    place = np.arange(len(own)) - images.starts[own]
    named = place >= (counts - 1 if queries == "one" else reserved)[own]
    return Plan(order, reserved, np.flatnonzero(named & (counts[own] >= 2)).astype(np.int64))


def judged_by_prompt(
    board: Board,
    ks: Sequence[int],
    draws: int,
    seed: int,
    metric: Metric = "euclidean",
    queries: Queries = "one",
    *,
    rivals: bool = False,
) -> Iterator[Judged]:
    """Yield the answers of the nearest centroid for each contested prompt that has an image to be named.

    Distances are in 64 bits. Models at the same distance, up to rounding, count as nearer than the true one.

    Raises
    ------
    MorelliError
        See `check_drawing`.
    NotEnoughDataError
        No model has two images for a prompt of another.
    """
    ks = check_drawing(ks, draws, queries)
    check_metric(metric)

    def work(images: PromptImages) -> Judged | None:
        plan = plan_draws(images, ks[-1], draws, seed, queries)
        if not len(plan.queries):
            return None
        size = draws * (len(images.models) * len(ks) + len(plan.queries)) * images.X.shape[1] * images.X.itemsize
        used = np.minimum(np.asarray(ks)[None], plan.reserved[:, None])
        answers = [
            _answer(images, order, plan, ks, used, metric, rivals)
            for order in np.array_split(plan.order, min(draws, -(-size // _BYTES)))
        ]
        return Judged(
            images=replace(images, X=images.X[:0]),
            truth=images.own[plan.queries],
            query=plan.order[:, plan.queries],
            ahead=np.concatenate([ahead for ahead, _ in answers]),
            rival=np.concatenate([rival for _, rival in answers]) if rivals else None,
            used=used,
        )

    some = False
    for judged in over_prompts(board, work, centred=metric == "euclidean"):
        if judged is not None:
            some = True
            yield judged
    if not some:
        raise nothing_to_name()


def nothing_to_name() -> NotEnoughDataError:
    """Return the error for a board on which no image can be named."""
    return NotEnoughDataError(
        "To attack takes a reference and another image to be named: some model needs two images or more for a prompt "
        "for which another model has one."
    )


def _answer(
    images: PromptImages, order: Codes, plan: Plan, ks: tuple[int, ...], used: Codes, metric: Metric, rivals: bool
) -> tuple[Small, Small]:
    """Return how many models are ahead of the true one, and the nearest other one, for some draws."""
    draws, m, dim = len(order), len(images.models), images.X.shape[1]
    centroids = _sums(images, order, plan, ks).reshape(draws, m, len(ks), dim)
    for at in range(1, len(ks)):
        centroids[:, :, at] += centroids[:, :, at - 1]
    centroids /= used[None, :, :, None]
    X, scale = images.X, 1.0
    if metric == "cosine":
        X, centroids = (np.asarray(unit_vectors(values), dtype=np.float64) for values in (X, centroids))
    else:
        scale = float(np.einsum("nd,nd->n", X, X).max())
    flat = centroids.reshape(draws, m * len(ks), dim)
    away = X[order[:, plan.queries]] @ flat.transpose(0, 2, 1)
    # The image's own length is the same for all models, and left out.
    away *= -2.0 if metric == "euclidean" else -1.0
    if metric == "euclidean":
        away += np.einsum("rcd,rcd->rc", flat, flat)[:, None]
    away = away.reshape(draws, -1, m, len(ks))
    truth = images.own[plan.queries]
    mine = away[:, np.arange(len(truth)), truth]
    ahead = (away <= mine[:, :, None] + SLACK * scale).sum(axis=2, dtype=np.int16) - np.int16(1)
    if not rivals:
        return ahead, ahead
    away[:, np.arange(len(truth)), truth] = np.inf
    return ahead, away.argmin(axis=2).astype(np.int16)


def _sums(images: PromptImages, order: Codes, plan: Plan, ks: tuple[int, ...]) -> Float:
    """Return the sums of references from one k to the next, shape (draws * m * K, d), by draw, model and k."""
    own = images.own
    place = np.arange(len(own)) - images.starts[own]
    references = np.flatnonzero(place < plan.reserved[own])
    run = own[references] * len(ks) + np.searchsorted(ks, place[references], side="right")
    sizes = np.bincount(run, minlength=len(images.models) * len(ks))
    ends = np.concatenate([[0], np.cumsum(np.tile(sizes, len(order)))])
    columns = order[:, references].ravel()
    chosen = csr_array((np.ones(len(columns)), columns, ends), shape=(len(ends) - 1, len(own)))
    return np.asarray(chosen @ images.X)
