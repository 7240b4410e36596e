"""How often an attacker names the right model, prompt by prompt, on images that are no references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.errors import NotEnoughDataError
from morelli.leaderboard.attackers import Attacker, NearestCentroid, ranks_of_truth
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure._geometry import PromptImages, over_prompts
from morelli.leaderboard.exposure._nested import Plan, check_drawing, judged_by_prompt, nothing_to_name, plan_draws
from morelli.leaderboard.exposure._resampling import Interval, mean_defined, share_interval
from morelli.leaderboard.exposure.rates import Rates

__all__ = ["Success", "halves_of", "prompt_success", "success_halves"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Success:
    """Answers of an attacker.

    Attributes
    ----------
    models, prompts : tuple of str
    k, draws, seed : int
    named : ndarray of int64, shape (P, M, M)
        How often an image of a model (second axis) was said to be of a model (third axis), for each prompt.
    images : ndarray of int64, shape (P, M)
        Images that were judged in one draw or more.
    references : ndarray of int64, shape (P, M)
        What the attacker had: at most k, and one less than there are images.
    """

    models: tuple[str, ...]
    prompts: tuple[str, ...]
    k: int
    draws: int
    seed: int
    named: Codes
    images: Codes
    references: Codes

    @property
    def judgements(self) -> Codes:
        """Images times draws, shape (P, M)."""
        return np.asarray(self.named.sum(axis=2))

    @property
    def rate(self) -> Float:
        """Share of judgements that are right, NaN where there are none, shape (P, M)."""
        right = np.diagonal(self.named, axis1=1, axis2=2)
        return np.where(self.judgements > 0, right / np.maximum(self.judgements, 1), np.nan)

    @property
    def prompt_rate(self) -> Float:
        """Mean rate over models, shape (P,)."""
        return mean_defined(self.rate, axis=1)

    @property
    def chance(self) -> float:
        """What guessing among the models of each prompt would score."""
        n = self.judgements.sum(axis=1)
        among = np.maximum((self.references > 0).sum(axis=1), 1)
        return float((n / among).sum() / n.sum())

    @property
    def n(self) -> int:
        """Judgements in all."""
        return int(self.named.sum())

    @property
    def accuracy(self) -> float:
        """Share of all judgements that are right."""
        return float(np.trace(self.named.sum(axis=0)) / self.n)

    def interval(self, n_boot: int = 2000, seed: int = 0) -> Interval:
        """Return the 95% interval of `accuracy` over prompts."""
        right = np.trace(self.named, axis1=1, axis2=2)
        return share_interval(right, self.judgements.sum(axis=1), n_boot, seed)

    @property
    def rates(self) -> Rates:
        """Share of images recognised, prompt by prompt: the mean over models, however many images each has.

        An image counts once, whatever the number of draws; trials are as many as would be as precise if all models had
        as many images.
        """
        judged = self.images > 0
        models = judged.sum(axis=1)
        inverse = np.where(judged, 1.0 / np.maximum(self.images, 1), 0.0).sum(axis=1)
        n = np.where(models > 0, models**2 / np.where(models > 0, inverse, 1.0), 0.0)
        hits = np.where(models > 0, np.nan_to_num(self.prompt_rate), 0.0) * n
        return Rates(self.prompts, np.minimum(hits, n), n, f"images recognised with {self.k} references")


def prompt_success(
    board: Board, attacker: Attacker | None = None, k: int = 5, draws: int = 20, seed: int = 0
) -> Success:
    """Attack with k references for each prompt and model, drawn anew each time, and judge all other images.

    Parameters
    ----------
    board : Board
    attacker : Attacker, optional
        By default `NearestCentroid`, for which all draws are done at once; any other is called once a draw, with the
        same references and images.
    k : int
        References of each model for a prompt; a model with n images gives at most n - 1.
    draws, seed : int

    Raises
    ------
    MorelliError
        `k` or `draws` is not positive.
    NotEnoughDataError
        No image can be named.
    """
    attacker = attacker or NearestCentroid()
    (k,) = check_drawing([k], draws, "rest")
    P, M = board.counts.shape
    named, images = np.zeros((P, M, M), np.int64), np.zeros((P, M), np.int64)
    if isinstance(attacker, NearestCentroid):
        for judged in judged_by_prompt(board, [k], draws, seed, attacker.metric, "rest", rivals=True):
            p, there = judged.images.prompt, judged.images.models
            truth = np.broadcast_to(judged.truth, judged.query.shape)
            assert judged.rival is not None
            answer = np.where(judged.ahead[:, :, 0] == 0, truth, judged.rival[:, :, 0])
            np.add.at(named[p], (there[truth], there[answer]), 1)
            images[p, there] = _distinct(judged.query, judged.images.own, len(there))
    else:
        _ask(board, attacker, k, draws, seed, named, images)
    counts = np.where(board.contested[:, None], board.counts, 0)
    references = np.where(counts > 0, np.clip(np.minimum(k, counts - 1), 1, None), 0)
    return Success(board.models, board.prompts, k, draws, seed, named, images, references)


def halves_of(board: Board, seed: int) -> tuple[Board, Board]:
    """Deal the images of each prompt and model, in random order, to two boards; the first has the odd one.

    The same names stand on both, and no image stands on two. Which pairs are undefined on a half depends on counts
    alone.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(board)), board.cell))
    ends = np.cumsum(board.counts.ravel())
    place = np.arange(len(board)) - np.repeat(ends - board.counts.ravel(), board.counts.ravel())
    first = np.sort(order[place % 2 == 0])
    return board.take(first), board.take(np.sort(order[place % 2 == 1]))


