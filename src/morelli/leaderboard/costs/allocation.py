"""Different numbers of references for different models: where one more dollar buys most accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.distances import distances_to_centroids
from morelli.errors import MorelliError
from morelli.leaderboard._drawing import clip_references, draw_references
from morelli.leaderboard.board import Board
from morelli.leaderboard.costs.prices import Prices
from morelli.trials.metrics import cluster_bootstrap_interval

__all__ = ["Allocation", "Step", "allocate_references"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Step:
    """One allocation on the way: references by model, in the order of the models, its cost and measured accuracy."""

    references: tuple[int, ...]
    cost: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """The cheapest allocation that a greedy search found.

    Attributes
    ----------
    models : tuple of str
    wanted : float
    reached : bool
        Whether the last step, which is the allocation, has the wanted accuracy; else it is the most accurate one.
    steps : tuple of Step
        From the fewest references; accuracies are of the images that the search looked at.
    honest : tuple of float
        Accuracy, low and high of allocations that were chosen on one half of the prompts and measured on the other.
    uniform : Step or None
        The cheapest measured equal number for all models that has the wanted accuracy; None: none has.
    n : int
        Images judged, over all draws.
    """

    models: tuple[str, ...]
    wanted: float
    reached: bool
    steps: tuple[Step, ...]
    honest: tuple[float, float, float]
    uniform: Step | None
    n: int

    @property
    def of(self) -> Mapping[str, int]:
        """References by model of the last step."""
        return dict(zip(self.models, self.steps[-1].references, strict=True))


def allocate_references(
    board: Board,
    prices: Prices,
    wanted: float,
    *,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    draws: int = 10,
    judged: float = 1.0,
    seed: int = 0,
) -> Allocation:
    """Search for the cheapest numbers of references by model that give a wanted accuracy.

    All models begin with the smallest number, those that cost nothing with the largest. In each step the model goes to
    its next number that gains most accuracy for what it costs more, measured by the attack itself on the board's images
    and not modelled. The centroid of k references is farther from another image by the same model than that of many, by
    the noise of a mean; so that models with fewer references are not put at a disadvantage, squared distances are
    divided by ``1 + 1/k``, what they are expected to be in units of the variance inside cells.

    A search that ends without reaching what is wanted is cut off behind its most accurate step.

    Parameters
    ----------
    board : Board
    prices : Prices
    wanted : float
        Accuracy, in (0, 1].
    references : sequence of int
        Numbers to choose from.
    draws : int
    judged : float
        Images that are judged for each prompt, which share the cost.
    seed : int

    Raises
    ------
    NotEnoughDataError
        No image can be judged.
    MorelliError
        A model has no price; the wanted accuracy or `judged` makes no sense.
    """
    if not 0.0 < wanted <= 1.0:
        raise MorelliError(f"A wanted accuracy lies between 0 and 1, such as 0.9, not {wanted}.")
    if not 0.0 < judged < float("inf"):
        raise MorelliError(f"The number of images judged for each prompt is above 0, not {judged}.")
    price = np.array([prices.price(name) for name in board.models]) / judged
    ks, _ = clip_references(board, references)
    distances, truth, prompt = _distances(board, ks, draws, seed)
    # A number above what a model has for any prompt buys nothing.
    most = np.maximum(board.counts.max(axis=0) - 1, 1)
    last = np.array([int(np.searchsorted(ks, limit, side="left")) for limit in most])
    last = np.minimum(last, len(ks) - 1)
    search = _Search(np.asarray(ks), price, last, wanted)
    steps, reached = search.run(distances, truth)
    right = np.zeros(len(truth), dtype=np.bool_)
    prompts = np.unique(prompt)
    # Every other prompt in a random order, the same for the same seed.
    half = np.isin(prompt, np.random.default_rng([seed, 1]).permutation(prompts)[::2])
    for chosen, held in ((half, ~half), (~half, half)):
        if chosen.any() and held.any():
            found, _ = search.run(distances[:, chosen], truth[chosen])
            levels = np.searchsorted(ks, found[-1].references)
            right[held] = _right(_picked(distances[:, held], levels), truth[held])
    low, high = cluster_bootstrap_interval(right, prompt, seed=seed)
    equal = [search.step(distances, truth, np.minimum(level, last)) for level in range(len(ks))]
    enough = [step for step in equal if step.accuracy >= wanted]
    return Allocation(
        models=board.models,
        wanted=wanted,
        reached=reached,
        steps=tuple(steps),
        honest=(float(right.mean()), low, high) if len(prompts) > 1 else (float("nan"),) * 3,
        uniform=min(enough, key=lambda step: step.cost) if enough else None,
        n=len(truth),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    ks: Codes
    price: Float
    last: Codes
    wanted: float

    def run(self, distances: Float, truth: Codes) -> tuple[list[Step], bool]:
        levels = np.where(self.price == 0, self.last, 0)
        steps = [self.step(distances, truth, levels)]
        while steps[-1].accuracy < self.wanted and (levels < self.last).any():
            current = _picked(distances, levels)
            rates = np.full(len(levels), -np.inf)
            for m in np.flatnonzero(levels < self.last).tolist():
                raised = current.copy()
                raised[:, m] = distances[levels[m] + 1, :, m]
                gain = float(_right(raised, truth).mean()) - steps[-1].accuracy
                dearer = (self.ks[levels[m] + 1] - self.ks[levels[m]]) * self.price[m]
                # Where nothing gains, the step that costs least goes on: two together may gain.
                rates[m] = gain / dearer if gain > 0 else -dearer
            levels = levels.copy()
            levels[int(np.argmax(rates))] += 1
            steps.append(self.step(distances, truth, levels))
        reached = steps[-1].accuracy >= self.wanted
        best = len(steps) - 1 if reached else int(np.argmax([step.accuracy for step in steps]))
        return steps[: best + 1], reached

    def step(self, distances: Float, truth: Codes, levels: Codes) -> Step:
        accuracy = float(_right(_picked(distances, levels), truth).mean())
        k = self.ks[levels]
        return Step(tuple(int(v) for v in k), float((k * self.price).sum()), accuracy)


def _distances(board: Board, ks: Sequence[int], draws: int, seed: int) -> tuple[Float, Codes, Codes]:
    """Return squared distances over `1 + 1/k`, (K, n, M), and the model and prompt of each image."""
    parts, truth, prompt = [], [], []
    for draw in draw_references(board, draws, seed):
        at = board.prompt[draw.judged]
        each = []
        for centroids, counts in draw.centroids(board, ks):
            square = distances_to_centroids(board.X[draw.judged], at, centroids) ** 2
            each.append(square / (1.0 + 1.0 / np.maximum(counts[at], 1)))
        parts.append(np.stack(each))
        truth.append(board.model[draw.judged])
        prompt.append(at)
    return np.concatenate(parts, axis=1), np.concatenate(truth), np.concatenate(prompt)


def _picked(distances: Float, levels: Codes) -> Float:
    """Return the distances (n, M) with each model at its level."""
    return np.ascontiguousarray(distances[levels, :, np.arange(len(levels))].T)


def _right(distances: Float, truth: Codes) -> NDArray[np.bool_]:
    """Return whether the true model is nearer than every other; ties count against the attacker."""
    rows = np.arange(len(truth))
    own = distances[rows, truth]
    others = distances.copy()
    others[rows, truth] = np.inf
    return np.asarray(own < others.min(axis=1))