def success_halves(
    board: Board, attacker: Attacker | None, k: int, draws: int, splits: int, seed: int
) -> list[tuple[Success, Success]]:
    """Attack on both halves of the images, for several random halves; empty where halves have too few images.

    Parameters
    ----------
    board, attacker, k, draws
        See `prompt_success`.
    splits : int
    seed : int
    """
    pairs = []
    for split in range(splits):
        first, second = halves_of(board, seed + split)
        try:
            pairs.append(
                (
                    prompt_success(first, attacker, k, draws, seed + split),
                    prompt_success(second, attacker, k, draws, seed + split),
                )
            )
        except NotEnoughDataError:
            return []
    return pairs


def _distinct(query: Codes, own: Codes, m: int) -> Codes:
    """Return how many different images of each model were named, shape (m,)."""
    return np.bincount(own[np.unique(query)], minlength=m)


def _ask(board: Board, attacker: Attacker, k: int, draws: int, seed: int, named: Codes, images: Codes) -> None:
    """Call an attacker once a draw, and count its answers."""

    def work(one: PromptImages) -> tuple[PromptImages, Plan]:
        return one, plan_draws(one, k, draws, seed, "rest")

    plans = [found for found in over_prompts(board, work) if len(found[1].queries)]
    if not plans:
        raise nothing_to_name()
    for one, plan in plans:
        images[one.prompt, one.models] = _distinct(plan.order[:, plan.queries], one.own, len(one.models))
    for draw in range(draws):
        references, queries = [], []
        for one, plan in plans:
            place = np.arange(len(one.rows)) - one.starts[one.own]
            references.append(one.rows[plan.order[draw, place < plan.reserved[one.own]]])
            queries.append(one.rows[plan.order[draw, plan.queries]])
        rows = np.concatenate(queries)
        truth, prompt = board.model[rows], board.prompt[rows]
        scores = attacker(board.take(np.concatenate(references)), board.X[rows], prompt)
        right = ranks_of_truth(scores, truth) == 0
        others = scores.copy()
        others[np.arange(len(rows)), truth] = -np.inf
        np.add.at(named, (prompt, truth, np.where(right, truth, others.argmax(axis=1))), 1)
